/* SPDX-License-Identifier: Apache-2.0 */
/* Small profiles and rendering into memory, for the tests of the views. */
#ifndef PROFD_TESTS_VIEW_COMMON_H
#define PROFD_TESTS_VIEW_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "profile/profile.h"
#include "view/view.h"

typedef int (*view_fn)(const struct profile *, const struct view_options *, FILE *, struct error *);

static inline uint32_t string(struct profile *p, const char *text)
{
	uint32_t s;

	assert_int_equal(profile_add_string(p, text, &s), 0);
	return s;
}

/* One type or two: the first may be NULL. */
static inline struct profile *new_profile(
	const char *type, const char *unit, const char *type2, const char *unit2)
{
	struct profile *p;

	assert_int_equal(profile_new(&p), 0);
	if (type)
		assert_int_equal(profile_add_type(p, type, unit), 0);
	assert_int_equal(profile_add_type(p, type2, unit2), 0);
	return p;
}

static inline uint32_t mapping(struct profile *p, const char *file, const char *build_id)
{
	struct profile_mapping m = { .limit = 1 << 20,
		.file = string(p, file),
		.build_id = string(p, build_id),
		.has_functions = true };
	uint32_t id;

	m.start = (uint64_t)p->mappings.n << 20;
	m.limit = m.start + (1 << 20);
	assert_int_equal(profile_add_mapping(p, &m, &id), 0);
	return id;
}

static inline uint32_t function(struct profile *p, const char *name, const char *system)
{
	struct profile_function f = { .name = string(p, name), .system_name = string(p, system) };
	uint32_t id;

	assert_int_equal(profile_add_function(p, &f, &id), 0);
	return id;
}

/* NULL: without a line. */
static inline uint32_t location_in(
	struct profile *p, uint32_t m, const char *name, uint64_t address)
{
	struct profile_line line = { 0 };
	uint32_t id;

	if (name)
		line.function = function(p, name, name);
	assert_int_equal(profile_add_location(p, address, m, &line, name != NULL, false, &id), 0);
	return id;
}

static inline uint32_t location(struct profile *p, const char *name, uint64_t address)
{
	return location_in(p, PROFILE_NONE, name, address);
}

/* Leaf first. */
static inline void sample(
	struct profile *p, const uint32_t *locations, uint32_t n, int64_t value, int64_t value2)
{
	uint32_t stack;

	assert_int_equal(profile_add_stack(p, locations, n, &stack), 0);
	assert_int_equal(profile_add_sample(p, stack, 0, (int64_t[]){ value, value2 }, false), 0);
}

/* What a view writes; the caller's to free. */
static inline char *show(view_fn view, const struct profile *p, const struct view_options *o)
{
	struct view_options none = { 0 };
	struct error e = ERROR_INIT;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	if (view(p, o ? o : &none, out, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fclose(out), 0);
	return text;
}

#endif
