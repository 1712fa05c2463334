/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes for what the samples of a node are labelled with, as `go tool pprof -dot` draws them. */
#ifndef PROFCTL_VIEW_DOT_TAGS_H
#define PROFCTL_VIEW_DOT_TAGS_H

#include <stdio.h>
#include "view/tags.h"

struct dot_tags {
	const struct tags *tags;
	const char *from, *to; /* units of the values, and what they are written in */
	FILE *out;
};

/* Those of `node`, drawn as N<id>; `flat`: of what is the node's own, where it has callees. 1: some
 * were drawn, 0: none, -ENOMEM. */
int dot_tags_write(const struct dot_tags *d, uint32_t node, size_t id, bool flat);
/* How many boxes pprof reckons with. */
uint32_t dot_tags_count(const struct tags *tags, uint32_t node);

#endif
