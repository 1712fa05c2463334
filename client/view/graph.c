/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns turning samples into nodes. Work is per different stack, not per sample. Trusts the model's
 * indices; names and values are hostile, so sums saturate.
 */
#include "view/graph.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "view/frame.h"
#include "view/prune.h"
#include "view/unit.h"

#define NO_NODE UINT32_MAX

static uint64_t hash_node(const struct graph_node *n)
{
	uint64_t h = hash_u64((uint64_t)n->name << 32 | n->module, hash_seed());

	return hash_u64((uint64_t)n->start_line, h);
}

static uint64_t hash_of_node(const void *ctx, uint32_t id)
{
	const struct graph *g = ctx;

	return hash_node(ARRAY_AT(&g->nodes, struct graph_node, id));
}

static bool node_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct graph *g = ctx;
	const struct graph_node *a = ARRAY_AT(&g->nodes, struct graph_node, id), *b = key;

	return a->name == b->name && a->module == b->module && a->start_line == b->start_line;
}

static int find_or_add(struct graph *g, const struct graph_node *key, uint32_t *ret)
{
	uint64_t hash = hash_node(key);
	uint32_t id = table_find(&g->index, hash, key);

	if (id == TABLE_NONE) {
		id = (uint32_t)g->nodes.n;
		struct graph_node *n = array_push(&g->nodes);
		if (!n)
			return -ENOMEM;
		*n = *key;
		int r = table_add(&g->index, hash, id);
		if (r < 0)
			return r;
	}
	*ret = id;
	return 0;
}

static uint32_t module_of(const struct graph *g, const struct profile_location *l)
{
	return l->mapping == PROFILE_NONE
		       ? 0
		       : ARRAY_AT(&g->profile->mappings, struct profile_mapping, l->mapping)->file;
}

/* names: by function, the string in g->names. */
static int name_functions(struct graph *g, struct array *names)
{
	const struct profile *p = g->profile;
	int r = array_resize(names, p->functions.n);

	for (size_t i = 0; i < p->functions.n && r >= 0; i++) {
		_cleanup_free_ char *owned = NULL;
		const char *name = frame_function_name(
			p, ARRAY_AT(&p->functions, struct profile_function, i), &owned);
		r = strings_intern(&g->names, name, strlen(name), ARRAY_AT(names, uint32_t, i));
	}
	return r;
}

static int make_nodes_of(struct graph *g, const struct array *names, uint32_t location)
{
	const struct profile *p = g->profile;
	const struct profile_location *l =
		ARRAY_AT(&p->locations, struct profile_location, location);
	uint32_t n_lines, first = *ARRAY_AT(&g->first_line, uint32_t, location);
	const struct profile_line *lines = profile_lines(p, location, &n_lines);
	int r = 0;

	if (!n_lines) {
		struct graph_node key = { .module = module_of(g, l) };
		return find_or_add(g, &key, ARRAY_AT(&g->location_node, uint32_t, location));
	}
	for (uint32_t i = first; i < n_lines && r >= 0; i++) {
		struct graph_node key = {
			.name = *ARRAY_AT(names, uint32_t, lines[i].function),
		};
		uint32_t *node = ARRAY_AT(&g->line_nodes, uint32_t, l->first_line + i);
		if (!key.name) {
			key.module = module_of(g, l);
			key.start_line =
				ARRAY_AT(&p->functions, struct profile_function, lines[i].function)
					->start_line;
		}
		r = find_or_add(g, &key, node);
		if (r >= 0 && i + 1 < n_lines)
			ARRAY_AT(&g->nodes, struct graph_node, *node)->in_inlined_place = true;
	}
	return r;
}

static int make_nodes(struct graph *g)
{
	CLEANUP(array_deinit) struct array names = ARRAY_INIT(uint32_t, SIZE_MAX);
	int r = name_functions(g, &names);

	if (r >= 0)
		r = array_resize(&g->line_nodes, g->profile->lines.n);
	if (r >= 0)
		r = array_resize(&g->location_node, g->profile->locations.n);
	for (size_t i = 0; i < g->profile->locations.n && r >= 0; i++)
		r = make_nodes_of(g, &names, (uint32_t)i);
	return r;
}

/* The samples that `-diff_base` marks: percentages are of the base. */
static bool is_diff_base(const struct profile *p, uint32_t set)
{
	uint32_t n;
	const struct profile_label *l = profile_label_set(p, set, &n);

	for (uint32_t i = 0; i < n; i++)
		if (l[i].str && !strcmp(profile_text(p, l[i].key), "pprof::base") &&
			!strcmp(profile_text(p, l[i].str), "true"))
			return true;
	return false;
}

struct merged {
	uint32_t stack, labels;
	int64_t value;
};

static int compare_merged(const void *x, const void *y)
{
	const struct merged *a = x, *b = y;

	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return a->labels < b->labels ? -1 : a->labels > b->labels;
}

