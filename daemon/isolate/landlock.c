/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the Landlock ruleset of the sandbox. By raw system calls: glibc has no wrappers, and the
 * installed kernel headers may be older than the running kernel. Numbers and bits are those of
 * Documentation/userspace-api/landlock.rst; ABI 1 is Linux 5.13.
 */
#include "isolate/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include "base/cleanup.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

#define RULESET_VERSION 1U /* LANDLOCK_CREATE_RULESET_VERSION */

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;	     /* ABI 6 */
};

static const struct {
	int fs_bits; /* rights 0 .. fs_bits - 1 */
	int net_bits;
	int scope_bits;
	size_t size;
} abis[] = {
	{ 13, 0, 0, 8 },  /* 1 */
	{ 14, 0, 0, 8 },  /* 2: REFER */
	{ 15, 0, 0, 8 },  /* 3: TRUNCATE */
	{ 15, 2, 0, 16 }, /* 4: TCP */
	{ 16, 2, 0, 16 }, /* 5: IOCTL_DEV */
	{ 16, 2, 2, 24 }, /* 6: abstract sockets, signals */
};

int landlock_deny_all(void)
{
	_cleanup_close_ int fd = -1;
	struct ruleset r = { 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? -EOPNOTSUPP : -errno;
	/* Rights newer than this table need a path or a network that seccomp refuses anyway. */
	size_t i = MIN((size_t)abi, ARRAY_SIZE(abis)) - 1;
	r.handled_access_fs = (1ULL << abis[i].fs_bits) - 1;
	r.handled_access_net = (1ULL << abis[i].net_bits) - 1;
	r.scoped = (1ULL << abis[i].scope_bits) - 1;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, abis[i].size, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 0;
}
