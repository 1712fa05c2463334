/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the stacks of a profile without touching it: as many threads as like can, each with a
 * reader of its own, as long as nobody changes the profile.
 */
#ifndef PROFD_PROFILE_READER_H
#define PROFD_PROFILE_READER_H

#include "profile/packed.h"
#include "profile/profile.h"

struct profile_reader {
	const struct profile *profile;
	struct packed_reader packed; /* where the profile's stacks are */
	const uint32_t *last;	     /* the stack of the call before, where they are laid out */
	uint32_t last_n;
};

/* 0, -ENOMEM. Stack 0 is taken for the one before the first. */
int profile_reader_init(struct profile_reader *r, const struct profile *p);
void profile_reader_deinit(struct profile_reader *r);
/* As profile_stack(), borrowed until the reader's next. *ret_shared: so many frames, on the root's
 * side, are those of the stack of the call before. */
const uint32_t *profile_reader_stack(
	struct profile_reader *r, uint32_t stack, uint32_t *ret_n, uint32_t *ret_shared);

#endif
