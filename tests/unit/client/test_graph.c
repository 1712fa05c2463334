/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes and edges weigh what stacks say one by one, however they are stored and whoever counts. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "profile/decode.h"
#include "profile/pprof.h"
#include "view/edges.h"
#include "view/graph.h"
#include "view/parts.h"
#include "view_common.h"

#define STACKS	  40000U /* enough for two parts */
#define FUNCTIONS 40U
#define LOCATIONS 200U
#define DEEP	  30U
#define MAX_NODES 64U

static uint32_t any(uint32_t n)
{
	static uint64_t state = 7;

	state = state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(state >> 33) % n;
}

/* One to three functions in a location, mostly one, or none; a tenth is dropped where it is a leaf.
 */
static uint32_t some_location(struct profile *p, uint32_t i)
{
	struct profile_line lines[3] = { 0 };
	uint32_t id, n = i % 4 ? 1 : i % 40 ? any(4) : 0;

	for (uint32_t k = 0; k < n; k++) {
		char name[32];
		uint32_t which = any(FUNCTIONS);
		(void)snprintf(name, sizeof(name), "%s%u", which % 10 ? "f" : "leaf", which);
		lines[k].function = function(p, name, name);
	}
	assert_int_equal(profile_add_location(p, i, PROFILE_NONE, lines, n, false, &id), 0);
	return id;
}

/* Each stack mostly begins as the one before; values of both signs and 0. */
static struct profile *many(void)
{
	struct profile *p = new_profile(NULL, NULL, "samples", "count");
	uint32_t locations[LOCATIONS], frames[DEEP], n = 0;

	for (uint32_t i = 0; i < LOCATIONS; i++)
		locations[i] = some_location(p, i);
	p->drop_frames = string(p, "leaf.*");
	for (uint32_t i = 0; p->stacks.n < STACKS; i++) {
		uint32_t kept = i % 100 ? any(n + 1) : 0, leaf_first[DEEP];
		n = kept + any(DEEP + 1 - kept);
		for (uint32_t k = kept; k < n; k++)
			frames[k] = locations[any(any(3) ? 20 : LOCATIONS)];
		for (uint32_t k = 0; k < n; k++)
			leaf_first[k] = frames[n - 1 - k];
		sample(p, leaf_first, n, (int64_t)any(10) - 2, 0);
	}
	return p;
}

static struct profile *packed_copy(const struct profile *p)
{
	_cleanup_close_ int fd = io_memfd("test");
	_cleanup_free_ char *bytes = NULL;
	struct profile *copy = NULL;

	assert_int_equal(pprof_write(p, fd, 0), 0);
	off_t n = lseek(fd, 0, SEEK_END);
	bytes = malloc((size_t)n);
	assert_int_equal(pread(fd, bytes, (size_t)n, 0), n);
	assert_int_equal(pprof_decode_packed(bytes, (size_t)n, &copy, NULL), 0);
	assert_non_null(copy->packed);
	return copy;
}

static void assert_nodes(const struct graph *g)
{
	int64_t flat[MAX_NODES] = { 0 }, cum[MAX_NODES] = { 0 };

	assert_true(g->nodes.n <= MAX_NODES);
	for (uint32_t s = 0; s < g->profile->stacks.n; s++) {
		int64_t weight = *ARRAY_AT(&g->weights, int64_t, s);
		uint32_t n, n_nodes, leaf = *ARRAY_AT(&g->leaf, uint32_t, s);
		const uint32_t *frames = profile_stack(g->profile, s, &n);
		bool seen[MAX_NODES] = { 0 };
		for (uint32_t i = leaf; i < n; i++) {
			const uint32_t *nodes = graph_nodes_of(g, frames[i], &n_nodes);
			flat[nodes[0]] += i == leaf ? weight : 0;
			for (uint32_t k = 0; k < n_nodes; k++) {
				cum[nodes[k]] += seen[nodes[k]] ? 0 : weight;
				seen[nodes[k]] = true;
			}
		}
	}
	for (uint32_t i = 0; i < g->nodes.n; i++) {
		const struct graph_node *node = ARRAY_AT(&g->nodes, struct graph_node, i);
		assert_int_equal(node->flat, flat[i]);
		assert_int_equal(node->cum, cum[i]);
	}
}

/* Edges in the order in which they are met. */
struct expected {
	struct edge edges[MAX_NODES * MAX_NODES];
	uint32_t n, seen[MAX_NODES * MAX_NODES];
};

