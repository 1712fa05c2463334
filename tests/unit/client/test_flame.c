/* SPDX-License-Identifier: Apache-2.0 */
/* Call trees, where their boxes are, what is merged, and that no name becomes markup. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "view_common.h"
#include "client/load.h"
#include "view/flame.h"
#include "view/layout.h"
#include "view/paint.h"

static void tree_of(struct flame_tree *t, const struct profile *p, bool inverted)
{
	assert_int_equal(flame_tree_init(t, false, inverted), 0);
	assert_int_equal(flame_tree_add(t, p, p->n_types - 1, FLAME_NEW), 0);
	assert_int_equal(flame_tree_finish(t), 0);
}

/* The node at the end of the names, from the root. */
static uint32_t find(const struct flame_tree *t, const char *const *names)
{
	uint32_t node = 0;

	for (; *names; names++) {
		uint32_t child = flame_node(t, node)->first_child;
		while (child != FLAME_NONE && strcmp(flame_name(t, child), *names) != 0)
			child = flame_node(t, child)->next;
		if (child == FLAME_NONE)
			fail_msg("no node %s", *names);
		node = child;
	}
	return node;
}
#define FIND(t, ...) find(t, (const char *const[]){ __VA_ARGS__, NULL })

static struct profile *small(void)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t root = location(p, "main", 1), b = location(p, "b", 2), c = location(p, "c", 3);

	sample(p, (uint32_t[]){ b, root }, 2, 30, 0);
	sample(p, (uint32_t[]){ c, b, root }, 3, 50, 0);
	sample(p, (uint32_t[]){ c, root }, 2, 15, 0);
	sample(p, (uint32_t[]){ root }, 1, 5, 0);
	return p;
}

static void a_node_has_what_is_its_own_and_what_is_above_it(void **state)
{
	CLEANUP(profile_freep) struct profile *p = small();
	struct flame_tree t;

	(void)state;
	tree_of(&t, p, false);
	assert_int_equal(flame_node(&t, 0)->weight, 100);
	assert_int_equal(flame_node(&t, 0)->size, 5);
	assert_int_equal(flame_node(&t, FIND(&t, "main"))->self[FLAME_NEW], 5);
	assert_int_equal(flame_node(&t, FIND(&t, "main", "b"))->value[FLAME_NEW], 80);
	assert_int_equal(flame_node(&t, FIND(&t, "main", "b", "c"))->value[FLAME_NEW], 50);
	assert_int_equal(flame_node(&t, FIND(&t, "main", "c"))->value[FLAME_NEW], 15);
	/* The heaviest first. */
	assert_string_equal(flame_name(&t, flame_node(&t, FIND(&t, "main"))->first_child), "b");
	flame_tree_deinit(&t);
}

static void inverted_begins_with_the_leaves(void **state)
{
	CLEANUP(profile_freep) struct profile *p = small();
	struct flame_tree t;

	(void)state;
	tree_of(&t, p, true);
	assert_int_equal(flame_node(&t, FIND(&t, "c"))->value[FLAME_NEW], 65);
	assert_int_equal(flame_node(&t, FIND(&t, "c", "b", "main"))->value[FLAME_NEW], 50);
	assert_int_equal(flame_node(&t, FIND(&t, "c", "main"))->value[FLAME_NEW], 15);
	assert_int_equal(flame_node(&t, 0)->weight, 100);
	flame_tree_deinit(&t);
}

static void profiles_are_added_up(void **state)
{
	CLEANUP(profile_freep) struct profile *p = small();
	CLEANUP(profile_freep) struct profile *q = small();
	struct flame_tree t;

	(void)state;
	assert_int_equal(flame_tree_init(&t, false, false), 0);
	assert_int_equal(flame_tree_add(&t, p, 0, FLAME_NEW), 0);
	assert_int_equal(flame_tree_add(&t, q, 0, FLAME_NEW), 0);
	assert_int_equal(flame_tree_finish(&t), 0);
	assert_int_equal(flame_node(&t, FIND(&t, "main", "b"))->value[FLAME_NEW], 160);
	flame_tree_deinit(&t);
}

static void values_of_other_units_are_not_added_up(void **state)
{
	CLEANUP(profile_freep) struct profile *p = small();
	CLEANUP(profile_freep) struct profile *q = new_profile(NULL, NULL, "space", "bytes");
	struct error error = ERROR_INIT;
	struct flame_tree t;

	(void)state;
	assert_int_equal(flame_tree_init(&t, false, false), 0);
	assert_int_equal(flame_tree_check(&t, q, 0, "q", &error), 0);
	assert_int_equal(flame_tree_add(&t, p, 0, FLAME_NEW), 0);
	assert_int_equal(flame_tree_check(&t, p, 0, "p", &error), 0);
	assert_int_equal(flame_tree_check(&t, q, 0, "q", &error), -EINVAL);
	assert_non_null(strstr(error.text, "bytes"));
	flame_tree_deinit(&t);
}

