/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes and edges of a graph a report shows, and in which order
 * (newTrimmedGraph() of github.com/google/pprof/blob/main/internal/report/report.go).
 */
#ifndef PROFCTL_VIEW_SELECTION_H
#define PROFCTL_VIEW_SELECTION_H

#include <stdio.h>
#include "view/edges.h"
#include "view/tags.h"

struct selection_options {
	int n;			 /* 0: all */
	bool trim;		 /* leave out nodes below half a percent */
	bool trim_edges;	 /* leave out edges below a thousandth */
	bool cum;		 /* order by cum */
	bool inlined_edges_only; /* as edges_init() */
	bool visual;		 /* for a drawing: order by what a node tells about the whole; what
				    it is labelled with takes room too */
	const char *unit;	 /* NULL: what reads well */
};

struct graph_selection {
	struct graph *graph;
	struct edges edges; /* grouped */
	struct tags tags;   /* of a drawing; of the nodes that are shown, at least */
	uint32_t *order;    /* owned: nodes, those that are shown first */
	size_t n;	    /* shown */
	size_t candidates;  /* shown or left out by the number of rows */
	size_t dropped_nodes, dropped_edges;
	int64_t node_cutoff, edge_cutoff;
	const char *unit; /* of all values */
};

/* Marks the other nodes as dropped. 0, -ENOMEM. Must not be moved afterwards. */
int graph_selection_init(
	struct graph_selection *s, struct graph *g, const struct selection_options *o);
void graph_selection_deinit(struct graph_selection *s);
/* "Showing nodes accounting for ..." and what was left out. `edges`: those too. */
void selection_write(const struct graph_selection *s, bool edges, FILE *out);
static inline const struct graph_node *selection_at(const struct graph_selection *s, size_t i)
{
	return ARRAY_AT(&s->graph->nodes, struct graph_node, s->order[i]);
}

#endif
