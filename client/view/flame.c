/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns making call trees. Work is per different stack and, below it, per frame that differs from
 * the stack before. Trusts the model's indices; names and values are hostile: names are made safe
 * once a frame, sums saturate.
 */
#include "view/flame.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/text.h"
#include "base/limits.h"
#include "view/frame.h"
#include "view/prune.h"
#include "view/unit.h"

#define MAX_NODES 134217728U

static uint64_t hash_frame(const struct flame_tree *t, const struct flame_frame *f)
{
	uint64_t h = hash_u64(f->name, hash_seed());

	return t->by_name ? h : hash_u64((uint64_t)f->module << 8 | f->kind, h);
}

static uint64_t hash_of_frame(const void *ctx, uint32_t id)
{
	const struct flame_tree *t = ctx;

	return hash_frame(t, ARRAY_AT(&t->frames, struct flame_frame, id));
}

static bool frame_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct flame_tree *t = ctx;
	const struct flame_frame *a = ARRAY_AT(&t->frames, struct flame_frame, id), *b = key;

	return a->name == b->name && (t->by_name || (a->module == b->module && a->kind == b->kind));
}

static uint64_t hash_node(uint32_t parent, uint32_t frame)
{
	return hash_u64((uint64_t)parent << 32 | frame, hash_seed());
}

static uint64_t hash_of_node(const void *ctx, uint32_t id)
{
	const struct flame_node *n = flame_node(ctx, id);

	return hash_node(n->parent, n->frame);
}

static bool node_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct flame_node *a = flame_node(ctx, id), *b = key;

	return a->parent == b->parent && a->frame == b->frame;
}

int flame_tree_init(struct flame_tree *t, bool by_name, bool inverted)
{
	*t = (struct flame_tree){
		.frames = ARRAY_INIT(struct flame_frame, FLAME_NONE - 1),
		.nodes = ARRAY_INIT(struct flame_node, MAX_NODES),
		.by_name = by_name,
		.inverted = inverted,
	};
	table_init(&t->frame_index, FLAME_NONE - 1, hash_of_frame, frame_equal, t);
	table_init(&t->node_index, MAX_NODES, hash_of_node, node_equal, t);
	int r = strings_init(&t->strings, LIMIT_PROFILE_STRINGS, LIMIT_PROFILE_BYTES);
	struct flame_frame *all = r < 0 ? NULL : array_push(&t->frames);
	struct flame_node *root = all ? array_push(&t->nodes) : NULL;
	if (root) {
		r = strings_intern(&t->strings, "all", 3, &all->name);
		root->parent = root->first_child = root->next = FLAME_NONE;
	}
	if (root && r >= 0)
		return 0;
	flame_tree_deinit(t);
	return r < 0 ? r : -ENOMEM;
}

void flame_tree_deinit(struct flame_tree *t)
{
	table_deinit(&t->node_index);
	table_deinit(&t->frame_index);
	array_deinit(&t->nodes);
	array_deinit(&t->frames);
	strings_deinit(&t->strings);
}

/* Code that was made at run time: memory without a file, or a map of a JIT. */
static bool is_jit(const char *module)
{
	return !strncmp(module, "//anon", 6) || !strncmp(module, "[anon", 5) ||
	       !strncmp(module, "/memfd:", 7) || !strncmp(module, "/tmp/perf-", 10) ||
	       !strcmp(module, "[jit]") || !strncmp(frame_basename(module), "jitted-", 7);
}

static bool is_go(const char *name, const char *file)
{
	size_t n = strlen(file);

	return (n > 3 && !strcmp(file + n - 3, ".go")) || !strncmp(name, "runtime.", 8) ||
	       !strncmp(name, "main.", 5) || strstr(name, ".(*");
}

/* What tag_frames() made: its file is a key, which is no name of a file. */
static bool is_label(const char *file, const char *module)
{
	return !*module && *file && !strpbrk(file, "/.<\\");
}

static enum flame_kind kind_of(const char *name, const char *file, const char *module, bool inlined)
{
	if (frame_is_kernel(module))
		return FLAME_KERNEL;
	if (frame_is_unnamed(name))
		return FLAME_UNNAMED;
	if (is_label(file, module))
		return FLAME_LABEL;
	if (inlined)
		return FLAME_INLINED;
	if (is_go(name, file))
		return FLAME_GO;
	return is_jit(module) ? FLAME_JIT : FLAME_USER;
}

