/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles survive being written and read: our own with every field, and those that Go wrote. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "rich.h"
#include "base/io.h"
#include "profile/pprof.h"

/* Writes p and gives the bytes; *ret is the caller's to free. */
static size_t encode(const struct profile *p, int level, char **ret)
{
	_cleanup_close_ int fd = io_memfd("test");
	size_t n;

	assert_true(fd >= 0);
	assert_int_equal(pprof_write(p, fd, level), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(fd, 1 << 26, ret, &n), 0);
	return n;
}

static struct profile *decode(const void *data, size_t n)
{
	struct error e = ERROR_INIT;
	struct profile *p = NULL;

	if (pprof_decode(data, n, &p, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}

static void every_field_survives(void **state)
{
	struct profile *p = rich_profile();

	(void)state;
	for (int level = 0; level <= 9; level += 3) {
		_cleanup_free_ char *data = NULL;
		size_t n = encode(p, level, &data);
		struct profile *q = decode(data, n);
		assert_same_profile(p, q);
		profile_free(q);
	}
	profile_free(p);
}

static void profiles_written_by_go_survive(void **state)
{
	static const char *const names[] = { "cpu", "heap", "allocs", "block", "mutex", "goroutine",
		"threadcreate" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[512];
		struct error e = ERROR_INIT;
		struct profile *p = NULL;
		_cleanup_free_ char *data = NULL;
		snprintf(path, sizeof(path), "%s/go-%s.pb.gz", TEST_DATA, names[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		if (pprof_read(fd, &p, &e) < 0)
			fail_msg("%s: %s", names[i], e.text);
		assert_true(profile_n_samples(p) > 0);
		size_t n = encode(p, 1, &data);
		struct profile *q = decode(data, n);
		assert_same_profile(p, q);
		profile_free(q);
		profile_free(p);
	}
}

static void labels_that_go_wrote_are_there(void **state)
{
	_cleanup_close_ int fd = open(TEST_DATA "/go-cpu.pb.gz", O_RDONLY | O_CLOEXEC);
	struct profile *p = NULL;
	size_t labelled = 0;

	(void)state;
	assert_int_equal(pprof_read(fd, &p, NULL), 0);
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		uint32_t n;
		const struct profile_label *l =
			profile_label_set(p, *ARRAY_AT(&p->sample_labels, uint32_t, i), &n);
		for (uint32_t k = 0; k < n; k++)
			labelled += !strcmp(profile_text(p, l[k].key), "phase") &&
				    !strcmp(profile_text(p, l[k].str), "recurse");
	}
	assert_true(labelled > 0);
	profile_free(p);
}

static void an_empty_profile_survives(void **state)
{
	struct profile *p, *q;
	_cleanup_free_ char *data = NULL;

	(void)state;
	assert_int_equal(profile_new(&p), 0);
	size_t n = encode(p, 6, &data);
	q = decode(data, n);
	assert_int_equal(profile_n_samples(q), 0);
	assert_same_profile(p, q);
	profile_free(q);
	profile_free(p);
}

static void a_large_profile_survives(void **state)
{
	struct profile *p, *q;
	_cleanup_free_ char *data = NULL;
	uint32_t locations[40], stack;

	(void)state;
	assert_int_equal(profile_new(&p), 0);
	assert_int_equal(profile_add_type(p, "cpu", "nanoseconds"), 0);
	/* Messages of every size, over several of the codec's buffers. */
	for (uint32_t i = 0; i < 20000; i++) {
		char name[600];
		memset(name, 'a' + i % 26, sizeof(name));
		snprintf(name + i % 500, 32, "%u", i);
		struct profile_line line = { .function = rich_function(p, name, name, "f.c", i) };
		for (uint32_t k = 39; k > 0; k--)
			locations[k] = locations[k - 1];
		assert_int_equal(profile_add_location(p, (uint64_t)i << (i % 48), PROFILE_NONE,
					 &line, 1, false, &locations[0]),
			0);
		assert_int_equal(profile_add_stack(p, locations, MIN(i + 1, 40U), &stack), 0);
		assert_int_equal(profile_add_sample(p, stack, 0, (int64_t[]){ i }, false), 0);
	}
	size_t n = encode(p, 1, &data);
	q = decode(data, n);
	assert_same_profile(p, q);
	profile_free(q);
	profile_free(p);
}

static void writing_to_a_full_disk_says_so(void **state)
{
	_cleanup_close_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct profile *p = rich_profile();

	(void)state;
	assert_int_equal(pprof_write(p, fd, 6), -ENOSPC);
	assert_int_equal(pprof_write(p, fd, 0), -ENOSPC);
	assert_int_equal(pprof_write(p, fd, 10), -EINVAL);
	profile_free(p);
}

static void equal_things_are_interned_also_after_reading(void **state)
{
	struct profile *p = rich_profile(), *q;
	_cleanup_free_ char *data = NULL;
	uint32_t id, stack;

	(void)state;
	size_t n = encode(p, 6, &data);
	q = decode(data, n);
	for (size_t i = 0; i < q->functions.n; i++) {
		struct profile_function f = *ARRAY_AT(&q->functions, struct profile_function, i);
		assert_int_equal(profile_add_function(q, &f, &id), 0);
		assert_int_equal(id, i);
	}
	for (size_t i = 0; i < q->locations.n; i++) {
		struct profile_location l = *ARRAY_AT(&q->locations, struct profile_location, i);
		uint32_t n_lines;
		struct profile_line lines[8];
		const struct profile_line *from = profile_lines(q, (uint32_t)i, &n_lines);
		for (uint32_t k = 0; k < n_lines; k++)
			lines[k] = from[k];
		assert_int_equal(profile_add_location(
					 q, l.address, l.mapping, lines, n_lines, l.is_folded, &id),
			0);
		assert_int_equal(id, i);
	}
	stack = *ARRAY_AT(&q->sample_stacks, uint32_t, 1);
	assert_int_equal(profile_add_sample(q, stack, 0, (int64_t[]){ 5, -1 }, true), 0);
	assert_int_equal(profile_n_samples(q), profile_n_samples(p));
	assert_true(profile_values(q, 1)[0] == 2);
	/* A sum that does not fit stays at the end of the range. */
	assert_true(profile_values(q, 1)[1] == INT64_MIN);
	profile_free(q);
	profile_free(p);
}

static void indices_that_do_not_exist_are_refused(void **state)
{
	struct profile *p = rich_profile();
	struct profile_line line = { .function = 99 };
	struct profile_function f = { .name = 9999 };
	struct profile_label label = { .key = 9999 };
	struct profile_mapping m = { .file = 9999 };
	uint32_t id;

	(void)state;
	assert_int_equal(profile_add_function(p, &f, &id), -EINVAL);
	assert_int_equal(profile_add_mapping(p, &m, &id), -EINVAL);
	assert_int_equal(profile_add_label_set(p, &label, 1, &id), -EINVAL);
	assert_int_equal(profile_add_location(p, 0, 99, NULL, 0, false, &id), -EINVAL);
	assert_int_equal(profile_add_location(p, 0, 0, &line, 1, false, &id), -EINVAL);
	assert_int_equal(profile_add_stack(p, (uint32_t[]){ 99 }, 1, &id), -EINVAL);
	assert_int_equal(profile_add_sample(p, 99, 0, (int64_t[]){ 1, 1 }, true), -EINVAL);
	assert_int_equal(profile_add_sample(p, 0, 99, (int64_t[]){ 1, 1 }, true), -EINVAL);
	assert_int_equal(profile_add_type(p, "late", "count"), -EINVAL);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_survives),
		cmocka_unit_test(profiles_written_by_go_survive),
		cmocka_unit_test(labels_that_go_wrote_are_there),
		cmocka_unit_test(an_empty_profile_survives),
		cmocka_unit_test(a_large_profile_survives),
		cmocka_unit_test(writing_to_a_full_disk_says_so),
		cmocka_unit_test(equal_things_are_interned_also_after_reading),
		cmocka_unit_test(indices_that_do_not_exist_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
