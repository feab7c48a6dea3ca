/* SPDX-License-Identifier: MIT */
/* Recordings in a folder of the test's own. */
#ifndef SUPPORT_RECORDING_RIG_H
#define SUPPORT_RECORDING_RIG_H

#include <criterion/criterion.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/recording_format.h"
#include "support/random.h"

static char recording_folder[64];
static char recording_path[128];

static inline void recording_rig_init(void)
{
	snprintf(recording_folder, sizeof(recording_folder), "/tmp/recording.XXXXXX");
	cr_assert_not_null(mkdtemp(recording_folder));
	snprintf(recording_path, sizeof(recording_path), "%s/a.vfiomig", recording_folder);
}

/* Returns how many files the folder had. */
static inline unsigned recording_rig_clear(void)
{
	DIR *dir = opendir(recording_folder);
	struct dirent *entry;
	unsigned files = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			unlinkat(dirfd(dir), entry->d_name, 0);
			files++;
		}
	if (dir)
		closedir(dir);
	return files;
}

static inline void recording_rig_fini(void)
{
	recording_rig_clear();
	rmdir(recording_folder);
}

static inline struct vfiomig_device_info recording_info_sample(void)
{
	struct vfiomig_device_info info = { .driver = "mlx5_vfio_pci",
					    .vendor = 0x15b3,
					    .device = 0x101e,
					    .subsystem_vendor = 0x15b4,
					    .subsystem_device = 0x0058,
					    .class_revision = 0x02000001,
					    .migration_flags = 7,
					    .firmware = "28.36.1010",
					    .psid = "MT_0000000838",
					    .numa_node = -1,
					    .expected_bytes = UINT64_C(0x123456789a),
					    .config_bytes = 256 };

	for (unsigned i = 0; i < 256; i++)
		info.config[i] = (uint8_t)(i * 7);
	return info;
}

/* Payload of packet @index: bytes that follow from it. */
static inline void recording_payload(uint64_t index, void *to, size_t bytes)
{
	struct random random = { .state = index + 1 };

	random_fill(&random, to, bytes);
}

static inline void recording_add(struct recorder *recorder, uint64_t index, uint32_t flags, uint32_t bytes)
{
	struct recording_packet packet = { .index = index, .flags = flags, .bytes = bytes };
	struct vfiomig_error err = { 0 };
	uint8_t *payload = malloc(bytes + 1);

	recording_payload(index, payload, bytes);
	cr_assert_eq(recorder_put(recorder, &packet, payload, &err), 0, "%s", err.text);
	free(payload);
}

static inline struct recorder *recording_begin(const char *path)
{
	struct vfiomig_device_info info = recording_info_sample();
	struct vfiomig_error err = { 0 };
	struct recorder *recorder;

	cr_assert_eq(recorder_open(&recorder, path, &info, "nic0", &err), 0, "%s", err.text);
	return recorder;
}

static inline void recording_end(struct recorder *recorder)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(recorder_finish(recorder, &err), 0, "%s", err.text);
	recorder_close(recorder);
}

/* PRE_COPY @precopy, STOP_COPY @stop_copy packets of @bytes each, and a config packet of 264 bytes. */
static inline void recording_make(unsigned precopy, unsigned stop_copy, uint32_t bytes)
{
	struct recorder *recorder = recording_begin(recording_path);
	uint64_t index = 0;

	while (index < precopy)
		recording_add(recorder, index++, 0, bytes);
	while (index < precopy + stop_copy)
		recording_add(recorder, index++, RECORDING_STOP_COPY, bytes);
	recording_add(recorder, index, RECORDING_STOP_COPY | RECORDING_CONFIG_STATE, 264);
	recording_end(recorder);
}

/* The whole file; *@bytes of it, to be freed. */
static inline uint8_t *recording_load(size_t *bytes)
{
	FILE *file = fopen(recording_path, "rb");
	struct stat is;
	uint8_t *data;

	cr_assert_not_null(file);
	cr_assert_eq(fstat(fileno(file), &is), 0);
	*bytes = (size_t)is.st_size;
	data = malloc(*bytes + 1);
	cr_assert_eq(fread(data, 1, *bytes, file), *bytes);
	fclose(file);
	return data;
}

/* Write @byte into the file at @at. */
static inline void recording_poke(uint64_t at, uint8_t byte)
{
	int fd = open(recording_path, O_WRONLY);

	cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

#endif
