/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer means by TARGET, as values: checked against the limits, pids translated through
 * pidfds. Pure but for target_spec_from_wire(), which asks the kernel for the pid behind a pidfd.
 */
#ifndef PROFD_SESSION_TARGET_H
#define PROFD_SESSION_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

#define TARGET_MAX_PATTERNS 64
#define TARGET_MAX_PIDFDS   64 /* held by one spec; of further pids only the number is kept */

struct target_pid {
	uint32_t pid; /* in profd's PID namespace */
	int pidfd;    /* owned; -1 where the peer sent none and none could be opened, and past
			 TARGET_MAX_PIDFDS */
};

struct target_spec {
	struct target_pid *pids; /* owned */
	size_t n_pids;
	char *comms[TARGET_MAX_PATTERNS], *exes[TARGET_MAX_PATTERNS];
	char *cgroups[TARGET_MAX_PATTERNS], *units[TARGET_MAX_PATTERNS];
	size_t n_comms, n_exes, n_cgroups, n_units;
	struct target_pid *below; /* owned */
	size_t n_below;
	bool all, no_children;
};

/* wire: Profd__V1__Target; fds: those that came with the frame, in the order of proto/profd.proto,
 * consumed. -EINVAL with EXIT_CODE_USAGE, -ESRCH with EXIT_CODE_NO_TARGET ("no process 1234"). */
struct Profd__V1__Target;
int target_spec_from_wire(struct target_spec *ret, const struct Profd__V1__Target *wire, int *fds,
	size_t n_fds, struct error *error);
void target_spec_deinit(struct target_spec *t);
bool target_spec_empty(const struct target_spec *t);
bool target_spec_equal(const struct target_spec *a, const struct target_spec *b);
/* "--pid 12,13 --no-children", "--all", as the user would write it; the caller's to free. */
char *target_spec_format(const struct target_spec *t);

/* What of a process a spec is matched against by user space (dumps, ps). */
struct target_candidate {
	uint32_t pid;
	const char *comm, *exe, *cgroup; /* cgroup: v2 path */
	/* Is this process, or does it descend from, `pid`? Asked for pids and below. */
	bool (*descends)(void *userdata, uint32_t pid);
	void *userdata;
};
bool target_spec_matches(const struct target_spec *t, const struct target_candidate *c);

#endif
