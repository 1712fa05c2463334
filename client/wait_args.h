/* SPDX-License-Identifier: Apache-2.0 */
/* --type, --threshold and --state: which profile, and of what waits. */
#ifndef PROFD_CLIENT_WAIT_ARGS_H
#define PROFD_CLIENT_WAIT_ARGS_H

#include <stdint.h>
#include "bpf/abi.h"
#include "client/verb.h"
#include "profile/types.h"

/* For help: "cpu, block, ", "mutex, rwlock, ". */
#define TYPE_LIST_NAME(id, name, ...)  name ", "
#define TYPE_LIST		       PROFILE_TYPES(TYPE_LIST_NAME)
#define STATE_LIST_NAME(id, name, ...) name ", "
#define STATE_LIST		       WAIT_STATES(STATE_LIST_NAME)

/* The states by name, then "all", then NULL; static. */
const char *const *wait_state_names(void);

/* TYPE[,TYPE]; names are static. */
struct type_args {
	const char *names[PROFILE_TYPES_N];
	size_t n;
};
/* Adds those that are not in it. 1, or -EINVAL with the list and the nearest. */
int type_args_add(struct type_args *t, const char *list, struct error *error);
/* What has to be collected for them: bits of enum profile_probe. */
uint32_t type_args_probes(const struct type_args *t);

struct wait_args {
	bool has_threshold;
	uint64_t threshold_ns; /* 0: all are kept */
	const char *states[WAIT_COUNT + 1];
	size_t n_states; /* 0: those that the type is about */
};
/* TIME, with 0 for "all". 1 or -EINVAL. */
int wait_args_threshold(struct wait_args *w, const char *value, struct error *error);
/* STATE[,STATE] or all, as type_args_add(). */
int wait_args_states(struct wait_args *w, const char *list, struct error *error);
/* --threshold and --state need a type that is about waiting: 0 or -EINVAL. */
int wait_args_check(const struct wait_args *w, const struct type_args *t, struct error *error);
/* The type is about waiting, so that its samples have states. */
bool type_has_states(const char *type);

#endif