static void add_to_total(struct graph *g, int64_t *base, uint32_t labels, int64_t value)
{
	g->total = unit_add(g->total, unit_abs(value));
	if (labels && is_diff_base(g->profile, labels))
		*base = unit_add(*base, unit_abs(value));
}

/* With values of both signs (a difference of profiles) the total depends on what was added up
 * before: pprof merges samples of equal stack and labels first. */
static int total_of_merged(struct graph *g, int64_t *base)
{
	const struct profile *p = g->profile;
	size_t n = profile_n_samples(p);
	_cleanup_free_ struct merged *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = (struct merged){ *ARRAY_AT(&p->sample_stacks, uint32_t, i),
			*ARRAY_AT(&p->sample_labels, uint32_t, i), profile_values(p, i)[g->type] };
	qsort(all, n, sizeof(*all), compare_merged);
	for (size_t i = 0, next; i < n; i = next) {
		int64_t sum = 0;
		for (next = i; next < n && !compare_merged(&all[i], &all[next]); next++)
			sum = unit_add(sum, all[next].value);
		add_to_total(g, base, all[i].labels, sum);
	}
	return 0;
}

static int weigh_stacks(struct graph *g)
{
	const struct profile *p = g->profile;
	bool negative = false;
	int64_t base = 0;
	int r = array_resize(&g->weights, p->stacks.n);

	for (size_t i = 0; i < profile_n_samples(p) && r >= 0; i++) {
		int64_t v = profile_values(p, i)[g->type];
		int64_t *w =
			ARRAY_AT(&g->weights, int64_t, *ARRAY_AT(&p->sample_stacks, uint32_t, i));
		*w = unit_add(*w, v);
		negative = negative || v < 0;
	}
	if (r >= 0 && negative)
		r = total_of_merged(g, &base);
	for (size_t i = 0; i < profile_n_samples(p) && r >= 0 && !negative; i++)
		add_to_total(g, &base, *ARRAY_AT(&p->sample_labels, uint32_t, i),
			profile_values(p, i)[g->type]);
	if (base)
		g->total = base;
	return r;
}

/* The nodes of a location are nodes[0..n-1], innermost first. */
static const uint32_t *nodes_of(const struct graph *g, uint32_t location, uint32_t *ret_n)
{
	const struct profile_location *l =
		ARRAY_AT(&g->profile->locations, struct profile_location, location);
	uint32_t first = *ARRAY_AT(&g->first_line, uint32_t, location);

	if (!l->n_lines) {
		*ret_n = 1;
		return ARRAY_AT(&g->location_node, uint32_t, location);
	}
	*ret_n = l->n_lines - first;
	return ARRAY_AT(&g->line_nodes, uint32_t, l->first_line + first);
}

static void count_stack(struct graph *g, uint32_t stack, int64_t weight)
{
	uint32_t n, n_nodes;
	const uint32_t *locations = profile_stack(g->profile, stack, &n);
	uint32_t leaf = *ARRAY_AT(&g->leaf, uint32_t, stack);
	struct graph_node *node = NULL;

	for (uint32_t i = n; i-- > leaf;) {
		const uint32_t *nodes = nodes_of(g, locations[i], &n_nodes);
		for (uint32_t k = n_nodes; k-- > 0;) {
			node = ARRAY_AT(&g->nodes, struct graph_node, nodes[k]);
			if (node->seen == stack + 1)
				continue;
			node->seen = stack + 1;
			node->cum = unit_add(node->cum, weight);
		}
	}
	if (node)
		node->flat = unit_add(node->flat, weight);
}

int graph_init(struct graph *g, const struct profile *p, uint32_t type)
{
	*g = (struct graph){
		.profile = p,
		.type = type,
		.nodes = ARRAY_INIT(struct graph_node, NO_NODE - 1),
		.line_nodes = ARRAY_INIT(uint32_t, SIZE_MAX),
		.location_node = ARRAY_INIT(uint32_t, SIZE_MAX),
		.weights = ARRAY_INIT(int64_t, SIZE_MAX),
		.first_line = ARRAY_INIT(uint32_t, SIZE_MAX),
		.leaf = ARRAY_INIT(uint32_t, SIZE_MAX),
	};
	table_init(&g->index, NO_NODE - 1, hash_of_node, node_equal, g);
	int r = strings_init(&g->names, LIMIT_PROFILE_STRINGS, LIMIT_PROFILE_BYTES);
	if (r >= 0)
		r = prune(p, &g->first_line, &g->leaf);
	if (r >= 0)
		r = make_nodes(g);
	if (r >= 0)
		r = weigh_stacks(g);
	if (r < 0) {
		graph_deinit(g);
		return r;
	}
	for (size_t i = 0; i < p->stacks.n; i++)
		if (*ARRAY_AT(&g->weights, int64_t, i))
			count_stack(g, (uint32_t)i, *ARRAY_AT(&g->weights, int64_t, i));
	return 0;
}