static void kinds_are_told_apart(void **state)
{
	static const struct {
		const char *module, *name;
		enum flame_kind kind;
	} cases[] = {
		{ "/usr/bin/shop", "parse", FLAME_USER },
		{ "[kernel.kallsyms]", "vfs_read", FLAME_KERNEL },
		{ "/lib/modules/6.1/fs/ext4.ko", "ext4_sync", FLAME_KERNEL },
		{ "/usr/bin/shop", "main.(*cart).add", FLAME_GO },
		{ "/usr/bin/shop", "runtime.mallocgc", FLAME_GO },
		{ "//anon", "LazyCompile:~add", FLAME_JIT },
		{ "/tmp/perf-12.map", "py::f", FLAME_JIT },
		{ "/usr/bin/shop", "shop+0x1139", FLAME_UNNAMED },
	};
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	struct flame_tree t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t m = mapping(p, cases[i].module, "");
		uint32_t l = location_in(p, m, cases[i].name, i);
		sample(p, &l, 1, 1, 0);
	}
	tree_of(&t, p, false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(flame_frame(&t, FIND(&t, cases[i].name))->kind, cases[i].kind);
	flame_tree_deinit(&t);
	(void)profile_free(p);
}

static void frames_of_labels_have_a_kind_of_their_own(void **state)
{
	static const struct {
		const char *name, *file;
		enum flame_kind kind;
	} cases[] = { { "mutex", "state", FLAME_LABEL }, { "work", "a.c", FLAME_USER },
		{ "open", "/src/open", FLAME_USER }, { "eval", "<string>", FLAME_USER } };
	struct profile *p = new_profile(NULL, NULL, "wall", "nanoseconds");
	struct flame_tree t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t l = location(p, cases[i].name, i);
		struct profile_line *line =
			ARRAY_AT(&p->lines, struct profile_line, p->lines.n - 1);

		ARRAY_AT(&p->functions, struct profile_function, line->function)->file =
			string(p, cases[i].file);
		sample(p, &l, 1, 1, 0);
	}
	tree_of(&t, p, false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(flame_frame(&t, FIND(&t, cases[i].name))->kind, cases[i].kind);
	flame_tree_deinit(&t);
	(void)profile_free(p);
}

static void inlined_frames_are_boxes_of_their_own(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	struct profile_line lines[] = { { .function = function(p, "inner", "inner") },
		{ .function = function(p, "outer", "outer") } };
	struct flame_tree t;
	uint32_t l;

	(void)state;
	assert_int_equal(profile_add_location(p, 1, PROFILE_NONE, lines, 2, false, &l), 0);
	sample(p, &l, 1, 7, 0);
	tree_of(&t, p, false);
	assert_int_equal(flame_frame(&t, FIND(&t, "outer"))->kind, FLAME_USER);
	assert_int_equal(flame_frame(&t, FIND(&t, "outer", "inner"))->kind, FLAME_INLINED);
	flame_tree_deinit(&t);
	(void)profile_free(p);
}

/* ---- layout ---- */

/* One wide callee and many narrow ones, each with a frame above. */
static struct profile *comb(unsigned narrow)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t root = location(p, "main", 1), wide = location(p, "wide", 2);
	uint32_t inner = location(p, "inner", 3);
	char name[24];

	sample(p, (uint32_t[]){ wide, root }, 2, 100000, 0);
	for (unsigned i = 0; i < narrow; i++) {
		(void)snprintf(name, sizeof(name), "narrow%u", i);
		uint32_t l = location(p, name, 10 + i);
		sample(p, (uint32_t[]){ inner, l, root }, 3, 1 + i % 7, 0);
	}
	return p;
}

/* Every box is inside of its parent, beside its siblings; what is drawn and what is merged is all.
 */
