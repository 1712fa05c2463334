/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the life of a profile and what is not interned in it: header, types, comments, mappings.
 * Interned things are build.c's. Callers are trusted to pass the profile's own strings.
 *
 * Invariants: stack 0 and label set 0 exist and are empty; string 0 is "".
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "profile/index.h"
#include "profile/packed.h"
#include "profile/profile.h"

/* Indices are 32-bit and UINT32_MAX means none. */
#define MAX_INDEX  (UINT32_MAX - 1)
#define MAX_SPREAD (LIMIT_PROFILE_BYTES / 4)

DEFINE_CLEANUP(struct profile *, profile_free)

int profile_new(struct profile **ret)
{
	CLEANUP(profile_freep) struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->comments = (struct array)ARRAY_INIT(uint32_t, MAX_INDEX);
	p->mappings = (struct array)ARRAY_INIT(struct profile_mapping, MAX_INDEX);
	p->functions = (struct array)ARRAY_INIT(struct profile_function, MAX_INDEX);
	p->lines = (struct array)ARRAY_INIT(struct profile_line, MAX_INDEX);
	p->locations = (struct array)ARRAY_INIT(struct profile_location, MAX_INDEX);
	p->stacks = (struct array)ARRAY_INIT(struct profile_span, MAX_INDEX);
	p->stack_locations = (struct array)ARRAY_INIT(uint32_t, MAX_SPREAD);
	p->label_sets = (struct array)ARRAY_INIT(struct profile_span, MAX_INDEX);
	p->labels = (struct array)ARRAY_INIT(struct profile_label, MAX_INDEX);
	p->sample_stacks = (struct array)ARRAY_INIT(uint32_t, MAX_INDEX);
	p->sample_labels = (struct array)ARRAY_INIT(uint32_t, MAX_INDEX);
	p->values = (struct array)ARRAY_INIT(int64_t, MAX_SPREAD);
	int r = strings_init(&p->strings, LIMIT_PROFILE_STRINGS, LIMIT_PROFILE_BYTES);
	if (r < 0) {
		free(TAKE_PTR(p));
		return r;
	}
	if (!array_push(&p->stacks) || !array_push(&p->label_sets))
		return -ENOMEM;
	*ret = TAKE_PTR(p);
	return 0;
}

struct profile *profile_free(struct profile *p)
{
	if (!p)
		return NULL;
	index_drop(p);
	p->packed = packed_free(p->packed);
	array_deinit(&p->values);
	array_deinit(&p->sample_labels);
	array_deinit(&p->sample_stacks);
	array_deinit(&p->labels);
	array_deinit(&p->label_sets);
	array_deinit(&p->stack_locations);
	array_deinit(&p->stacks);
	array_deinit(&p->locations);
	array_deinit(&p->lines);
	array_deinit(&p->functions);
	array_deinit(&p->mappings);
	array_deinit(&p->comments);
	strings_deinit(&p->strings);
	free(p);
	return NULL;
}

int profile_add_string(struct profile *p, const char *text, uint32_t *ret)
{
	return strings_intern(&p->strings, text ?: "", text ? strlen(text) : 0, ret);
}

static int value_type(
	struct profile *p, const char *type, const char *unit, struct profile_value_type *ret)
{
	struct profile_value_type v;
	int r = profile_add_string(p, type, &v.type);

	if (r < 0)
		return r;
	r = profile_add_string(p, unit, &v.unit);
	if (r < 0)
		return r;
	*ret = v;
	return 0;
}

int profile_add_type(struct profile *p, const char *type, const char *unit)
{
	/* The stride of `values` cannot change any more. */
	if (p->sample_stacks.n)
		return -EINVAL;
	if (p->n_types == PROFILE_MAX_TYPES)
		return -E2BIG;
	int r = value_type(p, type, unit, &p->types[p->n_types]);
	if (r < 0)
		return r;
	p->n_types++;
	return 0;
}

int profile_set_period(struct profile *p, const char *type, const char *unit, int64_t period)
{
	int r = value_type(p, type, unit, &p->period_type);

	if (r < 0)
		return r;
	p->period = period;
	return 0;
}

int profile_add_comment(struct profile *p, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	uint32_t string;
	va_list args;

	va_start(args, format);
	int r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = profile_add_string(p, text, &string);
	if (r < 0)
		return r;
	uint32_t *c = array_push(&p->comments);
	if (!c)
		return -ENOMEM;
	*c = string;
	return 0;
}

int profile_add_mapping(struct profile *p, const struct profile_mapping *m, uint32_t *ret)
{
	if (m->file >= p->strings.spans.n || m->build_id >= p->strings.spans.n)
		return -EINVAL;
	if (p->mappings.n >= p->mappings.max)
		return -E2BIG;
	struct profile_mapping *new = array_push(&p->mappings);
	if (!new)
		return -ENOMEM;
	*new = *m;
	*ret = (uint32_t)(p->mappings.n - 1);
	return 0;
}
