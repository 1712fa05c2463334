/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice and drawing of labels' boxes (addNodelets() of
 * github.com/google/pprof/blob/main/internal/graph/dotgraph.go): the heaviest few; numbers beyond
 * that many are grouped around the heaviest. Names are anybody's and stay inside of their string.
 */
#include "view/dot_tags.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/dot_name.h"
#include "view/unit.h"

#define MAX_BOXES 4U

/* A number or a group of them. */
struct box {
	int64_t min, max, flat, cum;
	char name[2 * UNIT_TEXT + 2];
};

static int heavier(int64_t a, int64_t b)
{
	a = unit_abs(a);
	b = unit_abs(b);
	return a > b ? -1 : a < b;
}

struct order {
	const struct tags *tags;
	bool flat;
};

static int compare_tags(const void *x, const void *y, void *ctx)
{
	const struct order *o = ctx;
	const struct tag *a = x, *b = y;
	int c = o->flat ? 0 : heavier(a->cum, b->cum);

	c = c ?: heavier(a->flat, b->flat);
	return c
		       ?: strcmp(strings_get(&o->tags->names, a->name, NULL),
				  strings_get(&o->tags->names, b->name, NULL));
}

static int compare_boxes(const void *x, const void *y, void *ctx)
{
	const struct order *o = ctx;
	const struct box *a = x, *b = y;
	int c = o->flat ? 0 : heavier(a->cum, b->cum);

	c = c ?: heavier(a->flat, b->flat);
	return c ?: strcmp(a->name, b->name);
}

/* A joined name: its \n are line ends, all else is made safe. */
static void put_lines(FILE *out, char *name)
{
	for (char *end; (end = strstr(name, "\\n")); name = end + 2) {
		*end = '\0';
		dot_put(out, name);
		(void)fputs("\\n", out);
	}
	dot_put(out, name);
}

static void write_edge(const struct dot_tags *d, const char *from, const char *to, size_t i,
	const char *weight, bool dotted)
{
	(void)fprintf(d->out, "%s -> %s_%zu [label=\" ", from, to, i);
	dot_put(d->out, weight);
	(void)fputs("\" weight=100 tooltip=\"", d->out);
	dot_put(d->out, weight);
	(void)fputs("\" labeltooltip=\"", d->out);
	dot_put(d->out, weight);
	(void)fputs(dotted ? "\" style=\"dotted\"]\n" : "\"]\n", d->out);
}

static void write_box_end(const struct dot_tags *d, const char *id, size_t i, const char *weight)
{
	(void)fprintf(d->out, "\" id=\"%s_%zu\" fontsize=8 shape=box3d tooltip=\"", id, i);
	dot_put(d->out, weight);
	(void)fputs("\"]\n", d->out);
}

static int64_t distance(int64_t a, int64_t b)
{
	return unit_abs(unit_add(a, b == INT64_MIN ? INT64_MAX : -b));
}

static void name_box(const struct dot_tags *d, struct box *b)
{
	const char *unit = d->tags->unit;
	char min[UNIT_TEXT], max[UNIT_TEXT];

	if (b->min == b->max)
		(void)unit_label(b->min, unit, "auto", b->name);
	else
		(void)snprintf(b->name, sizeof(b->name), "%s..%s",
			unit_label(b->min, unit, "auto", min),
			unit_label(b->max, unit, "auto", max));
}

/* Into boxes; each number beyond the heaviest goes to the nearest of those. The boxes. */
static size_t group_numbers(const struct dot_tags *d, const struct order *o, struct tag *all,
	size_t n, struct box *boxes)
{
	size_t n_boxes = n < MAX_BOXES ? n : MAX_BOXES;

	qsort_r(all, n, sizeof(*all), compare_tags, (void *)o);
	for (size_t i = 0; i < n_boxes; i++) {
		boxes[i] = (struct box){ all[i].value, all[i].value, all[i].flat, all[i].cum, "" };
		(void)snprintf(boxes[i].name, sizeof(boxes[i].name), "%s",
			strings_get(&d->tags->names, all[i].name, NULL));
	}
	for (size_t i = n_boxes; i < n; i++) {
		size_t nearest = 0;
		for (size_t k = 1; k < n_boxes; k++)
			if (distance(all[i].value, all[k].value) <
				distance(all[i].value, all[nearest].value))
				nearest = k;
		struct box *b = &boxes[nearest];
		b->min = all[i].value < b->min ? all[i].value : b->min;
		b->max = MAX(b->max, all[i].value);
		b->flat = unit_add(b->flat, all[i].flat);
		b->cum = unit_add(b->cum, all[i].cum);
	}
	for (size_t i = 0; n > MAX_BOXES && i < n_boxes; i++)
		name_box(d, &boxes[i]);
	qsort_r(boxes, n_boxes, sizeof(*boxes), compare_boxes, (void *)o);
	return n_boxes;
}

