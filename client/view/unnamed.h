/* SPDX-License-Identifier: Apache-2.0 */
/* What share of a profile has frames without a function name, where, and what would name them. */
#ifndef PROFCTL_VIEW_UNNAMED_H
#define PROFCTL_VIEW_UNNAMED_H

#include <stdio.h>
#include "profile/profile.h"
#include "view/graph.h"

/* Writes nothing where every frame has its name. 0, -ENOMEM. */
int unnamed_write(const struct graph *g, FILE *out);

#endif