static void check_layout(const struct flame_tree *t, const struct layout *l)
{
	_cleanup_free_ int64_t *ends = calloc(l->rows + 1, sizeof(*ends));
	_cleanup_free_ int64_t *right = calloc(l->rows + 1, sizeof(*right));
	uint64_t nodes = 0, merged = 0;
	int64_t merged_width = 0;

	ARRAY_EACH(&l->boxes, struct layout_box, b) {
		assert_true(b->depth < l->rows);
		assert_true(b->x >= ends[b->depth]);
		assert_true(b->width >= 0);
		if (b->depth)
			assert_true(b->x + b->width <= right[b->depth - 1]);
		ends[b->depth] = b->x + b->width;
		right[b->depth] = b->x + b->width;
		nodes += b->merged ? b->merged : 1;
		merged += b->merged;
		merged_width += b->merged ? b->width : 0;
		if (!b->merged)
			assert_int_equal(b->width, flame_node(t, b->node)->weight);
	}
	assert_int_equal(nodes, t->nodes.n);
	assert_int_equal(merged, l->merged_nodes);
	assert_int_equal(merged_width, l->merged_width);
}

static void nothing_is_merged_where_nothing_shall_be(void **state)
{
	CLEANUP(profile_freep) struct profile *p = comb(500);
	struct flame_tree t;
	struct layout l;

	(void)state;
	tree_of(&t, p, false);
	assert_int_equal(layout_init(&l, &t, 0, 0.1, 10), 0);
	check_layout(&t, &l);
	assert_int_equal(l.boxes.n, t.nodes.n);
	assert_int_equal(l.merged_nodes, 0);
	assert_int_equal(l.rows, 4);
	layout_deinit(&l);
	flame_tree_deinit(&t);
}

static void what_is_merged_is_counted_exactly(void **state)
{
	CLEANUP(profile_freep) struct profile *p = comb(500);
	struct flame_tree t;
	struct layout l;
	int64_t narrow = 0;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		narrow += 1 + i % 7;
	tree_of(&t, p, false);
	assert_int_equal(layout_init(&l, &t, 0.01, 0, 10), 0);
	check_layout(&t, &l);
	/* all, main, wide, and one for the 500 with the frames above them. */
	assert_int_equal(l.boxes.n, 4);
	assert_int_equal(l.merged_nodes, 1000);
	assert_int_equal(l.merged_width, narrow);
	layout_deinit(&l);
	flame_tree_deinit(&t);
}

static void boxes_are_at_most_as_many_as_fit(void **state)
{
	CLEANUP(profile_freep) struct profile *p = comb(500);
	struct flame_tree t;
	struct layout l;

	(void)state;
	tree_of(&t, p, false);
	for (size_t max = 3; max < 2000; max = max * 3 / 2) {
		size_t single = 0;
		assert_int_equal(layout_init(&l, &t, -1, 0, max), 0);
		check_layout(&t, &l);
		ARRAY_EACH(&l.boxes, struct layout_box, b)
			single += !b->merged;
		assert_true(single <= max);
		assert_int_equal(l.merged_nodes == 0, max >= t.nodes.n);
		layout_deinit(&l);
	}
	flame_tree_deinit(&t);
}

static void values_of_both_signs_have_room(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t root = location(p, "main", 1), b = location(p, "b", 2), c = location(p, "c", 3);
	struct flame_tree t;
	struct layout l;

	(void)state;
	sample(p, (uint32_t[]){ b, root }, 2, 40, 0);
	sample(p, (uint32_t[]){ c, root }, 2, -60, 0);
	tree_of(&t, p, false);
	assert_int_equal(flame_node(&t, 0)->value[FLAME_NEW], -20);
	assert_int_equal(flame_node(&t, 0)->weight, 100);
	assert_int_equal(layout_init(&l, &t, 0, 0, 100), 0);
	check_layout(&t, &l);
	layout_deinit(&l);
	flame_tree_deinit(&t);
	(void)profile_free(p);
}

static void sums_that_overflow_stay_inside(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t root = location(p, "main", 1), b = location(p, "b", 2), c = location(p, "c", 3);
	struct flame_tree t;
	struct layout l;

	(void)state;
	sample(p, (uint32_t[]){ b, root }, 2, INT64_MAX, 0);
	sample(p, (uint32_t[]){ c, root }, 2, INT64_MIN, 0);
	tree_of(&t, p, false);
	assert_int_equal(layout_init(&l, &t, 0.5, 0, 100), 0);
	ARRAY_EACH(&l.boxes, struct layout_box, box) {
		assert_true(box->x >= 0 && box->width >= 0);
		assert_true(box->width <= l.total - box->x);
	}
	layout_deinit(&l);
	flame_tree_deinit(&t);
	(void)profile_free(p);
}

static void an_empty_profile_is_a_root_alone(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");

	(void)state;
	for (int html = 0; html < 2; html++) {
		char *text = show(html ? view_html : view_svg, p, NULL);
		assert_non_null(strstr(text, "cpu: 0"));
		free(text);
	}
	(void)profile_free(p);
}

