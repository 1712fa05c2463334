/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that is many alike, such as what each stack adds to a sum, split among the CPUs: every part
 * is a range of its own and counts into memory of its own, which the caller adds up in order.
 */
#ifndef PROFCTL_VIEW_PARTS_H
#define PROFCTL_VIEW_PARTS_H

#include <stddef.h>

#define PARTS_MAX 8U

/* Does items first..end-1, as part number `part`, in whichever thread. 0 or an error. */
typedef int (*parts_fn)(void *ctx, unsigned part, size_t first, size_t end);

/* Into how many parts n items are worth being split: 1..PARTS_MAX. */
unsigned parts_of(size_t n);
/* Does n items in so many parts, each of which is done once; part 0 by the caller's thread. What
 * the first part that failed returned, or 0. */
int parts_run(size_t n, unsigned parts, parts_fn work, void *ctx);

#endif
