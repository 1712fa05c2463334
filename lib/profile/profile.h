/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile model: profile.proto (github.com/google/pprof/blob/main/proto/profile.proto) in
 * memory, column by column, made for ten million samples. Everything is referred to by index; index
 * 0 of strings is "". Locations, functions and mappings here are 0-based (ids in the file are index
 * + 1; PROFILE_NONE: none). Pure: no I/O.
 */
#ifndef PROFD_PROFILE_PROFILE_H
#define PROFD_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/table.h"

#define PROFILE_NONE	  UINT32_MAX
#define PROFILE_MAX_TYPES 16

struct profile_value_type {
	uint32_t type, unit; /* strings */
};

struct profile_mapping {
	uint64_t start, limit, offset;
	uint32_t file, build_id; /* strings */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct profile_function {
	uint32_t name, system_name, file; /* strings */
	int64_t start_line;
};

struct profile_line {
	uint32_t function; /* index */
	int64_t line;
	int64_t column;
};

struct profile_location {
	uint64_t address;
	uint32_t mapping;	      /* or PROFILE_NONE */
	uint32_t first_line, n_lines; /* innermost inlined callee first */
	bool is_folded;
};

struct profile_label {
	uint32_t key, str, num_unit; /* strings; str 0: numeric */
	int64_t num;
};

/* Samples are columns: of sample i, locations[stack_of[i]] is the leaf. Equal stacks and equal
 * label sets are stored once: a stack id names a span of `stack_locations`, a label-set id a span
 * of `labels`; stack 0 is empty, label set 0 is empty.
 *
 * The stacks of a large profile that was read stay packed: `stacks` has their number then, and
 * profile_stack() unpacks. Who changes `stacks` or `stack_locations` in place calls
 * profile_index_drop() (build.h) before, which lays them out; profile_add_* do by themselves. */
struct profile_span {
	uint64_t first;
	uint32_t n;
};

struct profile {
	struct strings strings;
	struct profile_value_type types[PROFILE_MAX_TYPES];
	uint32_t n_types;
	struct profile_value_type period_type;
	int64_t period, time_nanos, duration_nanos;
	uint32_t default_sample_type, drop_frames, keep_frames, doc_url; /* strings, 0: none */
	struct array comments;						 /* uint32_t string */
	struct array mappings;	      /* struct profile_mapping */
	struct array functions;	      /* struct profile_function */
	struct array lines;	      /* struct profile_line */
	struct array locations;	      /* struct profile_location */
	struct array stacks;	      /* struct profile_span into stack_locations */
	struct array stack_locations; /* uint32_t, leaf first */
	struct array label_sets;      /* struct profile_span into labels */
	struct array labels;	      /* struct profile_label */
	struct array sample_stacks;   /* uint32_t a sample */
	struct array sample_labels;   /* uint32_t a sample */
	struct array values;	      /* int64_t, n_types a sample */
	struct profile_index *index;  /* what is interned already; private to build.c */
	struct packed *packed; /* owned; where it is, stacks are here and not in the columns */
};

int profile_new(struct profile **ret);
struct profile *profile_free(struct profile *p);
static inline size_t profile_n_samples(const struct profile *p)
{
	return p->sample_stacks.n;
}
static inline const char *profile_text(const struct profile *p, uint32_t string)
{
	return strings_get(&p->strings, string, NULL);
}

/* Unpacks; of packed.h. */
const uint32_t *packed_stack(struct packed *k, uint32_t stack, uint32_t *ret_n);

/* Borrowed spans; NULL with *ret_n 0 for an empty one. The index must be in range. A stack is
 * borrowed until the next is asked for: packed ones share memory, so that a profile is one thread's
 * at a time; reader.h is for several. */
static inline const uint32_t *profile_stack(
	const struct profile *p, uint32_t stack, uint32_t *ret_n)
{
	if (p->packed)
		return packed_stack(p->packed, stack, ret_n);
	const struct profile_span *s = ARRAY_AT(&p->stacks, struct profile_span, stack);
	*ret_n = s->n;
	return s->n ? ARRAY_AT(&p->stack_locations, uint32_t, s->first) : NULL;
}
static inline const struct profile_label *profile_label_set(
	const struct profile *p, uint32_t set, uint32_t *ret_n)
{
	const struct profile_span *s = ARRAY_AT(&p->label_sets, struct profile_span, set);
	*ret_n = s->n;
	return s->n ? ARRAY_AT(&p->labels, struct profile_label, s->first) : NULL;
}
static inline const struct profile_line *profile_lines(
	const struct profile *p, uint32_t location, uint32_t *ret_n)
{
	const struct profile_location *l =
		ARRAY_AT(&p->locations, struct profile_location, location);
	*ret_n = l->n_lines;
	return l->n_lines ? ARRAY_AT(&p->lines, struct profile_line, l->first_line) : NULL;
}
/* The n_types values of a sample; NULL when there are no types. */
static inline const int64_t *profile_values(const struct profile *p, size_t sample)
{
	return p->n_types ? ARRAY_AT(&p->values, int64_t, sample * p->n_types) : NULL;
}

/* ---- building; all: 0, -ENOMEM, -E2BIG, -EINVAL for an index that does not exist ---- */

int profile_add_string(struct profile *p, const char *text, uint32_t *ret);
int profile_add_type(struct profile *p, const char *type, const char *unit);
int profile_set_period(struct profile *p, const char *type, const char *unit, int64_t period);
int profile_add_comment(struct profile *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Equal ones are not merged: a mapping is what the caller says it is. */
int profile_add_mapping(struct profile *p, const struct profile_mapping *m, uint32_t *ret);
/* Interned by content. */
int profile_add_function(struct profile *p, const struct profile_function *f, uint32_t *ret);
/* Interned by content (address, mapping and lines). */
int profile_add_location(struct profile *p, uint64_t address, uint32_t mapping,
	const struct profile_line *lines, uint32_t n_lines, bool is_folded, uint32_t *ret);
int profile_add_stack(struct profile *p, const uint32_t *locations, uint32_t n, uint32_t *ret);
int profile_add_label_set(
	struct profile *p, const struct profile_label *labels, uint32_t n, uint32_t *ret);
/* values: n_types of them. With `merge` an existing sample of the same stack and labels is added
 * to. */
int profile_add_sample(
	struct profile *p, uint32_t stack, uint32_t label_set, const int64_t *values, bool merge);

#endif