static int intern_safe(struct flame_tree *t, const char *text, uint32_t *ret)
{
	_cleanup_free_ char *safe = frame_safe(text, 0);

	return safe ? strings_intern(&t->strings, safe, strlen(safe), ret) : -ENOMEM;
}

static int find_frame(struct flame_tree *t, const struct flame_frame *key, uint32_t *ret)
{
	uint64_t hash = hash_frame(t, key);
	uint32_t id = table_find(&t->frame_index, hash, key);

	if (id == TABLE_NONE) {
		id = (uint32_t)t->frames.n;
		struct flame_frame *f = array_push(&t->frames);
		if (!f)
			return -ENOMEM;
		*f = *key;
		int r = table_add(&t->frame_index, hash, id);
		if (r < 0)
			return r;
	}
	*ret = id;
	return 0;
}

static int add_frame(struct flame_tree *t, const char *name, const char *file, const char *module,
	bool inlined, uint32_t *ret)
{
	struct flame_frame key = { .kind = kind_of(name, file, module, inlined) };
	_cleanup_free_ char *text = NULL;
	const char *base = frame_basename(module);

	if (!*name && asprintf(&text, *base == '[' ? "%s" : "[%s]", *base ? base : "unknown") < 0) {
		text = NULL;
		return -ENOMEM;
	}
	int r = intern_safe(t, *name ? name : text, &key.name);
	if (r >= 0)
		r = intern_safe(t, base, &key.module);
	return r < 0 ? r : find_frame(t, &key, ret);
}

/* Frames of a profile: by line, and by location that has none. */
struct adding {
	struct flame_tree *tree;
	const struct profile *profile;
	struct array lines, locations; /* uint32_t frame */
	struct array first_line, leaf; /* of prune() */
	struct array weights;	       /* int64_t by stack */
	uint32_t no_stack;	       /* frame */
};

static void adding_deinit(struct adding *a)
{
	array_deinit(&a->weights);
	array_deinit(&a->leaf);
	array_deinit(&a->first_line);
	array_deinit(&a->locations);
	array_deinit(&a->lines);
}

static int add_frames(struct adding *a)
{
	const struct profile *p = a->profile;
	int r = array_resize(&a->lines, p->lines.n);

	if (r >= 0)
		r = array_resize(&a->locations, p->locations.n);
	for (uint32_t i = 0; i < p->locations.n && r >= 0; i++) {
		const struct profile_location *l =
			ARRAY_AT(&p->locations, struct profile_location, i);
		const char *module = frame_module(p, l->mapping);
		uint32_t n;
		const struct profile_line *lines = profile_lines(p, i, &n);
		if (!n)
			r = add_frame(a->tree, "", "", module, false,
				ARRAY_AT(&a->locations, uint32_t, i));
		for (uint32_t k = 0; k < n && r >= 0; k++) {
			_cleanup_free_ char *owned = NULL;
			const struct profile_function *f =
				ARRAY_AT(&p->functions, struct profile_function, lines[k].function);
			/* Whole, but where a table of pprof's names goes with it. */
			const char *name = a->tree->by_name ? frame_function_name(p, f, &owned)
							    : frame_whole_name(p, f, &owned);
			r = add_frame(a->tree, name, profile_text(p, f->file), module, k + 1 < n,
				ARRAY_AT(&a->lines, uint32_t, l->first_line + k));
		}
	}
	return r;
}

static int step(struct flame_tree *t, uint32_t frame, uint32_t *node)
{
	struct flame_node key = {
		.frame = frame, .parent = *node, .first_child = FLAME_NONE, .next = FLAME_NONE
	};
	uint64_t hash = hash_node(*node, frame);
	uint32_t id = table_find(&t->node_index, hash, &key);

	if (id == TABLE_NONE) {
		if (t->nodes.n >= MAX_NODES)
			return -E2BIG;
		id = (uint32_t)t->nodes.n;
		struct flame_node *n = array_push(&t->nodes);
		if (!n)
			return -ENOMEM;
		*n = key;
		int r = table_add(&t->node_index, hash, id);
		if (r < 0)
			return r;
	}
	*node = id;
	return 0;
}

