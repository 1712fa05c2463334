/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of profile types, as bits 1 << enum profile_type: what a request names, which types serve
 * which, and which skew each other. Pure.
 */
#ifndef PROFD_SESSION_TYPES_H
#define PROFD_SESSION_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "profile/types.h"

/* Waits of at least that long are kept where nobody says otherwise. */
#define TYPES_THRESHOLD_NS     10000U
#define TYPES_THRESHOLD_MAX_NS (60ULL * 1000000000ULL)
/* Room for the names of all types. */
#define TYPES_TEXT 128

/* What the names of a request say; none: cpu. -EINVAL with EXIT_CODE_USAGE. */
int types_from_names(const char *const *names, size_t n, uint32_t *ret, struct error *error);
/* Names with ", " between: "cpu, block". Returns buf. */
const char *types_format(uint32_t types, char *buf, size_t n);

/* What a request says of the threshold; neither: TYPES_THRESHOLD_NS. -EINVAL with EXIT_CODE_USAGE.
 */
int types_threshold(uint64_t threshold_ns, bool all, uint64_t *ret_ns, struct error *error);

/* Do waits that are shorter than a threshold go by chance for these types? */
bool types_have_threshold(uint32_t types);
/* Do they tell of what goes on, so that it has to be asked for where a span ends? */
bool types_go_on(uint32_t types);
/* Is what is collected for `types` all that a profile of `type` needs? */
bool types_serve(uint32_t types, enum profile_type type);
/* Does collecting all of them of one process cost it more than each of them says, by the probes of
 * the others? `wall` is the combination of running and waiting that is made not to. */
bool types_skew(uint32_t types);

#endif
