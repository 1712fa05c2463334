/* SPDX-License-Identifier: Apache-2.0 */
/* What every view of a graph does before it writes and behind. */
#ifndef PROFCTL_VIEW_GRAPH_VIEW_H
#define PROFCTL_VIEW_GRAPH_VIEW_H

#include "view/selection.h"

/* Writes to a stream that graph_view() looks after. 0, -ENOENT (what was asked for matches
 * nothing), -ENOMEM, -E2BIG. */
typedef int (*graph_view_fn)(struct graph *g, const struct view_options *o, void *ctx, FILE *out);

/* Counts the values that the options choose and has them written. `what` names the view where
 * nothing matches; go NULL: as the options say. Results as in view.h. */
int graph_view(const struct profile *p, const struct view_options *o,
	const struct graph_options *go, const char *what, graph_view_fn write, void *ctx, FILE *out,
	struct error *error);
/* The lines above a selection: the profile, the filters, what is shown. `edges`: of those too. */
void graph_view_head(
	const struct graph_selection *s, const struct view_options *o, bool edges, FILE *out);

#endif
