/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread waited for (the label `state`): from what the kernel side says of the wait and the
 * names in its stack. Pure.
 */
#ifndef PROFD_COLLECT_WAIT_STATE_H
#define PROFD_COLLECT_WAIT_STATE_H

#include "bpf/abi.h"
#include "profile/types.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A user frame; NULL or "": not known. Both are borrowed. */
struct wait_frame {
	const char *function; /* demangled or not */
	const char *module;   /* its path */
};

struct wait_facts {
	unsigned probe_set; /* an event set, or enum probe_set */
	uint16_t syscall;   /* SYSCALL_NONE: in none */
	uint8_t file;	    /* enum wait_file */
	uint8_t flags;	    /* WAIT_IS_ */
	bool only_runnable; /* asked for the part of the wait that is over: until it had a CPU */
};

/* What the thread waited for. `frames`, leaf first, are those of the record: of the thread that
 * waits, but of the one that woke it in SET_UNLOCKS: there it is what kind of waking that was. */
enum wait_state wait_state(
	const struct wait_facts *facts, const struct wait_frame *frames, size_t n);

/* Of a state below WAIT_COUNT; static. */
const char *wait_state_name(enum wait_state state);
const char *wait_state_text(enum wait_state state);
/* By name: the state, or -EINVAL. */
int wait_state_find(const char *name);

/* Bits 1 << state: what a profile of this type shows where nobody asked for states. */
uint32_t wait_states_shown(enum profile_type type);

#endif
