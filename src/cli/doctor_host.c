/* SPDX-License-Identifier: MIT */
/* The files in which a machine shows itself: its own, or a copy of them in a folder. See doctor.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"

/* What does not fit becomes a path that does not exist. */
__attribute__((format(printf, 3, 0))) static void join(const struct doctor *doctor, char path[PATH_MAX],
						       const char *format, va_list args)
{
	int root = snprintf(path, PATH_MAX, "%s", doctor->sysroot), rest = -1;

	if (root >= 0 && root < PATH_MAX)
		rest = vsnprintf(path + root, (size_t)(PATH_MAX - root), format, args);
	if (rest < 0 || rest >= PATH_MAX - root)
		path[0] = '\0';
}

/* Nobody may be there to write into a pipe, and what is no file may have no end. */
static FILE *open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	FILE *file = NULL;

	if (fd >= 0 && !fstat(fd, &status) && S_ISREG(status.st_mode))
		file = fdopen(fd, "r");
	if (fd >= 0 && !file)
		close(fd);
	return file;
}

FILE *doctor_open(const struct doctor *doctor, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s%s", doctor->sysroot, name) < (int)sizeof(path) ? open_regular(path)
											       : NULL;
}

static bool read_line(const char *path, char *text, size_t bytes)
{
	FILE *file = open_regular(path);

	text[0] = '\0';
	if (!file)
		return false;
	if (!fgets(text, (int)bytes, file))
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return text[0];
}

bool doctor_read(const struct doctor *doctor, char *text, size_t bytes, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	join(doctor, path, format, args);
	va_end(args);
	return read_line(path, text, bytes);
}

long long doctor_read_number(const struct doctor *doctor, long long missing, const char *format, ...)
{
	char path[PATH_MAX], text[64], *end;
	long long value;
	va_list args;

	va_start(args, format);
	join(doctor, path, format, args);
	va_end(args);
	read_line(path, text, sizeof(text));
	value = strtoll(text, &end, 0);
	return end == text ? missing : value;
}

void doctor_read_link(const struct doctor *doctor, char *text, size_t bytes, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t length;
	va_list args;

	va_start(args, format);
	join(doctor, path, format, args);
	va_end(args);
	length = readlink(path, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = '\0';
	slash = strrchr(target, '/');
	snprintf(text, bytes, "%s", slash ? slash + 1 : target);
	if (!doctor_is_name(text))
		text[0] = '\0';
}

int doctor_access(const struct doctor *doctor, int mode, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	join(doctor, path, format, args);
	va_end(args);
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) ? errno : 0;
}

bool doctor_is_name(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_-.:+@", *c))
			return false;
	return text[0] && text[0] != '.' && text[0] != '-';
}

struct doctor_quoted doctor_quote(const char *text)
{
	struct doctor_quoted out = { "'" };
	size_t used = 1;

	for (; *text && used + 6 < sizeof(out.text); text++) {
		const char *as = *text == '\'' ? "'\\''" : (char[]){ *text, '\0' };

		used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%s", as);
	}
	snprintf(out.text + used, sizeof(out.text) - used, "'");
	return out;
}

static int visible(const struct dirent *entry)
{
	return doctor_is_name(entry->d_name);
}

unsigned doctor_each(struct doctor *doctor, const char *folder, doctor_each_fn *each, void *context)
{
	struct dirent **names;
	char path[PATH_MAX];
	int count;

	if (snprintf(path, sizeof(path), "%s%s", doctor->sysroot, folder) >= (int)sizeof(path))
		return 0;
	count = scandir(path, &names, visible, alphasort);
	if (count < 0)
		return 0;
	for (int i = 0; i < count; i++) {
		if (each)
			each(doctor, names[i]->d_name, context);
		free(names[i]);
	}
	free(names);
	return (unsigned)count;
}

bool doctor_has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective >> capability % 32 & 1;
}

static bool looks_like(const char *text, const char *shape)
{
	for (; *shape && *text; shape++, text++)
		if (*shape == 'x' ? !isxdigit((unsigned char)*text) : *shape != *text)
			return false;
	return !*shape && !*text;
}

bool doctor_vfio_id(const char *spec, struct doctor_vfio_id *out)
{
	char name[PATH_MAX];
	const char *slash;

	if (!transfer_spec_is_vfio(spec) || transfer_spec_is_inherited(spec))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec + 5, ","), spec + 5);
	slash = strrchr(name, '/');
	snprintf(out->id, sizeof(out->id), "%.127s", slash ? slash + 1 : name);
	out->bus = "pci";
	if (looks_like(out->id, "xx:xx.x"))
		snprintf(out->id, sizeof(out->id), "0000:%.7s", name);
	else if (looks_like(out->id, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		out->bus = "mdev";
	return true;
}
