/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the geometry and the accounting of what is merged. Trusts a finished tree. Saturated weights
 * may add up to more than their parent's: boxes never leave their parent's.
 */
#include "view/layout.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "view/unit.h"

struct walk {
	const struct flame_tree *tree;
	struct layout *layout;
	struct array ends; /* int64_t by depth: where the box at hand ends */
	uint32_t depth;
};

static int compare_descending(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return *a > *b ? -1 : *a < *b;
}

/* The weight that at most max_boxes nodes have. */
static int weight_that_fits(const struct flame_tree *t, size_t max_boxes, int64_t *ret)
{
	size_t n = t->nodes.n;

	*ret = 0;
	if (n <= max_boxes)
		return 0;
	_cleanup_free_ int64_t *weights = calloc(n, sizeof(*weights));
	if (!weights)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		weights[i] = flame_node(t, (uint32_t)i)->weight;
	qsort(weights, n, sizeof(*weights), compare_descending);
	*ret = unit_add(weights[max_boxes], 1);
	return 0;
}

static bool is_wide(const struct walk *w, uint32_t node, uint32_t depth)
{
	int64_t weight = flame_node(w->tree, node)->weight;

	return weight > 0 && weight >= w->layout->min_width && depth < LAYOUT_MAX_DEPTH;
}

static struct layout_box *push_box(struct walk *w, struct layout_box box)
{
	struct layout_box *new = array_push(&w->layout->boxes);

	if (new)
		*new = box;
	w->layout->rows = MAX(w->layout->rows, box.depth + 1);
	return new;
}

/* All siblings from `node` on are narrower than what is drawn, or of no width at all. */
static int merge(struct walk *w, uint32_t node, int64_t x, uint32_t depth)
{
	int64_t end = depth ? *ARRAY_AT(&w->ends, int64_t, depth - 1) : w->layout->total;
	struct layout_box box = {
		.node = flame_node(w->tree, node)->parent, .depth = depth, .x = x
	};

	for (uint32_t i = node; i != FLAME_NONE; i = flame_node(w->tree, i)->next) {
		const struct flame_node *n = flame_node(w->tree, i);
		box.merged += n->size;
		box.width = unit_add(box.width, n->weight);
		for (int side = FLAME_BASE; side <= FLAME_NEW; side++)
			box.value[side] = unit_add(box.value[side], n->value[side]);
	}
	box.width = MIN(box.width, end - x);
	w->layout->merged_nodes += box.merged;
	w->layout->merged_width += box.width;
	return push_box(w, box) ? 0 : -ENOMEM;
}

static int place(struct walk *w, uint32_t node, int64_t x)
{
	const struct flame_node *n = flame_node(w->tree, node);
	int64_t end = w->depth ? *ARRAY_AT(&w->ends, int64_t, w->depth - 1) : w->layout->total;
	int64_t width = MIN(n->weight, end - x);

	if (!push_box(w, (struct layout_box){ .node = node,
				 .depth = w->depth,
				 .x = x,
				 .width = width,
				 .value = { n->value[0], n->value[1] } }))
		return -ENOMEM;
	if (w->depth >= w->ends.n && array_resize(&w->ends, w->depth + 1) < 0)
		return -ENOMEM;
	*ARRAY_AT(&w->ends, int64_t, w->depth) = x + width;
	return 0;
}

/* The next node that gets a box of its own after `node` and what is below it; FLAME_NONE at the
 * end. */
static int next_beside(struct walk *w, uint32_t node, uint32_t *ret, int64_t *ret_x)
{
	for (; node != 0; node = flame_node(w->tree, node)->parent, w->depth--) {
		uint32_t beside = flame_node(w->tree, node)->next;
		int64_t x = *ARRAY_AT(&w->ends, int64_t, w->depth);
		if (beside == FLAME_NONE)
			continue;
		if (is_wide(w, beside, w->depth)) {
			*ret = beside;
			*ret_x = x;
			return 0;
		}
		int r = merge(w, beside, x, w->depth);
		if (r < 0)
			return r;
	}
	*ret = FLAME_NONE;
	return 0;
}

static int walk(struct walk *w)
{
	uint32_t node = 0;
	int64_t x = 0;
	int r = 0;

	while (node != FLAME_NONE && r >= 0) {
		r = place(w, node, x);
		if (r < 0)
			break;
		uint32_t child = flame_node(w->tree, node)->first_child;
		if (child != FLAME_NONE && is_wide(w, child, w->depth + 1)) {
			node = child;
			w->depth++;
			continue;
		}
		if (child != FLAME_NONE)
			r = merge(w, child, x, w->depth + 1);
		if (r >= 0)
			r = next_beside(w, node, &node, &x);
	}
	return r;
}

int layout_init(struct layout *l, const struct flame_tree *t, double min_share,
	double default_share, size_t max_boxes)
{
	struct walk w = { .tree = t, .layout = l, .ends = ARRAY_INIT(int64_t, LAYOUT_MAX_DEPTH) };
	int64_t fits = 0;
	int r = 0;

	*l = (struct layout){
		.boxes = ARRAY_INIT(struct layout_box, UINT32_MAX),
		.total = flame_node(t, 0)->weight,
	};
	if (min_share < 0) {
		r = weight_that_fits(t, max_boxes, &fits);
		min_share = default_share;
	}
	/* More than that would merge the root's only child. */
	min_share = MIN(min_share, 0.5);
	l->min_width = MAX(fits, (int64_t)ceil((double)l->total * min_share));
	if (r >= 0)
		r = walk(&w);
	array_deinit(&w.ends);
	if (r < 0)
		layout_deinit(l);
	return r;
}

void layout_deinit(struct layout *l)
{
	array_deinit(&l->boxes);
}
