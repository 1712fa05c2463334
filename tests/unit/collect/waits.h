/* SPDX-License-Identifier: Apache-2.0 */
/* Waits of one process, and what profiles say of them. */
#ifndef PROFD_TESTS_COLLECT_WAITS_H
#define PROFD_TESTS_COLLECT_WAITS_H

#include <asm/unistd.h>
#include "world.h"

#define PID    10U
#define SECOND NS_PER_SEC
#define MS     NS_PER_MS

static const uint64_t stack_a[] __attribute__((unused)) = { LIBRARY + 0x10, PROGRAM + 0x20 };
static const uint64_t stack_b[] __attribute__((unused)) = { LIBRARY + 0x10, PROGRAM + 0x30 };

/* A wait for a futex: blocked in (begin, woken], runnable to end. */
static inline struct sample_record futex(uint64_t begin, uint64_t woken, uint64_t end)
{
	return (struct sample_record){ .event_set = SET_WAITS,
		.time_ns = end,
		.tgid = PID,
		.tid = 11,
		.comm = "worker",
		.wait = { .begin_ns = begin,
			.woken_ns = woken,
			.whole_ns = end - begin,
			.lock = 0x7f0000001000,
			.owner = 13,
			.syscall = __NR_futex,
			.flags = WAIT_IS_BLOCKED,
			.waker = "other" } };
}

static inline void tell_a(struct world *w, const struct sample_record *record)
{
	tell(w, record, stack_a, 0, 2);
}

static inline const struct profile_label *label(
	const struct profile *p, size_t sample, const char *key)
{
	uint32_t n;
	const struct profile_label *l =
		profile_label_set(p, *ARRAY_AT(&p->sample_labels, uint32_t, sample), &n);

	for (uint32_t k = 0; k < n; k++)
		if (!strcmp(profile_text(p, l[k].key), key))
			return &l[k];
	return NULL;
}

static inline const char *text(const struct profile *p, size_t sample, const char *key)
{
	const struct profile_label *l = label(p, sample, key);

	return l ? profile_text(p, l->str) : "";
}

static inline const char *leaf(const struct profile *p, size_t sample)
{
	uint32_t n;
	const uint32_t *s = profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, sample), &n);
	const struct profile_line *line;

	assert_true(n > 0);
	line = profile_lines(p, s[0], &n);
	assert_int_equal(n, 1);
	return profile_text(
		p, ARRAY_AT(&p->functions, struct profile_function, line->function)->name);
}

/* The sample of a state, of which there is one. */
static inline size_t of_state(const struct profile *p, const char *state)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < profile_n_samples(p); i++) {
		if (strcmp(text(p, i, "state"), state) != 0)
			continue;
		assert_int_equal(found, SIZE_MAX);
		found = i;
	}
	assert_int_not_equal(found, SIZE_MAX);
	return found;
}

static inline void assert_values(
	const struct profile *p, size_t sample, int64_t first, int64_t second)
{
	assert_int_equal(p->n_types, 2);
	assert_int_equal(profile_values(p, sample)[0], first);
	assert_int_equal(profile_values(p, sample)[1], second);
}

static inline int64_t total(const struct profile *p, unsigned type)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile_n_samples(p); i++)
		sum += profile_values(p, i)[type];
	return sum;
}

static inline struct world *world_of(void **state)
{
	struct world *w = *state;

	start(w, PID, "/bin/app", 2);
	aggregate_split(w->rooms.aggregate, NOW_NS);
	return w;
}

#endif
