/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile says of itself in words: how it was collected, what was lost, what it cost. */
#ifndef PROFD_COMMENTS_H
#define PROFD_COMMENTS_H

#include <stdbool.h>
#include "collect/select.h"

struct profd;

/* The interpreters in a selection whose frames have no names, with the switch that names them, one
 * a line; "" for none. The caller's to free. NULL: no memory. */
char *comments_interpreters(struct profd *p, const struct selection *s);
/* The comments of a profile, one a line; the caller's to free. Counters of everybody's samples are
 * for the privileged. NULL: no memory. */
char *comments_profile(
	struct profd *p, const struct selection *s, const char *interpreters, bool privileged);
/* What a person should be told with a dump, one a line (losses, the numbers
 * of which are for the privileged, and interpreters); "" for nothing. The
 * caller's to free. */
char *comments_notes(struct profd *p, uint64_t from_ns, uint64_t until_ns, const char *interpreters,
	bool privileged);

#endif
