/* SPDX-License-Identifier: Apache-2.0 */
/* A small profile that uses every field of profile.proto, for the tests of this room and others. */
#ifndef PROFD_TESTS_RICH_H
#define PROFD_TESTS_RICH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "profile/profile.h"

static inline uint32_t rich_string(struct profile *p, const char *text)
{
	uint32_t s;

	assert_int_equal(profile_add_string(p, text, &s), 0);
	return s;
}

static inline uint32_t rich_function(
	struct profile *p, const char *name, const char *system, const char *file, int64_t line)
{
	struct profile_function f = { .name = rich_string(p, name),
		.system_name = rich_string(p, system),
		.file = rich_string(p, file),
		.start_line = line };
	uint32_t id;

	assert_int_equal(profile_add_function(p, &f, &id), 0);
	return id;
}

static inline struct profile *rich_profile(void)
{
	struct profile *p;
	uint32_t mapping, kernel, inner, outer, locations[3], stack, deep, labels;

	assert_int_equal(profile_new(&p), 0);
	assert_int_equal(profile_add_type(p, "samples", "count"), 0);
	assert_int_equal(profile_add_type(p, "cpu", "nanoseconds"), 0);
	assert_int_equal(profile_set_period(p, "cpu", "nanoseconds", 10101010), 0);
	assert_int_equal(profile_add_comment(p, "rate %d Hz", 99), 0);
	assert_int_equal(profile_add_comment(p, "a second comment"), 0);
	p->time_nanos = 1700000000123456789;
	p->duration_nanos = 1500000000;
	p->default_sample_type = rich_string(p, "samples");
	p->drop_frames = rich_string(p, "malloc|operator new");
	p->keep_frames = rich_string(p, "malloc_trim");
	p->doc_url = rich_string(p, "https://example.org/doc");

	struct profile_mapping m = { .start = 0x400000,
		.limit = 0x500000,
		.offset = 0x1000,
		.file = rich_string(p, "/usr/bin/prog"),
		.build_id = rich_string(p, "0123456789abcdef"),
		.has_functions = true,
		.has_filenames = true,
		.has_line_numbers = true,
		.has_inline_frames = true };
	assert_int_equal(profile_add_mapping(p, &m, &mapping), 0);
	m = (struct profile_mapping){ .start = UINT64_C(0xffffffff80000000),
		.limit = UINT64_MAX,
		.file = rich_string(p, "[kernel.kallsyms]"),
		.has_functions = true };
	assert_int_equal(profile_add_mapping(p, &m, &kernel), 0);

	inner = rich_function(p, "ns::inner(int)", "_ZN2ns5innerEi", "/src/a.cc", 10);
	outer = rich_function(p, "outer", "outer", "/src/b.c", -5);
	struct profile_line lines[] = {
		{ .function = inner, .line = 12, .column = 7 },
		{ .function = outer, .line = 34, .column = 0 },
	};
	assert_int_equal(
		profile_add_location(p, 0x401234, mapping, lines, 2, true, &locations[0]), 0);
	assert_int_equal(
		profile_add_location(p, 0x405678, mapping, &lines[1], 1, false, &locations[1]), 0);
	assert_int_equal(profile_add_location(p, UINT64_C(0xffffffff81000010), PROFILE_NONE, NULL,
				 0, false, &locations[2]),
		0);
	assert_int_equal(profile_add_stack(p, locations, 2, &stack), 0);
	assert_int_equal(
		profile_add_stack(
			p, (uint32_t[]){ locations[2], locations[1], locations[1] }, 3, &deep),
		0);

	struct profile_label set[] = {
		{ .key = rich_string(p, "thread"), .str = rich_string(p, "main") },
		{ .key = rich_string(p, "pid"), .num = 4711 },
		{ .key = rich_string(p, "slot_time"),
			.num = -1,
			.num_unit = rich_string(p, "nanoseconds") },
	};
	assert_int_equal(profile_add_label_set(p, set, 3, &labels), 0);
	assert_int_equal(profile_add_sample(p, stack, labels, (int64_t[]){ 1, 10101010 }, true), 0);
	assert_int_equal(profile_add_sample(p, deep, 0, (int64_t[]){ -3, INT64_MIN }, true), 0);
	assert_int_equal(profile_add_sample(p, 0, labels, (int64_t[]){ 0, INT64_MAX }, true), 0);
	return p;
}

static inline void assert_same_text(
	const struct profile *a, uint32_t x, const struct profile *b, uint32_t y)
{
	size_t n, m;
	const char *s = strings_get(&a->strings, x, &n), *t = strings_get(&b->strings, y, &m);

	assert_int_equal(n, m);
	assert_memory_equal(s, t, n);
}

