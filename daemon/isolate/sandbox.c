/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order in which a helper gives up what it does not need. Bounding set before the uid (it
 * needs CAP_SETPCAP), the death signal again after it (a change of uid clears it), rlimits before
 * seccomp, seccomp last. A part that the kernel does not have is left out and reported; a part that
 * it has and that fails ends the process.
 */
#include "isolate/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "isolate/filter.h"
#include "isolate/landlock.h"

#define NOBODY 65534U

struct limit {
	int resource;
	rlim_t value;
};

/* Memory: ASan reserves terabytes of address space, so its builds go without that limit. CPU: a
 * shared process ends itself after 5 s (helper_main.c) and one job may take its deadline. File size
 * bounds the memfds written to. Descriptors: four of our own, one message's worth each way, some
 * for libdw. */
static const struct limit parsing_limits[] = {
#ifndef PROFD_SANITIZE
	{ RLIMIT_AS, 2 * GIB },
#endif
	{ RLIMIT_CPU, 5 + LIMIT_SYMBOL_DEADLINE_MS / 1000 },
	{ RLIMIT_FSIZE, LIMIT_HELPER_REPLY_BYTES },
	{ RLIMIT_NOFILE, 32 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_MEMLOCK, 0 },
};

static const struct limit encoder_limits[] = {
#ifndef PROFD_SANITIZE
	{ RLIMIT_AS, 4 * GIB },
#endif
	{ RLIMIT_CPU, 5 + LIMIT_ENCODE_DEADLINE_MS / 1000 },
	{ RLIMIT_FSIZE, 2 * GIB },
	{ RLIMIT_NOFILE, 32 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_MEMLOCK, 0 },
};

static const struct limit target_limits[] = {
#ifndef PROFD_SANITIZE
	{ RLIMIT_AS, 1 * GIB },
#endif
	{ RLIMIT_CPU, 60 },
	{ RLIMIT_FSIZE, LIMIT_HELPER_REPLY_BYTES },
	{ RLIMIT_NOFILE, 64 },
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_MEMLOCK, 0 },
};

static int set_limits(const struct limit *limits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rlimit now;

		if (getrlimit(limits[i].resource, &now) < 0)
			return -errno;
		/* Never above what we were given; raising needs a capability that is gone. */
		now.rlim_max = MIN(now.rlim_max, limits[i].value);
		now.rlim_cur = now.rlim_max;
		if (setrlimit(limits[i].resource, &now) < 0)
			return -errno;
	}
	return 0;
}

static int set_role_limits(enum helper_role role)
{
	switch (role) {
	case HELPER_TARGET:
		return set_limits(target_limits, ARRAY_SIZE(target_limits));
	case HELPER_ENCODER:
		return set_limits(encoder_limits, ARRAY_SIZE(encoder_limits));
	default:
		return set_limits(parsing_limits, ARRAY_SIZE(parsing_limits));
	}
}

static int become_nobody(void)
{
	/* Without CAP_SETPCAP the bounding set stays; no_new_privs makes it moot. */
	capng_clear(CAPNG_SELECT_ALL);
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return 0;
}

static int harden_process(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

static int enter_parsing(enum helper_role role, unsigned *ret_parts)
{
	unsigned parts = SANDBOX_CAPS | SANDBOX_SECCOMP;
	int r = become_nobody();

	if (r == 0)
		r = harden_process();
	if (r == 0)
		r = set_role_limits(role);
	if (r < 0)
		return r;
	if (geteuid() != 0)
		parts |= SANDBOX_UID;
	r = landlock_deny_all();
	if (r == 0)
		parts |= SANDBOX_LANDLOCK;
	else if (r != -EOPNOTSUPP)
		return r;
	r = drop_capabilities();
	if (r == 0)
		r = filter_load(role);
	if (r == 0)
		*ret_parts = parts;
	return r;
}

int sandbox_enter(enum helper_role role, unsigned *ret_parts)
{
	int r;

	if (role != HELPER_TARGET)
		return enter_parsing(role, ret_parts);
	r = harden_process();
	if (r == 0)
		r = set_role_limits(role);
	if (r == 0)
		r = filter_load(role);
	if (r == 0)
		*ret_parts = SANDBOX_SECCOMP;
	return r;
}
