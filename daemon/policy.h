/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Policy] of profd.conf(5): types of profiles that skew each other (session/types.h) on the same
 * processes at the same time are refused, or told of with what they cost, or neither.
 */
#ifndef PROFD_POLICY_H
#define PROFD_POLICY_H

#include <stdio.h>
#include "base/error.h"
#include "profile/types.h"
#include "session/attachment.h"

struct profd;

/* May the attachment collect these types, beside what others collect of the same processes? Its
 * marks are set. -EBUSY with text. What the configuration collects is no reason to refuse. */
int policy_check(struct profd *p, const struct attachment *a, uint32_t types,
	const struct peer *peer, struct error *error);
/* What is to be said of an attachment that is on, also of what it collects no more, one a line; ""
 * for nothing. The caller's to free; NULL: no memory. */
char *policy_notes(struct profd *p, const struct attachment *a);
/* The same, a line, of types that were collected of the same processes in a span. */
void policy_write(FILE *out, struct profd *p, uint32_t types, uint64_t from_ns, uint64_t until_ns);
/* Does that matter to a person who asked for the type `asked`: did what the others need for
 * themselves take more than half a percent of a CPU? */
bool policy_matters(struct profd *p, uint32_t types, enum profile_type asked, uint64_t from_ns,
	uint64_t until_ns);

#endif