static inline void assert_same_location(
	const struct profile *a, uint32_t x, const struct profile *b, uint32_t y)
{
	const struct profile_location *l = ARRAY_AT(&a->locations, struct profile_location, x);
	const struct profile_location *m = ARRAY_AT(&b->locations, struct profile_location, y);
	uint32_t n, k;
	const struct profile_line *lines = profile_lines(a, x, &n),
				  *others = profile_lines(b, y, &k);

	assert_true(l->address == m->address && l->mapping == m->mapping);
	assert_int_equal(l->is_folded, m->is_folded);
	assert_int_equal(n, k);
	for (uint32_t i = 0; i < n; i++) {
		const struct profile_function *f =
			ARRAY_AT(&a->functions, struct profile_function, lines[i].function);
		const struct profile_function *g =
			ARRAY_AT(&b->functions, struct profile_function, others[i].function);
		assert_true(lines[i].line == others[i].line && lines[i].column == others[i].column);
		assert_true(f->start_line == g->start_line);
		assert_same_text(a, f->name, b, g->name);
		assert_same_text(a, f->system_name, b, g->system_name);
		assert_same_text(a, f->file, b, g->file);
	}
}

static inline void assert_same_sample(const struct profile *a, const struct profile *b, size_t i)
{
	uint32_t n, m;
	const uint32_t *x = profile_stack(a, *ARRAY_AT(&a->sample_stacks, uint32_t, i), &n);
	const uint32_t *y = profile_stack(b, *ARRAY_AT(&b->sample_stacks, uint32_t, i), &m);
	const struct profile_label *l, *k;

	assert_int_equal(n, m);
	for (uint32_t j = 0; j < n; j++)
		assert_same_location(a, x[j], b, y[j]);
	l = profile_label_set(a, *ARRAY_AT(&a->sample_labels, uint32_t, i), &n);
	k = profile_label_set(b, *ARRAY_AT(&b->sample_labels, uint32_t, i), &m);
	assert_int_equal(n, m);
	for (uint32_t j = 0; j < n; j++) {
		assert_same_text(a, l[j].key, b, k[j].key);
		assert_same_text(a, l[j].str, b, k[j].str);
		assert_same_text(a, l[j].num_unit, b, k[j].num_unit);
		assert_true(l[j].num == k[j].num);
	}
	for (uint32_t j = 0; j < a->n_types; j++)
		assert_true(profile_values(a, i)[j] == profile_values(b, i)[j]);
}

/* Everything that the two say is the same, in the same order. */
static inline void assert_same_profile(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->n_types, b->n_types);
	for (uint32_t i = 0; i < a->n_types; i++) {
		assert_same_text(a, a->types[i].type, b, b->types[i].type);
		assert_same_text(a, a->types[i].unit, b, b->types[i].unit);
	}
	assert_same_text(a, a->period_type.type, b, b->period_type.type);
	assert_same_text(a, a->period_type.unit, b, b->period_type.unit);
	assert_true(a->period == b->period && a->time_nanos == b->time_nanos &&
		    a->duration_nanos == b->duration_nanos);
	assert_same_text(a, a->default_sample_type, b, b->default_sample_type);
	assert_same_text(a, a->drop_frames, b, b->drop_frames);
	assert_same_text(a, a->keep_frames, b, b->keep_frames);
	assert_same_text(a, a->doc_url, b, b->doc_url);
	assert_int_equal(a->comments.n, b->comments.n);
	for (size_t i = 0; i < a->comments.n; i++)
		assert_same_text(a, *ARRAY_AT(&a->comments, uint32_t, i), b,
			*ARRAY_AT(&b->comments, uint32_t, i));
	assert_int_equal(a->mappings.n, b->mappings.n);
	for (size_t i = 0; i < a->mappings.n; i++) {
		const struct profile_mapping *m = ARRAY_AT(&a->mappings, struct profile_mapping, i);
		const struct profile_mapping *n = ARRAY_AT(&b->mappings, struct profile_mapping, i);
		assert_true(m->start == n->start && m->limit == n->limit && m->offset == n->offset);
		assert_same_text(a, m->file, b, n->file);
		assert_same_text(a, m->build_id, b, n->build_id);
		assert_int_equal(m->has_functions, n->has_functions);
		assert_int_equal(m->has_filenames, n->has_filenames);
		assert_int_equal(m->has_line_numbers, n->has_line_numbers);
		assert_int_equal(m->has_inline_frames, n->has_inline_frames);
	}
	assert_int_equal(profile_n_samples(a), profile_n_samples(b));
	for (size_t i = 0; i < profile_n_samples(a); i++)
		assert_same_sample(a, b, i);
}

#endif
