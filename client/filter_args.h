/* SPDX-License-Identifier: Apache-2.0 */
/* The options of verbs that leave out a part of a profile, and what is said of several profiles. */
#ifndef PROFD_CLIENT_FILTER_ARGS_H
#define PROFD_CLIENT_FILTER_ARGS_H

#include "client/options.h"
#include "client/view/filter.h"

/* An option of filter_options, of verbs.c; false: it is another. The value is borrowed. */
bool filter_option(struct filter *f, const struct options *options, int id);

/* What filter_apply() says of a profile. */
struct filter_notes {
	FILE *out;  /* owned; to be written to */
	char *text; /* owned */
	size_t n;
};
/* 0 or -ENOMEM with *error set. */
int filter_notes_init(struct filter_notes *n, struct error *error);
void filter_notes_deinit(struct filter_notes *n);
/* Leaves in `a` the lines that `b` has too: what matches nothing in one profile may in another. */
void filter_notes_keep_common(struct filter_notes *a, struct filter_notes *b);
/* On standard error. */
void filter_notes_say(struct filter_notes *n);

#endif