static void expect(struct expected *e, uint32_t stack, const struct edge *new)
{
	uint32_t i = 0;

	while (i < e->n && (e->edges[i].from != new->from || e->edges[i].to != new->to))
		i++;
	if (i == e->n) {
		e->edges[e->n++] = *new;
	} else if (e->seen[i] != stack) {
		e->edges[i].weight += new->weight;
		e->edges[i].inlined = e->edges[i].inlined && new->inlined;
		e->edges[i].residual = e->edges[i].residual || new->residual;
	}
	e->seen[i] = stack;
}

static void expect_stack(struct expected *e, const struct graph *g, uint32_t s, bool inlined_only)
{
	int64_t weight = *ARRAY_AT(&g->weights, int64_t, s);
	uint32_t n, n_nodes, from = UINT32_MAX;
	const uint32_t *frames = profile_stack(g->profile, s, &n);
	bool residual = false;

	for (uint32_t i = n; i-- > *ARRAY_AT(&g->leaf, uint32_t, s);) {
		const uint32_t *nodes = graph_nodes_of(g, frames[i], &n_nodes);
		for (uint32_t k = n_nodes; k-- > 0;) {
			const struct graph_node *node =
				ARRAY_AT(&g->nodes, struct graph_node, nodes[k]);
			if (node->dropped) {
				residual = true;
				continue;
			}
			if (from != UINT32_MAX && from != nodes[k] &&
				(node->in_inlined_place || !inlined_only))
				expect(e, s,
					&(struct edge){ .from = from,
						.to = nodes[k],
						.inlined = k + 1 != n_nodes,
						.residual = residual,
						.weight = weight });
			from = nodes[k];
			residual = false;
		}
	}
}

static void assert_edges(const struct graph *g, bool inlined_only)
{
	_cleanup_free_ struct expected *e = calloc(1, sizeof(*e));
	struct edges es;

	assert_non_null(e);
	for (uint32_t s = 0; s < g->profile->stacks.n; s++)
		if (*ARRAY_AT(&g->weights, int64_t, s))
			expect_stack(e, g, s, inlined_only);
	assert_int_equal(edges_init(&es, g, inlined_only), 0);
	assert_int_equal(es.all.n, e->n);
	for (uint32_t i = 0; i < e->n; i++) {
		const struct edge *a = edges_at(&es, i), *b = &e->edges[i];
		assert_int_equal(a->from, b->from);
		assert_int_equal(a->to, b->to);
		assert_int_equal(a->weight, b->weight);
		assert_int_equal(a->inlined, b->inlined);
		assert_int_equal(a->residual, b->residual);
		assert_false(a->on_path);
	}
	edges_deinit(&es);
}

static void assert_counted(const struct profile *p)
{
	struct graph g;

	assert_int_equal(graph_init(&g, p, 0, NULL), 0);
	assert_nodes(&g);
	assert_edges(&g, false);
	assert_edges(&g, true);
	for (uint32_t i = 0; i < g.nodes.n; i += 3)
		ARRAY_AT(&g.nodes, struct graph_node, i)->dropped = true;
	assert_edges(&g, false);
	assert_edges(&g, true);
	graph_deinit(&g);
}

static void everything_weighs_what_its_stacks_do(void **state)
{
	struct profile *p = many(), *packed = packed_copy(p);
	cpu_set_t before, one;

	(void)state;
	assert_counted(p);
	assert_counted(packed);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &before))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(parts_of(SIZE_MAX), 1);
	assert_counted(packed);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	profile_free(packed);
	profile_free(p);
}

struct done {
	uint8_t times[100];
	int fails_at;
};

static int do_part(void *ctx, unsigned part, size_t first, size_t end)
{
	struct done *d = ctx;

	for (size_t i = first; i < end; i++)
		d->times[i]++;
	return (int)part == d->fails_at ? -(int)part - 100 : 0;
}

static void every_item_is_done_once_and_failures_are_told(void **state)
{
	(void)state;
	for (unsigned parts = 1; parts <= PARTS_MAX; parts++)
		for (int fails = -1; fails < (int)parts; fails++) {
			struct done d = { .fails_at = fails };
			int r = parts_run(sizeof(d.times), parts, do_part, &d);
			assert_int_equal(r, fails < 0 ? 0 : -fails - 100);
			for (size_t i = 0; i < sizeof(d.times); i++)
				assert_int_equal(d.times[i], 1);
		}
	assert_int_equal(parts_of(0), 1);
	assert_int_equal(parts_of(100), 1);
	assert_in_range(parts_of(SIZE_MAX), 1, PARTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_weighs_what_its_stacks_do),
		cmocka_unit_test(every_item_is_done_once_and_failures_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
