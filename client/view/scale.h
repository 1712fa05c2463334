/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles that measure the same in units of one kind (ns and ms, bytes and kB) are made to measure
 * in the smaller of them, by the rules of pprof's ScaleProfiles()
 * (github.com/google/pprof/blob/main/internal/measurement/measurement.go). Samples of which only
 * the values that need no scaling are not 0 stay; pprof loses them.
 */
#ifndef PROFCTL_VIEW_SCALE_H
#define PROFCTL_VIEW_SCALE_H

#include "profile/profile.h"

/* All values and the period, type by type. What is not of the same type and kind stays as it is. 0,
 * -ENOMEM. */
int scale_to_common_units(struct profile *a, struct profile *b);
/* One type of each. */
int scale_to_common_unit(struct profile *a, uint32_t type_a, struct profile *b, uint32_t type_b);

#endif
