/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the comparison: scaling, matching of names, and the sums by function. Trusts the model's
 * indices; values are hostile and saturate.
 */
#include "view/diff.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/scale.h"
#include "view/unit.h"
#include "view/view.h"

int64_t diff_of(const int64_t v[2])
{
	return unit_add(v[FLAME_NEW], v[FLAME_BASE] == INT64_MIN ? INT64_MAX : -v[FLAME_BASE]);
}

double diff_share(const struct diff *d, enum flame_side side, int64_t value)
{
	int64_t total = d->side[side].total;

	return total ? (double)value / fabs((double)total) : 0;
}

/* ---- scaling ---- */

static int64_t sum_of(const struct profile *p, uint32_t type)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile_n_samples(p); i++)
		sum = unit_add(sum, profile_values(p, i)[type]);
	return sum;
}

struct part {
	uint32_t stack, labels;
	int64_t *value; /* of the profile's column */
};

static int compare_parts(const void *x, const void *y)
{
	const struct part *a = x, *b = y;

	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return a->labels < b->labels ? -1 : a->labels > b->labels;
}

/* Rounds as pprof does, which adds up samples of equal stack and labels first. */
static int scale_values(struct profile *p, uint32_t type, double scale)
{
	size_t n = profile_n_samples(p);
	_cleanup_free_ struct part *parts = scale == 1 ? NULL : calloc(n + 1, sizeof(*parts));

	if (scale == 1)
		return 0;
	if (!parts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		parts[i] = (struct part){ *ARRAY_AT(&p->sample_stacks, uint32_t, i),
			*ARRAY_AT(&p->sample_labels, uint32_t, i),
			ARRAY_AT(&p->values, int64_t, i * p->n_types + type) };
	qsort(parts, n, sizeof(*parts), compare_parts);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && !compare_parts(&parts[i], &parts[next]); next++) {
			*parts[i].value = unit_add(*parts[i].value, *parts[next].value);
			*parts[next].value = 0;
		}
		*parts[i].value = unit_times(*parts[i].value, scale);
	}
	return 0;
}

static int normalize(struct diff *d, struct error *error)
{
	struct profile *base = d->side[FLAME_BASE].profile, *new = d->side[FLAME_NEW].profile;
	int64_t of_base = sum_of(base, d->type[FLAME_BASE]);
	int64_t of_new = sum_of(new, d->type[FLAME_NEW]);

	d->scale = 1;
	if (d->normalize == DIFF_TOTAL)
		d->scale = of_new ? (double)of_base / (double)of_new : 0;
	if (d->normalize == DIFF_TIME) {
		if (base->duration_nanos <= 0 || new->duration_nanos <= 0)
			return error_set(error, -EINVAL, EXIT_CODE_FAILED,
				"cannot normalize by time: %.200s does not say how long it took; "
				"try --normalize total",
				d->side[base->duration_nanos > 0].name);
		d->scale = (double)base->duration_nanos / (double)new->duration_nanos;
	}
	return scale_values(new, d->type[FLAME_NEW], d->scale) < 0
		       ? error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory")
		       : 0;
}

/* ---- names ---- */

static bool has_build(const struct profile *p, const char *file, const char *build_id)
{
	ARRAY_EACH(&p->mappings, struct profile_mapping, m)
		if (!strcmp(profile_text(p, m->build_id), build_id) &&
			!strcmp(frame_basename(profile_text(p, m->file)), file))
			return true;
	return false;
}

/* Addresses of a module mean the same in both. */
static bool same_build(const struct profile *a, const struct profile *b, const char *file)
{
	ARRAY_EACH(&a->mappings, struct profile_mapping, m)
		if (m->build_id && !strcmp(frame_basename(profile_text(a, m->file)), file) &&
			has_build(b, file, profile_text(a, m->build_id)))
			return true;
	return false;
}