/* The frames of a location are [0..n-1], innermost first. */
static const uint32_t *frames_of(const struct adding *a, uint32_t location, uint32_t *ret_n)
{
	const struct profile_location *l =
		ARRAY_AT(&a->profile->locations, struct profile_location, location);
	uint32_t first = *ARRAY_AT(&a->first_line, uint32_t, location);

	*ret_n = l->n_lines ? l->n_lines - first : 1;
	return l->n_lines ? ARRAY_AT(&a->lines, uint32_t, l->first_line + first)
			  : ARRAY_AT(&a->locations, uint32_t, location);
}

static int add_stack(struct adding *a, uint32_t stack, int64_t weight, enum flame_side side)
{
	uint32_t n, n_frames, node = 0;
	const uint32_t *locations = profile_stack(a->profile, stack, &n);
	uint32_t leaf = *ARRAY_AT(&a->leaf, uint32_t, stack);
	int r = n > leaf ? 0 : step(a->tree, a->no_stack, &node);

	if (a->tree->inverted) {
		for (uint32_t i = leaf; i < n && r >= 0; i++) {
			const uint32_t *frames = frames_of(a, locations[i], &n_frames);
			for (uint32_t k = 0; k < n_frames && r >= 0; k++)
				r = step(a->tree, frames[k], &node);
		}
	} else {
		for (uint32_t i = n; i-- > leaf && r >= 0;) {
			const uint32_t *frames = frames_of(a, locations[i], &n_frames);
			for (uint32_t k = n_frames; k-- > 0 && r >= 0;)
				r = step(a->tree, frames[k], &node);
		}
	}
	if (r < 0)
		return r;
	int64_t *self = &ARRAY_AT(&a->tree->nodes, struct flame_node, node)->self[side];
	*self = unit_add(*self, weight);
	return 0;
}

int flame_tree_check(const struct flame_tree *t, const struct profile *p, uint32_t type,
	const char *file, struct error *error)
{
	_cleanup_free_ char *unit = frame_safe(profile_text(p, p->types[type].unit), 0);

	if (!unit)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (t->frames.n == 1 || !strncmp(t->unit, unit, sizeof(t->unit) - 1))
		return 0;
	return error_set(error, -EINVAL, EXIT_CODE_FAILED,
		"%.200s is in '%s', what came before it in '%s': choose values of one unit with "
		"--sample-index",
		file, unit, t->unit);
}