/* ---- markup ---- */

static void names_are_escaped(void **state)
{
	static const char name[] = "<script>&\"']]>{{data}}\033[1m\xff";
	struct profile *p = new_profile(NULL, NULL, "<b>", "<u>");
	uint32_t l = location_in(p, mapping(p, "/x/<i>", ""), name, 1);

	(void)state;
	sample(p, &l, 1, 7, 0);
	for (int html = 0; html < 2; html++) {
		char *text = show(html ? view_html : view_svg, p, NULL);
		assert_null(strstr(text, "<script>&"));
		assert_null(strstr(text, "<b>:"));
		assert_null(strstr(text, "<i>"));
		assert_null(strchr(text, '\033'));
		assert_null(strchr(text, '\xff'));
		assert_non_null(strstr(text,
			html ? "\\u003cscript\\u003e\\u0026\\u0022\\u0027]]\\u003e{{data}}?[1m?"
			     : "&lt;script&gt;&amp;&quot;&#39;]]&gt;{{data}}?[1m?"));
		free(text);
	}
	(void)profile_free(p);
}

static void nothing_is_fetched_from_elsewhere(void **state)
{
	CLEANUP(profile_freep) struct profile *p = small();

	(void)state;
	for (int html = 0; html < 2; html++) {
		char *text = show(html ? view_html : view_svg, p, NULL);
		for (char *at = text; (at = strstr(at, "http")); at++)
			assert_true(!strncmp(at, "http://www.w3.org/", 18) ||
				    !strncmp(at, "http-equiv", 10));
		assert_null(strstr(text, "src="));
		assert_null(strstr(text, "url("));
		free(text);
	}
}

/* ---- colours ---- */

static double brightness(uint32_t rgb)
{
	double sum = 0;
	static const double weights[] = { 0.2126, 0.7152, 0.0722 };

	for (int i = 0; i < 3; i++) {
		double c = (double)(rgb >> (16 - 8 * i) & 255) / 255;
		sum += weights[i] * (c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
	}
	return sum;
}

/* 4.5:1, as WCAG 2 asks (www.w3.org/TR/WCAG21/#contrast-minimum). */
static void text_can_be_read_on_every_color(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAINT_COLORS; i++) {
		double light = brightness(paint_color(i, false));
		double dark = brightness(paint_color(i, true));
		if ((light + 0.05) / (brightness(0x1b1b1b) + 0.05) < 4.5)
			fail_msg("colour %u is too dark for black text: %06x", i,
				paint_color(i, false));
		if (1.05 / (dark + 0.05) < 4.5)
			fail_msg("colour %u is too light for white text: %06x", i,
				paint_color(i, true));
	}
}

static void more_is_red_and_less_is_blue(void **state)
{
	(void)state;
	assert_int_equal(paint_change(10, 0), PAINT_CHANGE);
	assert_int_equal(paint_change(0, 10), PAINT_CHANGE + PAINT_CHANGES - 1);
	assert_int_equal(paint_change(10, 10), PAINT_CHANGE + PAINT_CHANGES / 2);
	assert_int_equal(paint_change(0, 0), PAINT_CHANGE + PAINT_CHANGES / 2);
	assert_true(paint_change(10, 8) < PAINT_CHANGE + PAINT_CHANGES / 2);
	assert_true(paint_change(INT64_MIN, INT64_MAX) < PAINT_MERGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_has_what_is_its_own_and_what_is_above_it),
		cmocka_unit_test(inverted_begins_with_the_leaves),
		cmocka_unit_test(profiles_are_added_up),
		cmocka_unit_test(values_of_other_units_are_not_added_up),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(frames_of_labels_have_a_kind_of_their_own),
		cmocka_unit_test(inlined_frames_are_boxes_of_their_own),
		cmocka_unit_test(nothing_is_merged_where_nothing_shall_be),
		cmocka_unit_test(what_is_merged_is_counted_exactly),
		cmocka_unit_test(boxes_are_at_most_as_many_as_fit),
		cmocka_unit_test(values_of_both_signs_have_room),
		cmocka_unit_test(sums_that_overflow_stay_inside),
		cmocka_unit_test(an_empty_profile_is_a_root_alone),
		cmocka_unit_test(names_are_escaped),
		cmocka_unit_test(nothing_is_fetched_from_elsewhere),
		cmocka_unit_test(text_can_be_read_on_every_color),
		cmocka_unit_test(more_is_red_and_less_is_blue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
