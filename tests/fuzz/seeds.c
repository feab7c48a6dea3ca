/* SPDX-License-Identifier: MIT */
/*
 * fuzz_seeds DIRECTORY: makes the seeds of the corpora by the project's own encoders, so that they can be made anew when
 * the wire changes. What fuzzing has found beyond them lies beside them under other names.
 */
#include "seeds.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/packet.h"
#include "wire/token.h"

static const char *directory;

void seed_write(const char *fuzzer, const char *name, const void *bytes, size_t count)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/seed-%s", directory, fuzzer, name);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, count, file) != count || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void seed_packet(const char *name, uint32_t flags, uint64_t index, uint32_t bytes, int with_sum)
{
	uint8_t seed[2 + PACKET_HEADER_BYTES + 256] = { 0, 0 };
	uint8_t *payload = seed + 2 + PACKET_HEADER_BYTES;
	struct packet_header header = { .device = 1,
					.flags = flags,
					.index = index,
					.bytes = bytes,
					.session = "0123456789abcde",
					.ready_ns = 1234567890123,
					.read_us = 250,
					.wait_us = 12 };

	for (uint32_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)(i * 7);
	packet_encode(seed + 2, &header, with_sum ? packet_sum(payload, bytes) : 0);
	seed_write("packet_header", name, seed, 2 + PACKET_HEADER_BYTES + (with_sum ? bytes : 0));
}

static void seed_packets(void)
{
	seed_packet("data", 0, 0, 256, 1);
	seed_packet("stop-copy", PACKET_STOP_COPY, 70000, 17, 1);
	seed_packet("config", PACKET_CONFIG_STATE | PACKET_STOP_COPY, UINT64_MAX, 100, 1);
	seed_packet("empty", PACKET_CONFIG_STATE, 3, 0, 1);
	seed_packet("unsummed", 0, 5, 200, 0);
	seed_packet("sealed", PACKET_SEALED | PACKET_STOP_COPY, 9, 64, 0);
}

static void seed_token(const char *name, unsigned devices, uint8_t repair)
{
	uint8_t seed[1 + TOKEN_BYTES_MAX];
	struct token token = { .devices = devices, .session = "0123456789abcde" };

	for (unsigned d = 0; d < devices; d++) {
		token.count[d].packets = d * 3;
		token.count[d].bytes = d * UINT64_C(0x100000001);
	}
	seed[0] = (uint8_t)((devices - 1) | repair);
	seed_write("token", name, seed, 1 + token_encode(seed + 1, &token));
}

static void seed_tokens(void)
{
	seed_token("one", 1, 0);
	seed_token("two", 2, 0);
	seed_token("two-repaired", 2, 0x80);
	seed_token("all", VFIOMIG_DEVICES_MAX, 0);
}

static void seed_specs(void)
{
	static const struct {
		const char *name, *text;
	} specs[] = {
		{ "sim", "sim:" },
		{ "sim-stream",
		  "sim:bytes=64M,seed=7,read-chunk=4096,write-chunk=64K,read-rate=1G,write-rate=1048576" },
		{ "sim-errors", "sim:bytes=1M,read-error-at=0x1000,write-error-at=12,fail-state=RESUMING" },
		{ "sim-arcs", "sim:transition-ms=5,stop-ms=1,running-ms=2,stop-copy-ms=3,resuming-ms=4,load-ms=9" },
		{ "sim-precopy", "sim:precopy=enomsg,precopy-bytes=32M,initial-bytes=1M,dirty-rate=20M,p2p=off" },
		{ "sim-tiny", "sim:personality=tiny,bytes=320,config-bytes=4096,config-seed=3,check-config=off" },
		{ "vfio", "vfio:0000:01:00.2,name=nic-0.a_b,gate=off" },
		{ "file", "file:/tmp/a=b.rec,name=x,gate=on" },
		{ "numbers", "sim:seed=010,bytes=0x10K,config-seed=18446744073709551614" },
		{ "bad", "sim:bytes=10Q,=,,name=" },
		{ "many", "sim:a=,b=,c=,d=,e=,f=,g=,h=,i=,j=,k=,l=,m=,n=,o=,p=,q=,r=,s=,t=,u=,v=,w=,x=,y=,z=,A=,B=,C=,"
			  "D=,E=,F=,G=,H=,I=,J=,K=,L=,M=,N=,O=,P=,Q=,R=,S=,T=,U=,V=,W=,X=,Y=,Z=" },
	};

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		seed_write("device_spec", specs[i].name, specs[i].text, strlen(specs[i].text));
}