/* What fits, by whole characters. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t left = strlen(from), n = 0, k;
	bool printable;

	for (; left && n + (k = text_char(from + n, left, &printable)) < size; n += k)
		left -= k;
	memcpy(to, from, n);
	to[n] = '\0';
}

void flame_tree_count(
	struct flame_tree *t, const struct profile *p, uint32_t type, enum flame_side side)
{
	for (size_t i = 0; i < profile_n_samples(p); i++)
		t->whole[side] = unit_add(t->whole[side], profile_values(p, i)[type]);
}

int64_t flame_tree_whole(const struct flame_tree *t, enum flame_side side)
{
	return t->whole[side] ? t->whole[side] : flame_node(t, 0)->value[side];
}

int flame_tree_add(
	struct flame_tree *t, const struct profile *p, uint32_t type, enum flame_side side)
{
	CLEANUP(adding_deinit)
	struct adding a = {
		.tree = t,
		.profile = p,
		.lines = ARRAY_INIT(uint32_t, SIZE_MAX),
		.locations = ARRAY_INIT(uint32_t, SIZE_MAX),
		.first_line = ARRAY_INIT(uint32_t, SIZE_MAX),
		.leaf = ARRAY_INIT(uint32_t, SIZE_MAX),
		.weights = ARRAY_INIT(int64_t, SIZE_MAX),
	};
	_cleanup_free_ char *name = frame_safe(profile_text(p, p->types[type].type), 0);
	_cleanup_free_ char *unit = frame_safe(profile_text(p, p->types[type].unit), 0);

	if (!name || !unit)
		return -ENOMEM;
	copy_text(t->type, sizeof(t->type), name);
	copy_text(t->unit, sizeof(t->unit), unit);
	t->compared = t->compared || side == FLAME_BASE;
	t->duration_ns[side] = unit_add(t->duration_ns[side], p->duration_nanos);
	int r = prune(p, &a.first_line, &a.leaf);
	if (r >= 0)
		r = add_frame(t, "[no stack]", "", "", false, &a.no_stack);
	if (r >= 0)
		r = add_frames(&a);
	if (r >= 0)
		r = array_resize(&a.weights, p->stacks.n);
	for (size_t i = 0; i < profile_n_samples(p) && r >= 0; i++) {
		int64_t *w =
			ARRAY_AT(&a.weights, int64_t, *ARRAY_AT(&p->sample_stacks, uint32_t, i));
		*w = unit_add(*w, profile_values(p, i)[type]);
	}
	for (uint32_t i = 0; i < p->stacks.n && r >= 0; i++) {
		int64_t w = *ARRAY_AT(&a.weights, int64_t, i);
		r = w ? add_stack(&a, i, w, side) : 0;
	}
	return r;
}

static int compare_siblings(const void *x, const void *y, void *ctx)
{
	const struct flame_tree *t = ctx;
	const uint32_t *i = x, *k = y;
	const struct flame_node *a = flame_node(t, *i), *b = flame_node(t, *k);

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	int c = strcmp(flame_name(t, *i), flame_name(t, *k));
	if (!c)
		c = strcmp(flame_module(t, *i), flame_module(t, *k));
	return c ? c : (*i > *k) - (*i < *k);
}

/* Most nodes have one child or two: each list by itself. */
static int sort_children(struct flame_tree *t, struct flame_node *parent, struct array *list)
{
	struct flame_node *nodes = t->nodes.data;
	uint32_t n = 0;

	for (uint32_t i = parent->first_child; i != FLAME_NONE; i = nodes[i].next) {
		if (n >= list->n && array_resize(list, 2 * n + 16) < 0)
			return -ENOMEM;
		*ARRAY_AT(list, uint32_t, n++) = i;
	}
	qsort_r(list->data, n, sizeof(uint32_t), compare_siblings, t);
	for (uint32_t i = n; i-- > 0;) {
		struct flame_node *child = &nodes[*ARRAY_AT(list, uint32_t, i)];
		child->next = i + 1 < n ? *ARRAY_AT(list, uint32_t, i + 1) : FLAME_NONE;
	}
	parent->first_child = *ARRAY_AT(list, uint32_t, 0);
	return 0;
}

static int sort_siblings(struct flame_tree *t)
{
	CLEANUP(array_deinit) struct array list = ARRAY_INIT(uint32_t, SIZE_MAX);
	struct flame_node *nodes = t->nodes.data;
	int r = 0;

	for (uint32_t i = (uint32_t)t->nodes.n; i-- > 1;) {
		nodes[i].next = nodes[nodes[i].parent].first_child;
		nodes[nodes[i].parent].first_child = i;
	}
	for (size_t i = 0; i < t->nodes.n && r >= 0; i++) {
		uint32_t first = nodes[i].first_child;
		if (first != FLAME_NONE && nodes[first].next != FLAME_NONE)
			r = sort_children(t, &nodes[i], &list);
	}
	return r;
}

int flame_tree_finish(struct flame_tree *t)
{
	struct flame_node *nodes = t->nodes.data;

	table_deinit(&t->node_index);
	for (size_t i = t->nodes.n; i-- > 0;) {
		struct flame_node *n = &nodes[i];
		int64_t base = unit_abs(n->self[FLAME_BASE]), new = unit_abs(n->self[FLAME_NEW]);
		n->size++;
		n->weight = unit_add(n->weight, MAX(base, new));
		for (int side = FLAME_BASE; side <= FLAME_NEW; side++)
			n->value[side] = unit_add(n->value[side], n->self[side]);
		if (n->parent == FLAME_NONE)
			continue;
		struct flame_node *parent = &nodes[n->parent];
		parent->size += n->size;
		parent->weight = unit_add(parent->weight, n->weight);
		for (int side = FLAME_BASE; side <= FLAME_NEW; side++)
			parent->value[side] = unit_add(parent->value[side], n->value[side]);
	}
	return sort_siblings(t);
}
