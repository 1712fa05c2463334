/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns counting edges. As in graph_count.c stacks are walked like a tree and shared among CPUs.
 * Trusts the graph's indices; sums saturate.
 *
 * Invariants: `entered` has the edges of the walk's path, from the root on, each where it is met
 * first, with what stacks weigh that have all up to here and were left; `states[i + 1]` is what
 * holds behind the path's location i.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/reader.h"
#include "view/edges.h"
#include "view/parts.h"

#define NO_EDGE UINT32_MAX

/* What holds behind a location: the last node that was kept (NOBODY: none yet) and whether one
 * behind it was not. */
#define NOBODY	 (UINT32_MAX >> 2)
#define RESIDUAL (1U << 30)
/* By location, what holds behind it; NOBODY: what held before it, RESIDUAL. INTO: edges that count
 * end in it. */
#define INTO (1U << 31)

struct entered {
	uint32_t edge, depth;
	int64_t weight;
};

/* One part's. */
struct walk {
	struct profile_reader stacks;
	struct edges *edges; /* borrowed; of the first part all, of others `own` */
	struct edges own;
	struct array states;  /* uint32_t */
	struct array into;    /* uint32_t: depths of the stack at hand */
	struct array entered; /* struct entered */
	uint32_t depth;
};

struct counting {
	const struct graph *graph;
	bool inlined_only;
	uint32_t *behind; /* owned: by location */
	struct walk walks[PARTS_MAX];
};

static uint64_t hash_edge(uint32_t from, uint32_t to)
{
	return hash_u64((uint64_t)from << 32 | to, hash_seed());
}

static uint64_t hash_of_edge(const void *ctx, uint32_t id)
{
	const struct edge *e = edges_at(ctx, id);

	return hash_edge(e->from, e->to);
}

static bool edge_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct edge *a = edges_at(ctx, id), *b = key;

	return a->from == b->from && a->to == b->to;
}

static void edges_new(struct edges *es, const struct graph *g)
{
	*es = (struct edges){
		.graph = g,
		.all = ARRAY_INIT(struct edge, NO_EDGE - 1),
		.in = ARRAY_INIT(uint32_t, NO_EDGE),
		.out = ARRAY_INIT(uint32_t, NO_EDGE),
		.in_at = ARRAY_INIT(uint32_t, SIZE_MAX),
		.out_at = ARRAY_INIT(uint32_t, SIZE_MAX),
	};
	table_init(&es->index, NO_EDGE - 1, hash_of_edge, edge_equal, es);
}

/* Adds what is met to what is known of its edge, or makes it: the weight is added, an edge is
 * inlined where all of it is and residual where any is. */
static int add_edge(struct edges *es, const struct edge *new, uint32_t *ret)
{
	uint64_t hash = hash_edge(new->from, new->to);
	uint32_t id = table_find(&es->index, hash, new);

	if (id == TABLE_NONE) {
		struct edge *e = array_push(&es->all);
		if (!e)
			return -ENOMEM;
		*e = *new;
		*ret = (uint32_t)(es->all.n - 1);
		return table_add(&es->index, hash, *ret);
	}
	struct edge *e = edges_at(es, id);
	*ret = id;
	/* A recursing stack has it once. */
	if (e->on_path)
		return 0;
	e->weight = graph_add(e->weight, new->weight);
	e->inlined = e->inlined && new->inlined;
	e->residual = e->residual || new->residual;
	return 0;
}

static uint32_t behind(const struct graph *g, uint32_t location, bool inlined_only)
{
	uint32_t n, state = NOBODY | RESIDUAL, into = 0;
	const uint32_t *nodes = graph_nodes_of(g, location, &n);

	while (n-- > 0) {
		const struct graph_node *node = ARRAY_AT(&g->nodes, struct graph_node, nodes[n]);

		state = node->dropped ? state | RESIDUAL : nodes[n];
		if (!node->dropped && (node->in_inlined_place || !inlined_only))
			into = INTO;
	}
	return state | into;
}

static int enter(struct walk *w, uint32_t depth, const struct edge *new)
{
	uint32_t id;
	int r = add_edge(w->edges, new, &id);

	if (r < 0 || edges_at(w->edges, id)->on_path)
		return r;
	struct entered *e = array_push(&w->entered);
	if (!e)
		return -ENOMEM;
	*e = (struct entered){ .edge = id, .depth = depth };
	edges_at(w->edges, id)->on_path = true;
	return 0;
}

/* Node by node from the outermost on. */
static int go_into(const struct counting *c, struct walk *w, uint32_t location, uint32_t depth)
{
	const struct graph *g = c->graph;
	uint32_t n, state = *ARRAY_AT(&w->states, uint32_t, depth);
	const uint32_t *nodes = graph_nodes_of(g, location, &n);

	for (uint32_t k = n; k-- > 0;) {
		const struct graph_node *node = ARRAY_AT(&g->nodes, struct graph_node, nodes[k]);
		uint32_t parent = state & NOBODY;
		if (node->dropped) {
			state |= RESIDUAL;
			continue;
		}
		if (parent != NOBODY && parent != nodes[k] &&
			(node->in_inlined_place || !c->inlined_only)) {
			struct edge e = { .from = parent,
				.to = nodes[k],
				.inlined = k != n - 1,
				.residual = state & RESIDUAL };
			int r = enter(w, depth, &e);
			if (r < 0)
				return r;
		}
		state = nodes[k];
	}
	return 0;
}

