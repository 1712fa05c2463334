/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoder needs of build.c beyond profile.h: interning before indices can be checked. */
#ifndef PROFD_PROFILE_BUILD_H
#define PROFD_PROFILE_BUILD_H

#include "profile/profile.h"

/* As profile_add_stack and profile_add_label_set, without looking at the indices. */
int profile_intern_stack(struct profile *p, const uint32_t *locations, uint32_t n, uint32_t *ret);
int profile_intern_label_set(
	struct profile *p, const struct profile_label *labels, uint32_t n, uint32_t *ret);
/* Forgets what is interned; the next profile_add_* that interns learns it again from the columns.
 * Stacks are in the columns after it. */
void profile_index_drop(struct profile *p);
/* Gives the profile, which has no stacks, these; those of few frames are laid out in the columns at
 * once. Owned afterwards, also where it fails: -ENOMEM. */
int profile_take_packed(struct profile *p, struct packed *k, uint64_t few_frames);
/* Moves packed stacks to the columns, for which there is memory since they were taken. */
void profile_lay_out(struct profile *p);
/* Bytes that the columns, the strings and the index hold. */
uint64_t profile_bytes(const struct profile *p);

#endif
