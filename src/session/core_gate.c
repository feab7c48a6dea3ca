/* SPDX-License-Identifier: MIT */
/*
 * The gate: a gated device's config load waits for the token and for the platform. The token is judged by its content,
 * never by when it comes, because a lane says nothing about packets on other lanes.
 */
#include <errno.h>

#include "base/error.h"
#include "session/core_table.h"

bool core_gate_any(const struct core *core)
{
	for (unsigned d = 0; d < core->devices; d++)
		if (core->device[d].gated)
			return true;
	return false;
}

bool core_gate_open(const struct core *core, unsigned d)
{
	uint32_t keys = FACT_TOKEN | FACT_PLATFORM_READY;

	return !core->device[d].gated || (core->facts & keys) == keys;
}

static int check_against_manifest(const struct core *core, unsigned d, struct vfiomig_error *err)
{
	const struct core_device *device = &core->device[d];
	const struct token_count *count = &core->token.count[d];

	if (!(core->facts & FACT_TOKEN) || !device->ended)
		return 0;
	if (count->packets != device->manifest.packets - 1)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "token-manifest-mismatch",
				 "device %u: the token counts %llu data packets, the manifest %llu", d,
				 (unsigned long long)count->packets, (unsigned long long)device->manifest.packets - 1);
	if (device->counted && count->bytes != device->counts.bytes - device->counts.config_bytes)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "token-manifest-mismatch",
				 "device %u: the token counts %llu bytes of data, %llu were loaded", d,
				 (unsigned long long)count->bytes,
				 (unsigned long long)(device->counts.bytes - device->counts.config_bytes));
	return 0;
}

int core_gate_token(struct core *core, const struct core_event *event, struct vfiomig_error *err)
{
	if (!core_gate_any(core))
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "token-unexpected",
				 "a token came, but the gate is off for every device");
	if (core->facts & FACT_TOKEN)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "token-twice", "a second token came");
	for (unsigned d = 0; d < core->devices; d++)
		if (event->token->count[d].packets < event->arrived[d])
			return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "token-count-low",
					 "device %u: the token counts %llu data packets, but %llu have come", d,
					 (unsigned long long)event->token->count[d].packets,
					 (unsigned long long)event->arrived[d]);
	core->token = *event->token;
	core->facts |= FACT_TOKEN;
	for (unsigned d = 0; d < core->devices; d++) {
		int rc = check_against_manifest(core, d, err);

		if (rc)
			return rc;
	}
	return 0;
}

int core_gate_manifest(const struct core *core, unsigned d, struct vfiomig_error *err)
{
	const struct core_device *device = &core->device[d];

	if (device->manifest.packets != device->counts.packets || device->manifest.bytes != device->counts.bytes)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "manifest-mismatch",
				 "device %u: the source sent %llu packets of %llu bytes, %llu of %llu were loaded", d,
				 (unsigned long long)device->manifest.packets,
				 (unsigned long long)device->manifest.bytes, (unsigned long long)device->counts.packets,
				 (unsigned long long)device->counts.bytes);
	if (device->manifest.digest != device->counts.digest)
		return error_set(err, VFIOMIG_PROTOCOL, EBADMSG, "manifest-digest",
				 "device %u: the digest of what was loaded differs from the source's", d);
	return check_against_manifest(core, d, err);
}