void graph_deinit(struct graph *g)
{
	table_deinit(&g->index);
	array_deinit(&g->leaf);
	array_deinit(&g->first_line);
	array_deinit(&g->weights);
	array_deinit(&g->location_node);
	array_deinit(&g->line_nodes);
	array_deinit(&g->nodes);
	strings_deinit(&g->names);
}

const char *graph_node_name(
	const struct graph *g, const struct graph_node *n, char *buf, size_t size)
{
	if (n->name)
		return strings_get(&g->names, n->name, NULL);
	if (!n->module)
		return "<unknown>";
	(void)snprintf(buf, size, "[%s]", frame_basename(profile_text(g->profile, n->module)));
	return buf;
}

struct edge {
	uint32_t from, to;
	uint32_t seen; /* the last stack + 1 that was counted */
	bool inlined;
	int64_t weight;
};

struct edges {
	struct array all; /* struct edge */
	struct table index;
};

static uint64_t hash_edge(uint32_t from, uint32_t to)
{
	return hash_u64((uint64_t)from << 32 | to, hash_seed());
}

static uint64_t hash_of_edge(const void *ctx, uint32_t id)
{
	const struct edge *e = ARRAY_AT(&((const struct edges *)ctx)->all, struct edge, id);

	return hash_edge(e->from, e->to);
}

static bool edge_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct edge *a = ARRAY_AT(&((const struct edges *)ctx)->all, struct edge, id),
			  *b = key;

	return a->from == b->from && a->to == b->to;
}

static void edges_deinit(struct edges *e)
{
	table_deinit(&e->index);
	array_deinit(&e->all);
}

static int add_edge(struct edges *es, struct edge new)
{
	uint64_t hash = hash_edge(new.from, new.to);
	uint32_t id = table_find(&es->index, hash, &new);

	if (id == TABLE_NONE) {
		struct edge *e = array_push(&es->all);
		if (!e)
			return -ENOMEM;
		*e = new;
		return table_add(&es->index, hash, (uint32_t)(es->all.n - 1));
	}
	struct edge *e = ARRAY_AT(&es->all, struct edge, id);
	if (e->seen == new.seen)
		return 0;
	e->seen = new.seen;
	e->weight = unit_add(e->weight, new.weight);
	e->inlined = e->inlined && new.inlined;
	return 0;
}

static int edges_of_stack(struct graph *g, struct edges *es, uint32_t stack, int64_t weight)
{
	uint32_t n, n_nodes, parent = NO_NODE;
	const uint32_t *locations = profile_stack(g->profile, stack, &n);
	uint32_t leaf = *ARRAY_AT(&g->leaf, uint32_t, stack);

	for (uint32_t i = n; i-- > leaf;) {
		const uint32_t *nodes = nodes_of(g, locations[i], &n_nodes);
		for (uint32_t k = n_nodes; k-- > 0;) {
			const struct graph_node *node =
				ARRAY_AT(&g->nodes, struct graph_node, nodes[k]);
			if (node->dropped)
				continue;
			if (node->in_inlined_place && parent != NO_NODE && parent != nodes[k]) {
				int r = add_edge(es, (struct edge){ .from = parent,
							     .to = nodes[k],
							     .seen = stack + 1,
							     .inlined = k != n_nodes - 1,
							     .weight = weight });
				if (r < 0)
					return r;
			}
			parent = nodes[k];
		}
	}
	return 0;
}

int graph_mark_inlined(struct graph *g, int64_t min_weight)
{
	CLEANUP(edges_deinit) struct edges es = { .all = ARRAY_INIT(struct edge, NO_NODE - 1) };
	bool any = false;

	ARRAY_EACH(&g->nodes, struct graph_node, n)
		any = any || n->in_inlined_place;
	if (!any)
		return 0;
	table_init(&es.index, NO_NODE - 1, hash_of_edge, edge_equal, &es);
	for (size_t i = 0; i < g->profile->stacks.n; i++) {
		int64_t weight = *ARRAY_AT(&g->weights, int64_t, i);
		int r = weight ? edges_of_stack(g, &es, (uint32_t)i, weight) : 0;
		if (r < 0)
			return r;
	}
	/* Every edge into the node inlined: inline; some: partial. */
	for (int inlined = 1; inlined >= 0; inlined--)
		ARRAY_EACH(&es.all, struct edge, e) {
			struct graph_node *n = ARRAY_AT(&g->nodes, struct graph_node, e->to);
			if (unit_abs(e->weight) < min_weight || e->inlined != inlined)
				continue;
			if (inlined)
				n->inlined = GRAPH_INLINE;
			else if (n->inlined == GRAPH_INLINE)
				n->inlined = GRAPH_PARTIAL_INLINE;
		}
	return 0;
}
