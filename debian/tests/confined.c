/* SPDX-License-Identifier: MIT */
/*
 * What whoever takes the receiver over would try next. Each call is one that root may do without any capability, so that only the unit's
 * own walls refuse it: the same program outside of them is the control. One line per try: its name, and "allowed" or the error's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long try_chown(void)
{
	return chown("/proc/self/cwd", (uid_t)-1, (gid_t)-1);
}

static long try_setuid(void)
{
	return syscall(SYS_setresuid, 0, 0, 0);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1);
}

static long try_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long try_personality(void)
{
	return personality(ADDR_NO_RANDOMIZE);
}

static long try_write_and_execute(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static long try_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long try_setgid_bit(void)
{
	int fd = memfd_create("file", 0);

	return fd < 0 ? fd : fchmod(fd, 02755);
}

static long try_usr(void)
{
	return access("/usr", W_OK);
}

static long try_etc(void)
{
	return access("/etc/rdma-vfiomig", W_OK);
}

static long try_home(void)
{
	return access("/root", R_OK | X_OK);
}

/* A node that the test has made of a device which is none of the unit's. */
static long try_other_device(void)
{
	return open("/dev/vfiomig-other", O_RDWR);
}

static const struct {
	const char *name;
	long (*call)(void);
} tries[] = {
	{ "chown", try_chown },
	{ "setuid", try_setuid },
	{ "ptrace", try_ptrace },
	{ "keyring", try_keyring },
	{ "namespace", try_namespace },
	{ "personality", try_personality },
	{ "write-and-execute", try_write_and_execute },
	{ "vsock", try_vsock },
	{ "setgid-bit", try_setgid_bit },
	{ "usr", try_usr },
	{ "etc", try_etc },
	{ "home", try_home },
	{ "other-device", try_other_device },
};

/* In a child each, so that none changes what the next one may. */
static void report(unsigned i)
{
	pid_t child = fork();

	if (child == 0) {
		long rc = tries[i].call();

		printf("%s %s\n", tries[i].name, rc < 0 ? strerrorname_np(errno) : "allowed");
		fflush(stdout);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		printf("%s could not be tried\n", tries[i].name);
}

int main(void)
{
	for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		report(i);
	return 0;
}
