/* SPDX-License-Identifier: Apache-2.0 */
/* The part of comments.h that is from accounts: what was lost in a span, and what profd cost. */
#ifndef PROFD_COMMENTS_LOSS_H
#define PROFD_COMMENTS_LOSS_H

#include <stdio.h>
#include "comments.h"

/* For the profile: the sums for the privileged, the cost for everybody. */
void comments_write_losses(
	FILE *out, const struct comments_of *of, uint64_t from_ns, uint64_t until_ns);
/* For a person: where something was lost. */
void comments_note_losses(
	FILE *out, const struct comments_of *of, uint64_t from_ns, uint64_t until_ns);

#endif
