/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of a profile with what is theirs alone (flat) and with all they call (cum), by pprof's
 * rules (github.com/google/pprof/blob/main/internal/graph/graph.go, granularity "functions"):
 * frames of equal name are one node, a node counts once in a sample however often it recurs.
 */
#ifndef PROFCTL_VIEW_GRAPH_H
#define PROFCTL_VIEW_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"
#include "profile/profile.h"

enum graph_inline { GRAPH_NOT_INLINE, GRAPH_PARTIAL_INLINE, GRAPH_INLINE };

struct graph_node {
	uint32_t name;	    /* of graph.names; "": unnamed, shown as its module */
	uint32_t module;    /* string of the profile; only of unnamed ones */
	int64_t start_line; /* only of unnamed ones */
	int64_t flat, cum;
	uint32_t seen; /* the last stack + 1 that was counted */
	bool dropped, in_inlined_place;
	enum graph_inline inlined;
};

struct graph {
	const struct profile *profile;
	uint32_t type;		    /* the sample type counted */
	struct strings names;	    /* as shown */
	struct array nodes;	    /* struct graph_node */
	struct array line_nodes;    /* uint32_t by line of the profile */
	struct array location_node; /* uint32_t by location; only those without lines use it */
	struct array weights;	    /* int64_t by stack */
	struct array first_line; /* uint32_t by location: lines below were dropped by drop_frames */
	struct array leaf;	 /* uint32_t by stack: frames below were dropped */
	int64_t total;		 /* sum of the samples' absolute values */
	struct table index;	 /* of nodes */
};

/* Counts. 0, -ENOMEM, -E2BIG. Must not be moved afterwards. */
int graph_init(struct graph *g, const struct profile *p, uint32_t type);
void graph_deinit(struct graph *g);
/* Marks which nodes were inlined, following the edges between nodes that are not `dropped` and
 * weigh at least min_weight. 0, -ENOMEM. */
int graph_mark_inlined(struct graph *g, int64_t min_weight);
/* The node's name for reading, never empty; borrowed. buf has n bytes. */
const char *graph_node_name(
	const struct graph *g, const struct graph_node *n, char *buf, size_t size);

#endif
