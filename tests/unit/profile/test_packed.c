/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks that stay packed are those that were written, in whatever order they are asked for. */
#include "protobuf_writer.h"

#include <stdlib.h>
#include <unistd.h>
#include "base/io.h"
#include "profile/build.h"
#include "profile/decode.h"
#include "profile/merge.h"
#include "profile/packed.h"
#include "profile/reader.h"

#define LOCATIONS 70000U /* more than numbers of 16 bits name */
#define SAMPLES	  3000U

static uint64_t random_state = 1;

static uint32_t any(uint32_t n)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(random_state >> 33) % n;
}

/* Samples that mostly begin as the one before, some of them equal; the truth goes to stacks. */
static void put_stacks(struct writer *w, uint32_t (*stacks)[40], uint32_t *sizes)
{
	CLEANUP(writer_deinit) struct writer m = WRITER_INIT(1 << 20), ids = WRITER_INIT(1 << 20);

	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint32_t n = i % 50 == 7 ? 0 : 1 + any(40), kept = i ? any(sizes[i - 1] + 1) : 0;
		uint32_t again = i % 9 == 8 ? any(i) : i;
		if (again < i) {
			memcpy(stacks[i], stacks[again], sizeof(stacks[i]));
			n = sizes[again];
		}
		/* Root first. */
		for (uint32_t f = 0; f < n && again == i; f++)
			stacks[i][f] = f < kept ? stacks[i - 1][f] : any(any(3) ? 100 : LOCATIONS);
		sizes[i] = n;
		for (uint32_t f = n; f-- > 0;)
			writer_uleb(&ids, stacks[i][f] + 1ULL);
		/* In one run, in two, or one by one. */
		if (i % 5 == 1) {
			for (uint32_t f = n; f-- > 0;)
				put_int(&m, 1, stacks[i][f] + 1ULL);
		} else if (n) {
			put_bytes(&m, 1, ids.data, ids.n);
		}
		ids.n = 0;
		put_int(&m, 2, 1);
		put_message(w, 2, &m);
	}
}

static struct profile *read_packed(uint32_t (*stacks)[40], uint32_t *sizes)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 25);
	struct profile *p = NULL;
	struct error e = ERROR_INIT;

	put_base(&w);
	put_stacks(&w, stacks, sizes);
	/* Defined backwards, so that no number is what it was. */
	for (uint32_t i = LOCATIONS; i-- > 0;) {
		CLEANUP(writer_deinit) struct writer m = WRITER_INIT(100);
		put_int(&m, 1, i + 1ULL);
		put_int(&m, 3, i);
		put_message(&w, 4, &m);
	}
	if (pprof_decode_packed(w.data, w.n, &p, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(profile_n_samples(p), SAMPLES);
	return p;
}

static void assert_stack(
	const struct profile *p, uint32_t sample, const uint32_t *frames, uint32_t size)
{
	uint32_t n;
	const uint32_t *stack =
		profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, sample), &n);

	assert_int_equal(n, size);
	for (uint32_t f = 0; f < n; f++)
		assert_int_equal(
			ARRAY_AT(&p->locations, struct profile_location, stack[n - 1 - f])->address,
			frames[f]);
}

static uint32_t stacks[SAMPLES][40], sizes[SAMPLES];

static void packed_stacks_are_found_in_any_order(void **state)
{
	struct profile *p = read_packed(stacks, sizes);

	(void)state;
	assert_non_null(p->packed);
	for (uint32_t i = 0; i < SAMPLES; i++)
		assert_stack(p, i, stacks[i], sizes[i]);
	for (uint32_t i = SAMPLES; i-- > 0;)
		assert_stack(p, i, stacks[i], sizes[i]);
	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint32_t k = any(SAMPLES);
		assert_stack(p, k, stacks[k], sizes[k]);
	}
	profile_free(p);
}

static void equal_stacks_are_kept_once(void **state)
{
	struct profile *p = read_packed(stacks, sizes);
	const uint32_t *ids = p->sample_stacks.data;

	(void)state;
	for (uint32_t i = 0; i < SAMPLES; i++)
		for (uint32_t k = 0; k < i; k++) {
			bool same = sizes[i] == sizes[k] &&
				    !memcmp(stacks[i], stacks[k], sizes[i] * sizeof(uint32_t));
			assert_int_equal(same, ids[i] == ids[k]);
			assert_true(ids[i] < p->stacks.n);
		}
	profile_free(p);
}

static void laying_out_changes_nothing(void **state)
{
	struct profile *p = read_packed(stacks, sizes);
	uint32_t id, one = 5;

	(void)state;
	profile_index_drop(p);
	assert_null(p->packed);
	for (uint32_t i = 0; i < SAMPLES; i++)
		assert_stack(p, i, stacks[i], sizes[i]);
	profile_free(p);

	/* Adding does so by itself, and knows what is there. */
	p = read_packed(stacks, sizes);
	uint32_t n, known = *ARRAY_AT(&p->sample_stacks, uint32_t, 10);
	const uint32_t *stack = profile_stack(p, known, &n);
	_cleanup_free_ uint32_t *copy = malloc((n + 1) * sizeof(*copy));
	memcpy(copy, stack, n * sizeof(*copy));
	assert_int_equal(profile_add_stack(p, copy, n, &id), 0);
	assert_int_equal(id, known);
	assert_null(p->packed);
	assert_int_equal(profile_add_stack(p, &one, 1, &id), 0);
	for (uint32_t i = 0; i < SAMPLES; i++)
		assert_stack(p, i, stacks[i], sizes[i]);
	profile_free(p);
}