/* Roads through the core: 0, 0, op per step; op 7 is "what is outstanding goes well". */
static void seed_core(const char *name, uint8_t first, uint8_t second, const uint8_t *ops, size_t count)
{
	uint8_t seed[2 + 3 * 64] = { first, second };

	for (size_t i = 0; i < count; i++)
		seed[2 + 3 * i + 2] = ops[i];
	seed_write("core_ops", name, seed, 2 + 3 * count);
}

static void seed_cores(void)
{
	enum {
		UP = 4 << 3 | 2,
		OFFER = 1 << 3 | 4,
		SWITCHOVER = 6 << 3 | 4,
		COMMIT = 9 << 3 | 4,
		CANCEL = 2,
		TOKEN = 5
	};
	enum { END_0 = 3, END_1 = 2 << 3 | 3, PLATFORM = 6 << 3 | 2, LOST = 3 << 3 | 2, ABORT = 11 << 3 | 4, OK = 7 };
	static const uint8_t one[] = { UP, OK, OFFER, OK, OK, OK,     OK, SWITCHOVER, END_0,
				       OK, OK, OK,    OK, OK, COMMIT, OK, OK };
	static const uint8_t two[] = { UP,    OK,	OFFER,	OK,    OK, OK, OK, OK, OK, SWITCHOVER,
				       TOKEN, PLATFORM, END_0,	END_1, OK, OK, OK, OK, OK, OK,
				       OK,    OK,	COMMIT, OK,    OK, OK, OK, OK };
	static const uint8_t lost[] = { UP, OK, OFFER, OK, OK, OK, OK, SWITCHOVER, END_0, OK, OK, OK, LOST };
	static const uint8_t cancelled[] = { UP, OK, OFFER, OK, OK, OK, CANCEL, OK, OK };
	static const uint8_t aborted[] = { UP,	  OK, OFFER, OK, OK, OK, OK,	SWITCHOVER,
					   END_0, OK, OK,    OK, OK, OK, ABORT, OK };

	seed_core("one-device", 2, 0, one, sizeof(one));
	seed_core("two-devices", 16, 12, two, sizeof(two));
	seed_core("two-in-turn", 16 | 4, 12, two, sizeof(two));
	seed_core("lost", 2, 1, lost, sizeof(lost));
	seed_core("cancelled", 2, 0, cancelled, sizeof(cancelled));
	seed_core("aborted", 2, 1, aborted, sizeof(aborted));
}

/* The source's roads, for the one bit of the first byte. */
static void seed_sources(void)
{
	enum { UP = 4 << 3 | 2, AGREED = 3 << 3 | 4, READY = 4 << 3 | 4, LANES = 5 << 3 | 4, MEASURED = 7 << 3 | 2 };
	enum { DUE = 8 << 3 | 2, OUT = 5 << 3 | 2, PREPARED = 8 << 3 | 4, DONE = 10 << 3 | 4, ABORT = 11 << 3 | 4 };
	enum { DEGRADED = 15 << 3 | 4, LOST = 3 << 3 | 2, OK = 7 };
	static const uint8_t done[] = { UP, OK, AGREED, READY, OK, LANES, OK, MEASURED, DUE,	  OK, OK,  OK,
					OK, OK, OK,	OK,    OK, OUT,	  OK, OK,	PREPARED, OK, DONE };
	static const uint8_t degraded[] = { UP, OK, AGREED, READY, OK, LANES, OK, MEASURED, DUE,      OK, OK,
					    OK, OK, OK,	    OK,	   OK, OK,    OK, OK,	    PREPARED, OK, DEGRADED };
	static const uint8_t doubt[] = { UP, OK, AGREED, READY, OK, LANES, OK, MEASURED, DUE,	   OK, OK,
					 OK, OK, OK,	 OK,	OK, OK,	   OK, OK,	 PREPARED, OK, LOST };
	static const uint8_t refused[] = { UP, OK, AGREED, READY, OK, LANES, OK, MEASURED, DUE,	     OK, OK,
					   OK, OK, OK,	   OK,	  OK, OK,    OK, OK,	   PREPARED, OK, ABORT };

	seed_core("source-done", 1 | 16, 12, done, sizeof(done));
	seed_core("source-precopy", 1 | 2 | 16, 48, done, sizeof(done));
	seed_core("source-degraded", 1 | 2, 0, degraded, sizeof(degraded));
	seed_core("source-doubt", 1 | 2, 1, doubt, sizeof(doubt));
	seed_core("source-refused", 1 | 2 | 8, 0, refused, sizeof(refused));
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	seed_packets();
	seed_tokens();
	seed_specs();
	seed_cores();
	seed_sources();
	seed_messages();
	seed_configs();
	seed_recordings();
	return 0;
}
