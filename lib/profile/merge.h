/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sum of profiles, by pprof's rules (github.com/google/pprof/blob/main/profile/merge.go): what
 * is alike is one, also where a mapping was loaded elsewhere; the time is the first, the duration
 * the sum, comments are kept once.
 */
#ifndef PROFD_PROFILE_MERGE_H
#define PROFD_PROFILE_MERGE_H

#include "base/error.h"
#include "profile/profile.h"

/* Adds `from` to `into`, which is new (without sample types) the first time. -EINVAL, with the
 * text, where they measure different things; then and with -ENOMEM or -E2BIG `into` is of no use
 * any more.
 */
int profile_merge(struct profile *into, const struct profile *from, struct error *error);
/* Samples whose values are all 0 go. */
void profile_drop_zeros(struct profile *p);
/* Mappings that are the same file become the first that a sample has, addresses move along: what
 * profile_merge() does to one profile. 0, -ENOMEM. */
int profile_unify_mappings(struct profile *p);

#endif
