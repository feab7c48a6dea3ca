/* SPDX-License-Identifier: MIT */
/*
 * The gate: a gated device's config load waits for the token and for the platform. The token is judged by its content,
 * never by when it comes, because a lane says nothing about packets on other lanes.
 */
#include <errno.h>

#include "base/error.h"
#include "core/core_table.h"

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

static int differs(unsigned d, const char *what, uint64_t token, uint64_t other, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "token-manifest-mismatch",
			 "device %u: the token counts %llu data packets or bytes, %s %llu", d,
			 (unsigned long long)token, what, (unsigned long long)other);
}

/* The token against all that is known: what was loaded, so that it cannot open the gate too early, and the manifest. */
static int check_token(const struct core *core, unsigned d, struct vfiomig_error *err)
{
	const struct core_device *device = &core->device[d];
	const struct token_count *count = &core->token.count[d];
	uint64_t data_bytes = device->counts.bytes - device->counts.config_bytes;

	if (!(core->facts & FACT_TOKEN))
		return 0;
	if (device->ended && count->packets != device->manifest.packets - 1)
		return differs(d, "the manifest", count->packets, device->manifest.packets - 1, err);
	if (device->counted && count->packets != device->counts.packets - 1)
		return differs(d, "loaded were", count->packets, device->counts.packets - 1, err);
	if (device->counted && count->bytes != data_bytes)
		return differs(d, "loaded were", count->bytes, data_bytes, err);
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
		int rc = check_token(core, d, err);

		if (rc)
			return rc;
	}
	return 0;
}

int core_gate_loaded(const struct core *core, unsigned d, struct vfiomig_error *err)
{
	return core->device[d].ended ? core_gate_manifest(core, d, err) : check_token(core, d, err);
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
	return check_token(core, d, err);
}