/* Those below one label. `numbers` is scratch of n tags. */
static bool write_numbers(const struct dot_tags *d, const struct order *o, const struct tag *tags,
	uint32_t n, uint32_t label, struct tag *numbers, const char *source)
{
	struct box boxes[MAX_BOXES];
	char weight[UNIT_TEXT], id[48];
	size_t n_numbers = 0, n_boxes;
	bool any = false;

	for (uint32_t i = 0; i < n; i++)
		if (tags[i].is_number && tags[i].label == label)
			numbers[n_numbers++] = tags[i];
	n_boxes = group_numbers(d, o, numbers, n_numbers, boxes);
	(void)snprintf(id, sizeof(id), "N%s", source);
	for (size_t i = 0; i < n_boxes; i++) {
		bool own = o->flat || boxes[i].flat == boxes[i].cum;
		int64_t w = own ? boxes[i].flat : boxes[i].cum;
		if (!w)
			continue;
		(void)unit_label(w, d->from, d->to, weight);
		(void)fprintf(d->out, "%s_%zu [label = \"", id, i);
		dot_put(d->out, boxes[i].name);
		write_box_end(d, id, i, weight);
		write_edge(d, source, id, i, weight, !own);
		any = true;
	}
	return any;
}

static int write_label(
	const struct dot_tags *d, const struct tag *tag, int64_t w, const char *id, size_t i)
{
	_cleanup_free_ char *name = strdup(strings_get(&d->tags->names, tag->name, NULL));
	char weight[UNIT_TEXT];

	if (!name)
		return -ENOMEM;
	(void)unit_label(w, d->from, d->to, weight);
	(void)fprintf(d->out, "%s_%zu [label = \"", id, i);
	put_lines(d->out, name);
	write_box_end(d, id, i, weight);
	write_edge(d, id, id, i, weight, false);
	return 0;
}

int dot_tags_write(const struct dot_tags *d, uint32_t node, size_t id, bool flat)
{
	struct order order = { d->tags, flat };
	uint32_t n;
	const struct tag *tags = tags_of(d->tags, node, &n);
	_cleanup_free_ struct tag *labels = n ? calloc(n, sizeof(*labels)) : NULL;
	_cleanup_free_ struct tag *scratch = n ? calloc(n, sizeof(*scratch)) : NULL;
	char name[32], of_label[40];
	size_t n_labels = 0;
	int any = 0;

	if (!n)
		return 0;
	if (!labels || !scratch)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "N%zu", id);
	for (uint32_t i = 0; i < n; i++)
		if (!tags[i].is_number)
			labels[n_labels++] = tags[i];
	qsort_r(labels, n_labels, sizeof(*labels), compare_tags, &order);
	for (size_t i = 0; i < n_labels && i < MAX_BOXES; i++) {
		int64_t w = flat ? labels[i].flat : labels[i].cum;
		if (!w)
			continue;
		if (write_label(d, &labels[i], w, name, i) < 0)
			return -ENOMEM;
		(void)snprintf(of_label, sizeof(of_label), "%s_%zu", name, i);
		write_numbers(d, &order, tags, n, labels[i].name, scratch, of_label);
		any = 1;
	}
	return write_numbers(d, &order, tags, n, 0, scratch, name) ? 1 : any;
}

uint32_t dot_tags_count(const struct tags *tags, uint32_t node)
{
	uint32_t n, count = 0;
	const struct tag *all = tags_of(tags, node, &n);

	for (uint32_t i = 0; i < n; i++)
		count += all[i].flat != 0;
	return count < MAX_BOXES ? count : MAX_BOXES;
}
