/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `report --list`: source with the values of each line, as `go tool pprof -list` writes it
 * (printSource() of github.com/google/pprof/blob/main/internal/report/source.go). Where the source
 * is not at hand, the lines that have values are shown by their numbers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/text.h"
#include "view/expression.h"
#include "view/frame.h"
#include "view/graph_view.h"
#include "view/source_text.h"
#include "view/unit.h"

#define MARGIN 5 /* lines shown before and behind those that have values */

struct list {
	const struct graph *graph;
	const struct graph_node **nodes; /* owned: of matching functions, by name, file and line */
	size_t n;
	struct expression *e; /* owned */
	const char *unit;
	FILE *out;
};

static void list_deinit(struct list *l)
{
	(void)expression_free(l->e);
	free(l->nodes);
}

static const char *text_of(const struct graph *g, uint32_t name)
{
	return strings_get(&g->names, name, NULL);
}

/* Files of a function in the order of their names, as pprof's FileOrder. */
static int compare(const void *x, const void *y, void *ctx)
{
	const struct graph *g = ((const struct list *)ctx)->graph;
	const struct graph_node *a = *(const struct graph_node *const *)x;
	const struct graph_node *b = *(const struct graph_node *const *)y;
	int c = strcmp(text_of(g, a->name), text_of(g, b->name));

	c = c ?: strcmp(text_of(g, a->file), text_of(g, b->file));
	c = c ?: (a->line > b->line) - (a->line < b->line);
	return c ?: graph_tie(g, a, b);
}

static void put_value(const struct list *l, int64_t value)
{
	const struct profile *p = l->graph->profile;
	char text[UNIT_TEXT];

	(void)fprintf(l->out, "%10s ",
		value ? unit_label(value, profile_text(p, p->types[l->graph->type].unit), l->unit,
				text)
		      : ".");
}

/* Tabs stay, what a terminal would obey does not. */
static void put_source(FILE *out, const char *text, size_t n)
{
	while (n) {
		bool printable;
		size_t k = text_char(text, n, &printable);
		if (printable || *text == '\t')
			(void)fwrite(text, 1, k, out);
		else
			(void)fputc('?', out);
		text += k;
		n -= k;
	}
}

/* Nodes all[0..n-1] of one file: those of a line, from *at on. */
static void put_line(const struct list *l, const struct graph_node *const *all, size_t n,
	size_t *at, int64_t line)
{
	int64_t flat = 0, cum = 0;

	for (; *at < n && all[*at]->line <= line; ++*at) {
		if (all[*at]->line != line)
			continue;
		flat = unit_add(flat, all[*at]->flat);
		cum = unit_add(cum, all[*at]->cum);
	}
	put_value(l, flat);
	put_value(l, cum);
	(void)fprintf(l->out, "%6" PRId64 ":", line);
}

static int64_t first_line(const struct graph_node *n)
{
	return n->start_line ? n->start_line : unit_add(n->line, -MARGIN);
}

static void write_source(const struct list *l, const struct graph_node *const *all, size_t n,
	const struct source_text *source)
{
	int64_t first = INT64_MAX, last = unit_add(all[n - 1]->line, MARGIN);
	const char *text;
	size_t at = 0, length;

	for (size_t i = 0; i < n; i++)
		first = MIN(first, first_line(all[i]));
	for (int64_t line = MAX(first, 1); line <= last; line++) {
		text = source_text_line(source, line, &length);
		if (!text)
			break;
		put_line(l, all, n, &at, line);
		put_source(l->out, text, length);
		(void)fputc('\n', l->out);
	}
}

static void write_numbers(
	const struct list *l, const struct graph_node *const *all, size_t n, int why)
{
	size_t at = 0;

	(void)fprintf(l->out, " Without source (%s):\n", strerror(-why));
	while (at < n) {
		put_line(l, all, n, &at, all[at]->line);
		(void)fputc('\n', l->out);
	}
}

static void write_file(const struct list *l, const struct graph_node *const *all, size_t n)
{
	const struct graph *g = l->graph;
	const struct profile *p = g->profile;
	const char *from = profile_text(p, p->types[g->type].unit),
		   *file = text_of(g, all[0]->file);
	char flat_text[UNIT_TEXT], cum_text[UNIT_TEXT], share[UNIT_TEXT];
	CLEANUP(source_text_deinit) struct source_text source = { 0 };
	int64_t flat = 0, cum = 0;

	for (size_t i = 0; i < n; i++) {
		flat = unit_add(flat, all[i]->flat);
		cum = unit_add(cum, all[i]->cum);
	}
	(void)fputs("ROUTINE ======================== ", l->out);
	(void)frame_put(l->out, text_of(g, all[0]->name), 0, 0);
	(void)fputs(" in ", l->out);
	(void)frame_put(l->out, file, 0, 0);
	(void)fprintf(l->out, "\n%10s %10s (flat, cum) %s of Total\n",
		unit_label(flat, from, l->unit, flat_text),
		unit_label(cum, from, l->unit, cum_text), unit_percent(cum, g->total, share));
	int r = source_text_read(&source, file);
	if (r < 0)
		write_numbers(l, all, n, r);
	else
		write_source(l, all, n, &source);
}

/* Nodes all[0..n-1] of one name. */
static void write_function(const struct list *l, const struct graph_node *const *all, size_t n)
{
	const struct graph *g = l->graph;
	size_t i = 0, k;

	/* Those without a file come first. */
	while (i < n && !all[i]->file)
		i++;
	if (i == n) {
		(void)fputs("No source information for ", l->out);
		(void)frame_put(l->out, text_of(g, all[0]->name), 0, 0);
		(void)fputc('\n', l->out);
	}
	for (; i < n; i = k) {
		for (k = i + 1; k < n && all[k]->file == all[i]->file; k++)
			;
		write_file(l, &all[i], k - i);
	}
}

static int write_list(struct graph *g, const struct view_options *o, void *ctx, FILE *out)
{
	struct list *l = ctx;
	char total[UNIT_TEXT];

	(void)o;
	l->graph = g;

	l->nodes = calloc(g->nodes.n + 1, sizeof(*l->nodes));
	if (!l->nodes)
		return -ENOMEM;
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		if ((n->flat || n->cum) && expression_matches(l->e, text_of(g, n->name)))
			l->nodes[l->n++] = n;
	}
	if (!l->n)
		return -ENOENT;
	qsort_r(l->nodes, l->n, sizeof(*l->nodes), compare, l);
	(void)fprintf(out, "Total: %s\n",
		unit_label(g->total, profile_text(g->profile, g->profile->types[g->type].unit),
			l->unit, total));
	for (size_t i = 0, k; i < l->n; i = k) {
		for (k = i + 1; k < l->n && l->nodes[k]->name == l->nodes[i]->name; k++)
			;
		write_function(l, &l->nodes[i], k - i);
	}
	return 0;
}

int view_list(const struct profile *p, const struct view_options *o, const char *expression,
	FILE *out, struct error *error)
{
	struct graph_options go = {
		.granularity = GRANULARITY_LINES, .modules = true, .total = o->total
	};
	CLEANUP(list_deinit)
	struct list l = { .unit = o->unit ? o->unit : "auto", .out = out };
	int r = expression_new(&l.e, expression, false, "--list", error);

	if (r < 0)
		return r == -ENOMEM ? error_set(error, r, EXIT_CODE_FAILED, "out of memory") : r;
	return graph_view(p, o, &go, "--list", write_list, &l, out, error);
}
