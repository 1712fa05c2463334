/* SPDX-License-Identifier: Apache-2.0 */
/* TARGET on a command line, and its form on the wire. */
#ifndef PROFD_CLIENT_TARGET_ARGS_H
#define PROFD_CLIENT_TARGET_ARGS_H

#include <stddef.h>
#include <stdint.h>
#include "client/options.h"
#include "wire/frame.h"

#define TARGET_ARGS_PATTERNS 64

struct target_args {
	uint32_t *pids; /* owned */
	int *pidfds;	/* owned, -1: could not be opened */
	size_t n_pids;
	/* borrowed from argv */
	const char *comms[TARGET_ARGS_PATTERNS], *exes[TARGET_ARGS_PATTERNS];
	const char *cgroups[TARGET_ARGS_PATTERNS], *units[TARGET_ARGS_PATTERNS];
	size_t n_comms, n_exes, n_cgroups, n_units;
	bool all, no_children;
	/* Only processes that are or descend from this one; 0: no such bound. The fd is borrowed.
	 */
	uint32_t below;
	int below_pidfd;
};

#define TARGET_ARGS_INIT          \
	{                         \
		.below_pidfd = -1 \
	}

void target_args_deinit(struct target_args *t);
/* Takes an option of the target table, or an operand that is a pid. 1: taken, 0: not one of them,
 * -EINVAL with text. */
int target_args_option(struct target_args *t, int id, const char *value, struct error *error);
bool target_args_empty(const struct target_args *t);
/* Opens a pidfd for each pid: from here on they cannot become somebody else. -ESRCH ("no process
 * 12"); with `ended_too` a pid without a process is fine, because the past is asked for. */
int target_args_open(struct target_args *t, bool ended_too, struct error *error);

/* The wire message: borrows from t and from itself, must not be moved. `fds`: to send with the
 * frame. */
struct target_message {
	Profd__V1__Target wire;
	int fds[WIRE_MAX_FDS];
	size_t n_fds;
	uint32_t below;
};
void target_args_message(const struct target_args *t, struct target_message *ret);

/* A word for file names: the first pid's comm, unit, pattern... or "all"; [A-Za-z0-9._+-] only. */
const char *target_args_name(const struct target_args *t, char *buf, size_t n);
/* "--pid 12 --comm x", to show in advice. */
const char *target_args_text(const struct target_args *t, char *buf, size_t n);
/* Writes `s` into buf so that it can be part of a file name. */
const char *file_word(const char *s, char *buf, size_t n);

#endif