/* module+0xaddress becomes [module] where it is not the address of the same thing. */
static int rename_unnamed(struct profile *p, const struct profile *other)
{
	for (size_t i = 0; i < p->functions.n; i++) {
		struct profile_function *f = ARRAY_AT(&p->functions, struct profile_function, i);
		const char *name = profile_text(p, f->name ?: f->system_name);
		const char *plus = strrchr(name, '+');
		if (!plus || !frame_is_unnamed(name))
			continue;
		_cleanup_free_ char *module = strndup(name, (size_t)(plus - name)), *text = NULL;
		if (!module)
			return -ENOMEM;
		if (same_build(p, other, module))
			continue;
		if (asprintf(&text, *module == '[' ? "%s" : "[%s]", module) < 0) {
			text = NULL;
			return -ENOMEM;
		}
		int r = profile_add_string(p, text, &f->name);
		if (r < 0)
			return r;
		f->system_name = 0;
	}
	return 0;
}

/* ---- sums ---- */

/* Counts a function once for a path however often it recurs in it: `open` says how many frames of a
 * name are between the root and here. */
static int sum_rows(struct diff *d)
{
	const struct flame_tree *t = &d->tree;
	_cleanup_free_ uint32_t *open = calloc(t->frames.n, sizeof(*open));
	int r = open ? array_resize(&d->rows, t->frames.n) : -ENOMEM;
	uint32_t node = flame_node(t, 0)->first_child;

	for (uint32_t i = 0; i < t->frames.n && r >= 0; i++)
		ARRAY_AT(&d->rows, struct diff_row, i)->frame = i;
	while (node != FLAME_NONE && r >= 0) {
		const struct flame_node *n = flame_node(t, node);
		struct diff_row *row = ARRAY_AT(&d->rows, struct diff_row, n->frame);
		for (int side = FLAME_BASE; side <= FLAME_NEW; side++) {
			row->flat[side] = unit_add(row->flat[side], n->self[side]);
			if (!open[n->frame])
				row->cum[side] = unit_add(row->cum[side], n->value[side]);
		}
		open[n->frame]++;
		if (n->first_child != FLAME_NONE) {
			node = n->first_child;
			continue;
		}
		for (; node; node = flame_node(t, node)->parent) {
			open[flame_node(t, node)->frame]--;
			if (flame_node(t, node)->next != FLAME_NONE)
				break;
		}
		node = node ? flame_node(t, node)->next : FLAME_NONE;
	}
	return r;
}

static int descending(int64_t a, int64_t b)
{
	a = unit_abs(a);
	b = unit_abs(b);
	return a > b ? -1 : a < b;
}

static int by_flat(const void *x, const void *y, void *ctx)
{
	const struct diff_row *a = x, *b = y;
	int c = descending(diff_of(a->flat), diff_of(b->flat));

	c = c ?: strcmp(diff_name(ctx, a), diff_name(ctx, b));
	return c ?: descending(diff_of(a->cum), diff_of(b->cum));
}

static int by_cum(const void *x, const void *y, void *ctx)
{
	const struct diff_row *a = x, *b = y;
	int c = descending(diff_of(a->cum), diff_of(b->cum));

	return c ?: strcmp(diff_name(ctx, a), diff_name(ctx, b));
}

/* The tree is sorted by itself: equal changes stay in its order. */
static int by_self(const void *x, const void *y, void *ctx)
{
	const struct diff *d = ctx;
	const uint32_t *a = x, *b = y;
	int c = descending(
		diff_of(flame_node(&d->tree, *a)->self), diff_of(flame_node(&d->tree, *b)->self));

	c = c ?: strcmp(flame_name(&d->tree, *a), flame_name(&d->tree, *b));
	return c ?: (*a > *b) - (*a < *b);
}

/* What is in neither, thus in no path, goes; the root is no function. */
static void drop_empty(struct diff *d)
{
	struct diff_row *rows = d->rows.data;
	size_t n = 0;

	for (size_t i = 1; i < d->rows.n; i++)
		if (rows[i].flat[0] || rows[i].flat[1] || rows[i].cum[0] || rows[i].cum[1])
			rows[n++] = rows[i];
	d->rows.n = n;
}

