/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that pprof writes above a report: which profile, when, how much. */
#ifndef PROFCTL_VIEW_HEAD_H
#define PROFCTL_VIEW_HEAD_H

#include <stdio.h>
#include "view/graph.h"

/* unit: of the total. */
void head_write(const struct profile *p, uint32_t type, int64_t total, const char *unit, FILE *out);

#endif
