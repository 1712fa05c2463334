/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves in a profile what was asked for, by the rules of pprof's -focus, -ignore, -hide, -show,
 * -show_from, -tagfocus and -tagignore, with the frames that -tagroot and -tagleaf add
 * (github.com/google/pprof/blob/main/doc/README.md).
 */
#ifndef PROFCTL_VIEW_FILTER_H
#define PROFCTL_VIEW_FILTER_H

#include <stdio.h>
#include "base/error.h"
#include "profile/profile.h"

/* Expressions; NULL or "": none. */
struct filter {
	const char *focus, *ignore, *hide, *show, *show_from, *tagfocus, *tagignore;
	const char *tagroot, *tagleaf, *unit; /* keys with commas between; unit of their numbers */
};

/* Changes the columns: frames go from stacks and locations, samples go. drop_frames and keep_frames
 * are done first, then frames are made of labels. What matches nothing, or is read as a range of
 * numbers, is said on `notes`, a line each. 0, -ENOMEM or -EINVAL with *error set. */
int filter_apply(struct profile *p, const struct filter *f, FILE *notes, struct error *error);
/* "Active filters:" and a line each, where there are any. */
void filter_write(const struct filter *f, FILE *out);

/* Of tag_frames.c: frames of the labels with the keys of `root` and `leaf` (with commas between;
 * NULL: none). 0, -ENOMEM, -EINVAL. */
int tag_frames(struct profile *p, const char *root, const char *leaf, const char *unit, FILE *notes,
	struct error *error);

/* Of tag_filter.c: which label sets a -tagfocus expression matches, a byte each. 0, -ENOMEM,
 * -EINVAL. */
int tag_filter(const struct profile *p, const char *text, const char *what, FILE *notes,
	uint8_t *ret_matches, struct error *error);
/* A label that pprof takes for a numeric one. */
bool tag_is_number(const struct profile_label *l);
/* The unit of a numeric label's key: the first that is used with it (`units`: uint32_t by string,
 * of tag_units()), else pprof's guess. Borrowed. */
int tag_units(const struct profile *p, struct array *ret);
const char *tag_unit(const struct profile *p, const struct array *units, uint32_t key);

#endif
