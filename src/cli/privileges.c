/* SPDX-License-Identifier: MIT */
/* See privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_BYTES = 64 };

struct identity {
	uid_t uid;
	gid_t gid;
};

void privileges_bind(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

__attribute__((format(printf, 3, 4))) static int refuse(struct vfiomig_error *err, int errnum, const char *format, ...)
{
	va_list args;

	*err = (struct vfiomig_error){ .code = VFIOMIG_PREFLIGHT, .errnum = errnum, .name = "user" };
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -errnum;
}

/* A name that is all digits is taken for the number. */
static bool read_number(const char *text, unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = (unsigned)value;
	return *text >= '0' && *text <= '9' && !*end && value < UINT32_MAX;
}

static int find_group(const char *name, gid_t *gid, struct vfiomig_error *err)
{
	const struct group *group;

	if (read_number(name, gid))
		return 0;
	group = getgrnam(name);
	if (!group)
		return refuse(err, EINVAL, "--user: there is no group '%.60s'", name);
	*gid = group->gr_gid;
	return 0;
}

static int find_user(const char *text, struct identity *who, struct vfiomig_error *err)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	const struct passwd *user;
	char name[NAME_BYTES];

	if (length == 0 || length >= sizeof(name))
		return refuse(err, EINVAL, "--user: '%.60s' is not USER[:GROUP]", text);
	snprintf(name, sizeof(name), "%.*s", (int)length, text);
	user = getpwnam(name);
	if (!user && read_number(name, &who->uid))
		user = getpwuid(who->uid);
	else if (!user)
		return refuse(err, EINVAL, "--user: there is no user '%s'", name);
	if (user)
		*who = (struct identity){ user->pw_uid, user->pw_gid };
	else if (!colon)
		return refuse(err, EINVAL, "--user: user %s is not known, so its group must be named: %s:GROUP", name,
			      name);
	if (who->uid == 0)
		return refuse(err, EINVAL, "--user: '%.60s' is root, whose rights it is there to give up", text);
	return colon ? find_group(colon + 1, &who->gid, err) : 0;
}

static bool has_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &header, data))
		return true;
	for (unsigned i = 0; i < 2; i++)
		if (data[i].effective | data[i].permitted | data[i].inheritable)
			return true;
	return false;
}

static bool is_already(const struct identity *who)
{
	uid_t real, effective, saved;
	gid_t group_real, group_effective, group_saved;

	if (getresuid(&real, &effective, &saved) || getresgid(&group_real, &group_effective, &group_saved))
		return false;
	return real == who->uid && effective == who->uid && saved == who->uid && group_real == who->gid &&
	       group_effective == who->gid && group_saved == who->gid && !has_capability();
}

/* RDMA registers its memory later, which counts against this limit. As high as it goes: at least as high as it may. */
static void lift_locked(void)
{
	struct rlimit locked = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_MEMLOCK, &locked) || getrlimit(RLIMIT_MEMLOCK, &locked))
		return;
	locked.rlim_cur = locked.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &locked);
}

/* Groups first: who has given up the user may no longer change them. 0 or an errno. */
static int become(const struct identity *who)
{
	lift_locked();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* Up to the kernel's last capability, beyond which it says EINVAL. */
	for (unsigned long capability = 0; !prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); capability++)
		;
	if (setgroups(0, NULL) || setresgid(who->gid, who->gid, who->gid) || setresuid(who->uid, who->uid, who->uid))
		return errno;
	return is_already(who) ? 0 : EPERM;
}

int privileges_drop(const char *user, struct vfiomig_error *err)
{
	struct identity who = { 0 };
	int rc = find_user(user, &who, err);

	if (rc || is_already(&who))
		return rc;
	rc = become(&who);
	if (rc)
		return refuse(err, rc, "--user: this process cannot become '%.60s': %s (it takes root)", user,
			      strerror(rc));
	return 0;
}
