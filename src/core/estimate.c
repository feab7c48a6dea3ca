/* SPDX-License-Identifier: MIT */
/*
 * Every term is either measured or assumed, and says which. The stream takes as long as its slowest stage, and a slot's way through
 * the others. Arcs are taken to be as long as those that have been walked already, on the same device.
 */
#include "core/estimate.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

/* What is assumed of a stage that has not been seen at work. */
enum { ASSUMED_MIB_PER_S = 100, ASSUMED_CONFIG_MS = 100, COMMIT_ROUND_TRIPS = 3 };

#define MIB (1024.0 * 1024)

/* Whatever rates a peer may have claimed, sums of a few of these do not overflow. */
#define FAR_NS	  1e18
#define FAR_BYTES 1e18

/* Everything is rounded here and in the same way, so that sums of terms stay in the order of the terms. */
static uint64_t whole_us(double ns)
{
	return (uint64_t)((ns < FAR_NS ? ns : FAR_NS) / 1e3);
}

static __attribute__((format(printf, 4, 5))) void add_term(struct vfiomig_estimate *estimate, const char *name,
							   const double ns[2], const char *format, ...)
{
	struct vfiomig_estimate_term *term = &estimate->term[estimate->terms++];
	va_list args;

	snprintf(term->name, sizeof(term->name), "%s", name);
	term->low_us = whole_us(ns[0]);
	term->high_us = whole_us(ns[1]);
	va_start(args, format);
	vsnprintf(term->basis, sizeof(term->basis), format, args);
	va_end(args);
	estimate->low_us += term->low_us;
	estimate->high_us += term->high_us;
}

/* With what the other devices take: the longest of them, or all of them. */
static double join(const struct estimate_facts *facts, double so_far, double ns)
{
	if (facts->serial)
		return so_far + ns;
	return ns > so_far ? ns : so_far;
}

/* One arc of device @d: RUNNING to PRE_COPY is one, RUNNING to RESUMING two, and with P2P three. Negative: none was seen. */
static double arc_ns(const struct estimate_device *device, bool source)
{
	if (source && device->precopy_ns)
		return (double)device->precopy_ns;
	if (device->resuming_ns)
		return (double)device->resuming_ns / (device->p2p ? 3 : 2);
	return -1;
}

/* Arcs of the stop: to P2P, (STOP,) STOP_COPY; of the start: STOP, (P2P,) RUNNING. */
static unsigned arcs(const struct estimate_device *device, bool source)
{
	if (source && device->precopy_ns)
		return device->p2p ? 2 : 1;
	return device->p2p ? 3 : 2;
}

static double add_transitions(const struct estimate_facts *facts, bool source, struct vfiomig_estimate *estimate)
{
	double ns[2] = { 0, 0 };
	unsigned measured = 0;
	const char *name = source ? "stop transitions" : "start transitions";
	bool precopied = false;

	for (unsigned d = 0; d < facts->devices; d++) {
		const struct estimate_device *device = &facts->device[d];
		double one = arc_ns(device, source);

		precopied |= source && device->precopy_ns;
		if (one >= 0)
			measured++;
		if (one >= 0)
			ns[1] = join(facts, ns[1], one * arcs(device, source));
	}
	estimate->assumed = true;
	if (measured == 0)
		add_term(estimate, name, ns, "assumed: nothing; no transition has been measured");
	else if (measured < facts->devices)
		add_term(estimate, name, ns,
			 "assumed: each arc as one on the way to %s was, on %u of %u devices; of the others nothing",
			 precopied ? "PRE_COPY" : "RESUMING", measured, facts->devices);
	else
		add_term(estimate, name, ns, "assumed: each arc at most as long as one on the way to %s was",
			 precopied ? "PRE_COPY" : "RESUMING");
	return ns[1];
}

/* ns for @bytes at @rate bytes/s. */
static double time_ns(double bytes, double rate)
{
	return rate > 0 ? bytes / rate * 1e9 : 0;
}

static double rate_of(uint64_t bytes, uint64_t ns)
{
	return bytes && ns ? (double)bytes * 1e9 / (double)ns : 0;
}

/* bytes/s of all lanes together: the trial's, or what all devices' packets were seen at, if that is more. */
static double wire_rate(const struct estimate_facts *facts)
{
	double seen = 0, trial = rate_of(facts->trial_bytes, facts->trial_ns);

	for (unsigned d = 0; d < facts->devices; d++)
		seen += rate_of(facts->device[d].load_bytes, facts->device[d].wire_ns);
	return seen > trial ? seen : trial;
}

