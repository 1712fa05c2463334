/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drop_frames and keep_frames of a profile: which frames at the leaf end are not shown
 * (github.com/google/pprof/blob/main/profile/prune.go).
 */
#ifndef PROFCTL_VIEW_PRUNE_H
#define PROFCTL_VIEW_PRUNE_H

#include "base/table.h"
#include "profile/profile.h"

/* Fills arrays of uint32_t: by location the first line that is left, by stack the first frame that
 * is left. All 0 where nothing is to be dropped, or where the expressions are none. 0, -ENOMEM. */
int prune(const struct profile *p, struct array *ret_first_line, struct array *ret_leaf);
/* The same, in the profile's columns; the expressions are done and taken out. */
int prune_apply(struct profile *p);

#endif
