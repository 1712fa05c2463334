/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile says of itself in words: how it was collected, what was lost, what it cost. */
#ifndef PROFD_COMMENTS_H
#define PROFD_COMMENTS_H

#include <stdbool.h>
#include "collect/dump.h"

struct profd;

/* What the words depend on. */
struct comments_of {
	struct profd *profd;
	enum profile_type type;
	bool privileged; /* counters of everybody's samples are for those */
};

/* What is texts here has lines, is "" for nothing and the caller's to free; NULL: no memory. */

/* The interpreters in a selection whose frames have no names, with the switch that names them; and
 * the runtimes that schedule by themselves, where that is why their waits are not here. */
char *comments_hints(const struct comments_of *of, const struct selection *s);
/* Types, as bits, that were collected of the same processes and skew each other; 0: none. */
uint32_t comments_skewed(const struct comments_of *of, const struct selection *s);
/* A line: of what there is more, by the state, and how to see it. */
char *comments_left_out(const uint64_t left_out_ns[WAIT_COUNT]);
/* The comments of a profile. left_out: only what was left out is looked at. */
char *comments_profile(const struct comments_of *of, const struct selection *s,
	const struct dump_result *left_out, uint32_t skewed, const char *hints);
/* What a person should be told with a dump: losses, what was left out or is skewed, and hints. */
char *comments_notes(const struct comments_of *of, const struct dump_result *result,
	uint32_t skewed, const char *hints);
/* Cuts a text into its lines, at most max; returns how many. NULL: none. */
size_t comments_split(char *text, char **lines, size_t max);

#endif
