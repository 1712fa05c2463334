/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the boxes of a flame graph are. Units are those of the profile: the root is `total` wide,
 * children lie side by side above the left end of their parent, and what is too narrow to be seen
 * is one merged box at the right end of them. Every node of the tree is in exactly one box.
 */
#ifndef PROFCTL_VIEW_LAYOUT_H
#define PROFCTL_VIEW_LAYOUT_H

#include "view/flame.h"

/* Frames that are shown of one stack; what is above is merged. */
#define LAYOUT_MAX_DEPTH 4096U

struct layout_box {
	uint32_t node;	 /* of a merged box: the parent of what is in it */
	uint32_t merged; /* nodes that are in it; 0: it is the node itself */
	uint32_t depth;
	int64_t x, width;
	int64_t value[2]; /* by enum flame_side */
};

struct layout {
	struct array boxes; /* struct layout_box, parents before children, from left to right */
	uint32_t rows;	    /* the largest depth + 1 */
	int64_t total, min_width;
	uint64_t merged_nodes; /* of all merged boxes */
	int64_t merged_width;  /* they lie side by side or apart, never in each other */
};

/* min_share: of total; what is narrower is merged. Negative: default_share, and as much more as
 * leaves at most max_boxes boxes of single nodes. 0, -ENOMEM, -E2BIG. */
int layout_init(struct layout *l, const struct flame_tree *t, double min_share,
	double default_share, size_t max_boxes);
void layout_deinit(struct layout *l);

#endif