static void packed_profiles_are_merged_and_written(void **state)
{
	struct profile *p = read_packed(stacks, sizes), *sum = NULL, *q = NULL;
	_cleanup_close_ int fd = io_memfd("test");
	uint64_t frames = 0, merged = 0;

	(void)state;
	assert_int_equal(pprof_write(p, fd, 1), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(pprof_read(fd, &q, NULL), 0);
	for (uint32_t i = 0; i < SAMPLES; i++)
		assert_stack(q, i, stacks[i], sizes[i]);
	assert_int_equal(profile_new(&sum), 0);
	assert_int_equal(profile_merge(sum, p, NULL), 0);
	assert_int_equal(profile_merge(sum, q, NULL), 0);
	for (size_t i = 0; i < profile_n_samples(sum); i++) {
		uint32_t n;
		(void)profile_stack(sum, *ARRAY_AT(&sum->sample_stacks, uint32_t, i), &n);
		merged += n * (uint64_t)*profile_values(sum, i);
	}
	for (uint32_t i = 0; i < SAMPLES; i++)
		frames += sizes[i];
	assert_int_equal(merged, 2 * frames);
	profile_free(sum);
	profile_free(q);
	profile_free(p);
}

/* Truth, frame by frame. */
static uint32_t shared_of(uint32_t a, uint32_t b)
{
	uint32_t n = 0;

	while (n < MIN(sizes[a], sizes[b]) && stacks[a][n] == stacks[b][n])
		n++;
	return n;
}

/* Forwards, with gaps, the same again, anywhere; the other reader is somewhere else. */
static void read_about(const struct profile *p)
{
	struct profile_reader r, other;
	uint32_t before = 0, n_before = 0;

	assert_int_equal(profile_reader_init(&r, p), 0);
	assert_int_equal(profile_reader_init(&other, p), 0);
	for (uint32_t i = 0; i < 3 * SAMPLES; i++) {
		uint32_t at = i < SAMPLES	? i
			      : i < 2 * SAMPLES ? (i - SAMPLES) / 2 * 3 % SAMPLES
						: any(SAMPLES);
		uint32_t id = *ARRAY_AT(&p->sample_stacks, uint32_t, at), n, n_true, shared,
			 ignored;
		const uint32_t *frames = profile_reader_stack(&r, id, &n, &shared);
		const uint32_t *expected = profile_stack(p, id, &n_true);

		assert_int_equal(n, n_true);
		if (n)
			assert_memory_equal(frames, expected, n * sizeof(*frames));
		/* A jump may forget what is shared, the next one never does. */
		uint32_t most = n_before ? shared_of(before, at) : 0;
		assert_true(shared <= most);
		if (i < SAMPLES && i && id <= *ARRAY_AT(&p->sample_stacks, uint32_t, at - 1) + 1 &&
			id >= *ARRAY_AT(&p->sample_stacks, uint32_t, at - 1))
			assert_int_equal(shared, most);
		before = at;
		n_before = n;
		(void)profile_reader_stack(
			&other, *ARRAY_AT(&p->sample_stacks, uint32_t, any(SAMPLES)), &n, &ignored);
	}
	profile_reader_deinit(&other);
	profile_reader_deinit(&r);
}

static void readers_know_what_they_have_seen(void **state)
{
	struct profile *p = read_packed(stacks, sizes);

	(void)state;
	read_about(p);
	profile_index_drop(p);
	assert_null(p->packed);
	read_about(p);
	profile_free(p);
}

/* More frames, shared and new, than a byte counts, and slots of one byte to four. */
static void deep_stacks_and_large_slots_are_kept(void **state)
{
	static const uint32_t around[] = { 0, 0xff, 0x100, 0xffff, 0x10000, 0xffffff, 0x1000000 };
	static uint32_t kept[100][1000], root_first[1000];
	uint32_t deep[100];
	CLEANUP(array_deinit) struct array ids = ARRAY_INIT(uint32_t, 1000);
	CLEANUP(array_deinit) struct array map = ARRAY_INIT(uint32_t, UINT32_MAX);
	struct packed *k;

	(void)state;
	assert_int_equal(packed_new(&k), 0);
	for (uint32_t i = 0; i < 100; i++) {
		deep[i] = 1000 - i % 7 * 150;
		for (uint32_t f = i ? deep[i] - (i % 2 ? 253 + i % 6 : 3) : 0; f < 1000; f++)
			root_first[f] = around[any(ARRAY_SIZE(around))];
		for (uint32_t f = 0; f < deep[i]; f++)
			kept[i][deep[i] - 1 - f] = root_first[f];
		assert_int_equal(packed_add(k, kept[i], deep[i], &ids), 0);
	}
	assert_int_equal(packed_flush(k, &ids), 0);
	assert_int_equal(ids.n, 100);
	assert_int_equal(array_resize(&map, 0x1000001), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(around); i++)
		*ARRAY_AT(&map, uint32_t, around[i]) = around[i] + 7;
	assert_int_equal(packed_finish(k, &map), 0);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t n, which = i * 37 % 100;
		const uint32_t *stack = packed_stack(k, *ARRAY_AT(&ids, uint32_t, which), &n);
		assert_int_equal(n, deep[which]);
		for (uint32_t f = 0; f < n; f++)
			assert_int_equal(stack[f], kept[which][f] + 7);
	}
	packed_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_stacks_are_found_in_any_order),
		cmocka_unit_test(equal_stacks_are_kept_once),
		cmocka_unit_test(laying_out_changes_nothing),
		cmocka_unit_test(packed_profiles_are_merged_and_written),
		cmocka_unit_test(readers_know_what_they_have_seen),
		cmocka_unit_test(deep_stacks_and_large_slots_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