static int collect_paths(struct diff *d)
{
	for (uint32_t i = 1; i < d->tree.nodes.n; i++) {
		if (!diff_of(flame_node(&d->tree, i)->self))
			continue;
		uint32_t *path = array_push(&d->paths);
		if (!path)
			return -ENOMEM;
		*path = i;
	}
	return 0;
}

static int compare_all(struct diff *d, bool cum)
{
	int r = sum_rows(d);

	if (r >= 0)
		r = collect_paths(d);
	if (r < 0)
		return r;
	drop_empty(d);
	if (d->rows.n)
		qsort_r(d->rows.data, d->rows.n, sizeof(struct diff_row), cum ? by_cum : by_flat,
			d);
	if (d->paths.n)
		qsort_r(d->paths.data, d->paths.n, sizeof(uint32_t), by_self, d);
	return 0;
}

static int select_types(struct diff *d, const char *sample_index, struct error *error)
{
	struct profile *p[2] = { d->side[0].profile, d->side[1].profile };
	const char *names[2], *units[2];
	int r = view_sample_index(p[FLAME_BASE], sample_index, &d->type[FLAME_BASE], error);

	if (r == 0)
		r = view_sample_index(p[FLAME_NEW], sample_index, &d->type[FLAME_NEW], error);
	if (r < 0)
		return r;
	if (scale_to_common_unit(p[0], d->type[0], p[1], d->type[1]) < 0)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	for (int side = FLAME_BASE; side <= FLAME_NEW; side++) {
		names[side] = profile_text(p[side], p[side]->types[d->type[side]].type);
		units[side] = profile_text(p[side], p[side]->types[d->type[side]].unit);
	}
	if (!strcmp(names[0], names[1]) && !strcmp(units[0], units[1]))
		return 0;
	return error_set(error, -EINVAL, EXIT_CODE_FAILED,
		"cannot compare %.60s in %.30s of %.120s with %.60s in %.30s of %.120s: choose "
		"with "
		"--sample-index",
		names[0], units[0], d->side[0].name, names[1], units[1], d->side[1].name);
}

static int filter_sides(const struct diff_side sides[2], struct error *error)
{
	int r = 0;

	for (int side = FLAME_BASE; side <= FLAME_NEW && r >= 0; side++)
		if (sides[side].filter)
			r = filter_apply(
				sides[side].profile, sides[side].filter, sides[side].notes, error);
	return r;
}

int diff_init(struct diff *d, const struct diff_side sides[2], const char *sample_index,
	enum diff_normalize how, bool cum, struct error *error)
{
	*d = (struct diff){
		.side = { sides[0], sides[1] },
		.normalize = how,
		.rows = ARRAY_INIT(struct diff_row, FLAME_NONE),
		.paths = ARRAY_INIT(uint32_t, FLAME_NONE),
	};
	int r = select_types(d, sample_index, error);

	if (r == 0)
		r = normalize(d, error);
	if (r < 0)
		return r;
	r = flame_tree_init(&d->tree, true, false);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	for (int side = FLAME_BASE; side <= FLAME_NEW; side++) {
		flame_tree_count(&d->tree, sides[side].profile, d->type[side], side);
		d->side[side].total = d->tree.whole[side];
	}
	r = filter_sides(sides, error);
	if (r < 0) {
		diff_deinit(d);
		return r;
	}
	for (int side = FLAME_BASE; side <= FLAME_NEW && r >= 0; side++)
		r = rename_unnamed(sides[side].profile, sides[!side].profile);
	for (int side = FLAME_BASE; side <= FLAME_NEW && r >= 0; side++)
		r = flame_tree_add(&d->tree, sides[side].profile, d->type[side], side);
	if (r >= 0)
		r = flame_tree_finish(&d->tree);
	if (r >= 0)
		r = compare_all(d, cum);
	if (r >= 0)
		return 0;
	diff_deinit(d);
	return error_set(error, r, EXIT_CODE_FAILED, "cannot compare: %s", strerror(-r));
}

void diff_deinit(struct diff *d)
{
	array_deinit(&d->paths);
	array_deinit(&d->rows);
	flame_tree_deinit(&d->tree);
}
