/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the errors of views of a graph, and their heading. */
#include "view/graph_view.h"
#include <errno.h>
#include <string.h>
#include "view/filter.h"
#include "view/head.h"

int graph_view(const struct profile *p, const struct view_options *o,
	const struct graph_options *go, const char *what, graph_view_fn write, void *ctx, FILE *out,
	struct error *error)
{
	struct graph_options usual = { .granularity = o->granularity, .total = o->total };
	struct graph g;
	uint32_t type;
	int r = view_sample_index(p, o->sample_index, &type, error);

	if (r < 0)
		return r;
	r = graph_init(&g, p, type, go ? go : &usual);
	if (r >= 0) {
		r = write(&g, o, ctx, out);
		graph_deinit(&g);
	}
	if (r == -ENOENT)
		return error_set(error, -EINVAL, EXIT_CODE_FAILED, "%s matches nothing", what);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot show: %s", strerror(-r));
	if (fflush(out) || ferror(out))
		return error_set(
			error, -EIO, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}

void graph_view_head(
	const struct graph_selection *s, const struct view_options *o, bool edges, FILE *out)
{
	const struct graph *g = s->graph;

	head_write(g->profile, g->type, g->total, s->unit, out);
	if (o->filter)
		filter_write(o->filter, out);
	selection_write(s, edges, out);
}