/* All edges that end at this depth or below. */
static void leave(struct walk *w, uint32_t depth)
{
	struct entered *e = w->entered.data;
	size_t n = w->entered.n;
	int64_t weight = 0;

	while (n && e[n - 1].depth >= depth) {
		struct edge *edge = edges_at(w->edges, e[--n].edge);
		weight = graph_add(weight, e[n].weight);
		edge->weight = graph_add(edge->weight, weight);
		edge->on_path = false;
	}
	if (n && weight)
		e[n - 1].weight = graph_add(e[n - 1].weight, weight);
	w->entered.n = n;
}

static int make_room(struct walk *w, uint32_t depth)
{
	int r = depth < w->into.n ? 0 : array_resize(&w->into, (size_t)depth + 1);

	if (r >= 0 && depth >= w->states.n) {
		r = array_resize(&w->states, (size_t)depth + 1);
		if (r >= 0)
			*ARRAY_AT(&w->states, uint32_t, 0) = NOBODY;
	}
	return r;
}

static int count_stack(const struct counting *c, struct walk *w, uint32_t stack, int64_t weight)
{
	uint32_t n, shared, n_into = 0, leaf = *ARRAY_AT(&c->graph->leaf, uint32_t, stack);
	const uint32_t *locations = profile_reader_stack(&w->stacks, stack, &n, &shared);
	uint32_t depth = n > leaf ? n - leaf : 0;

	shared = MIN(shared, MIN(depth, w->depth));
	leave(w, shared);
	w->depth = depth;
	int r = make_room(w, depth);
	if (r < 0)
		return r;
	/* Without decisions that could be guessed wrong. */
	uint32_t *states = w->states.data, *into = w->into.data, state = states[shared];
	for (uint32_t i = shared; i < depth; i++) {
		uint32_t next = c->behind[locations[n - 1 - i]];
		into[n_into] = i;
		n_into += next >> 31;
		next &= ~INTO;
		state = next == (NOBODY | RESIDUAL) ? state | RESIDUAL : next;
		states[i + 1] = state;
	}
	for (uint32_t i = 0; i < n_into && r >= 0; i++)
		r = go_into(c, w, locations[n - 1 - into[i]], into[i]);
	if (w->entered.n) {
		struct entered *last = ARRAY_AT(&w->entered, struct entered, w->entered.n - 1);
		last->weight = graph_add(last->weight, weight);
	}
	return r;
}

static int count_part(void *ctx, unsigned part, size_t first, size_t end)
{
	struct counting *c = ctx;
	struct walk *w = &c->walks[part];
	int r = 0;

	for (size_t i = first; i < end && r >= 0; i++) {
		int64_t weight = *ARRAY_AT(&c->graph->weights, int64_t, i);
		r = weight ? count_stack(c, w, (uint32_t)i, weight) : 0;
	}
	leave(w, 0);
	return r;
}

static void counting_deinit(struct counting *c)
{
	for (unsigned i = 0; i < PARTS_MAX; i++) {
		struct walk *w = &c->walks[i];
		array_deinit(&w->entered);
		array_deinit(&w->into);
		array_deinit(&w->states);
		edges_deinit(&w->own);
		profile_reader_deinit(&w->stacks);
	}
	free(c->behind);
}

/* 1: there may be edges, 0: none. */
static int counting_init(struct counting *c, struct edges *es, unsigned parts)
{
	const struct graph *g = es->graph;
	size_t n = g->nodes_at.n ? g->nodes_at.n - 1 : 0;
	bool any = false;
	int r = 0;

	c->graph = g;
	if (g->nodes.n > NOBODY)
		return -E2BIG;
	c->behind = malloc((n + 1) * sizeof(*c->behind));
	if (!c->behind)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		c->behind[i] = behind(g, (uint32_t)i, c->inlined_only);
		any = any || c->behind[i] & INTO;
	}
	for (unsigned i = 0; i < parts && any && r >= 0; i++) {
		struct walk *w = &c->walks[i];
		edges_new(&w->own, g);
		w->edges = i ? &w->own : es;
		w->states = (struct array)ARRAY_INIT(uint32_t, SIZE_MAX);
		w->into = (struct array)ARRAY_INIT(uint32_t, SIZE_MAX);
		w->entered = (struct array)ARRAY_INIT(struct entered, NO_EDGE);
		r = profile_reader_init(&w->stacks, g->profile);
	}
	return r < 0 ? r : any;
}

int edges_init(struct edges *es, const struct graph *g, bool inlined_only)
{
	size_t n = g->profile->stacks.n;
	unsigned parts = parts_of(n);
	CLEANUP(counting_deinit) struct counting c = { .inlined_only = inlined_only };

	edges_new(es, g);
	int r = counting_init(&c, es, parts);
	if (r > 0) {
		r = parts_run(n, parts, count_part, &c);
		/* As they would have been met one part after the other. */
		for (unsigned i = 1; i < parts && r >= 0; i++) {
			ARRAY_EACH(&c.walks[i].own.all, struct edge, e) {
				uint32_t id;
				r = add_edge(es, e, &id);
				if (r < 0)
					break;
			}
		}
	}
	if (r < 0)
		edges_deinit(es);
	return r;
}