/* How long device @d's stream takes at the slower of its own two stages; *@rate is that one's, 0: none is known. */
static double own_ns(const struct estimate_device *device, double *rate)
{
	double read = rate_of(device->read_bytes, device->read_ns), load = rate_of(device->load_bytes, device->load_ns);

	*rate = read > 0 && (read < load || load <= 0) ? read : load;
	return time_ns((double)device->stop_bytes, *rate);
}

/* The first slot passes through every stage before the slowest one can begin. */
static double fill_ns(const struct estimate_facts *facts, const struct estimate_device *device, double wire)
{
	double slot = (double)(device->stop_bytes < facts->slot_bytes ? device->stop_bytes : facts->slot_bytes);
	double read = time_ns(slot, rate_of(device->read_bytes, device->read_ns));
	double load = time_ns(slot, rate_of(device->load_bytes, device->load_ns)), lanes = time_ns(slot, wire);
	double most = read > load ? read : load;

	return read + load + lanes - (most > lanes ? most : lanes);
}

static double add_stream(const struct estimate_facts *facts, struct vfiomig_estimate *estimate)
{
	double wire = wire_rate(facts), known[2] = { 0, 0 }, slowest = -1, all_bytes = 0, all_ns, slowest_rate = 0;
	bool assumed = false;

	for (unsigned d = 0; d < facts->devices; d++) {
		const struct estimate_device *device = &facts->device[d];
		double rate, own = own_ns(device, &rate) + fill_ns(facts, device, wire), most = own;

		if (!device->load_ns || !device->read_ns) {
			double guess = time_ns((double)device->stop_bytes, ASSUMED_MIB_PER_S * MIB);

			assumed = true;
			most = guess > own ? guess : own;
		}
		known[0] = join(facts, known[0], own);
		known[1] = join(facts, known[1], most);
		if (most > slowest) {
			slowest = most;
			slowest_rate = rate;
			estimate->slowest_device = d;
		}
		all_bytes += (double)device->stop_bytes;
	}
	all_ns = time_ns(all_bytes, wire);
	for (unsigned i = 0; i < 2; i++)
		known[i] = all_ns > known[i] ? all_ns : known[i];
	estimate->stop_copy_bytes =
		(uint64_t)(all_bytes < FAR_BYTES ? all_bytes : FAR_BYTES); /* devices may say anything */
	estimate->assumed |= assumed;
	if (assumed)
		add_term(estimate, "stream", known,
			 "%.1f MiB; lanes seen at %.0f MiB/s; assumed of devices that gave no PRE_COPY data: at least "
			 "%d MiB/s",
			 all_bytes / MIB, wire / MIB, ASSUMED_MIB_PER_S);
	else
		add_term(estimate, "stream", known, "%.1f MiB; lanes seen at %.0f MiB/s, the slowest device at %.0f",
			 all_bytes / MIB, wire / MIB, slowest_rate / MIB);
	return known[0];
}

static void add_config(const struct estimate_facts *facts, struct vfiomig_estimate *estimate)
{
	double ns[2] = { 0, 0 };

	for (unsigned d = 0; d < facts->devices; d++)
		if (facts->device[d].config)
			ns[1] = join(facts, ns[1], ASSUMED_CONFIG_MS * 1e6);
	if (ns[1] > 0)
		add_term(estimate, "config load", ns, "assumed: at most %d ms per device; it is never tried before",
			 ASSUMED_CONFIG_MS);
}

void estimate_make(const struct estimate_facts *facts, struct vfiomig_estimate *estimate)
{
	double commit[2] = { COMMIT_ROUND_TRIPS * (double)facts->rtt_ns, COMMIT_ROUND_TRIPS * (double)facts->rtt_ns };

	*estimate = (struct vfiomig_estimate){ .size = estimate->size };
	estimate->expected_us = whole_us(add_transitions(facts, true, estimate));
	estimate->expected_us += whole_us(add_stream(facts, estimate));
	add_config(facts, estimate);
	estimate->expected_us += whole_us(add_transitions(facts, false, estimate));
	add_term(estimate, "commit", commit, "%d round trips of %.2f ms", COMMIT_ROUND_TRIPS,
		 (double)facts->rtt_ns / 1e6);
	estimate->expected_us += whole_us(commit[0]);
}
