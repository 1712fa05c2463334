/* SPDX-License-Identifier: Apache-2.0 */
/* The lies of foreign files are one clear line each. */
#include "protobuf_writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/io.h"
#include "profile/decode.h"

static int decode_within(
	const struct writer *w, uint64_t max, struct profile **ret, struct error *e)
{
	return pprof_decode_within(-1, w->data, w->n, max, ret, e);
}

static void a_profile_cut_anywhere_is_an_error_or_its_own_prefix(void **state)
{
	struct profile *p = rich_profile();

	(void)state;
	for (int level = 0; level <= 6; level += 6) {
		_cleanup_close_ int fd = io_memfd("test");
		_cleanup_free_ char *data = NULL;
		size_t n;
		assert_int_equal(pprof_write(p, fd, level), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(io_read_fd(fd, 1 << 20, &data, &n), 0);
		for (size_t cut = 0; cut < n; cut++) {
			/* A copy, so that reading behind the end is seen. */
			_cleanup_free_ char *part = malloc(cut + 1);
			struct profile *q = NULL;
			struct error e = ERROR_INIT;
			memcpy(part, data, cut);
			part = realloc(part, cut ?: 1);
			int r = pprof_decode(part, cut, &q, &e);
			assert_true(r == 0 || r == -EBADMSG);
			assert_int_equal(r == 0, q != NULL);
			assert_int_equal(r == 0, e.text[0] == '\0');
			/* A gzip member says where it ends. */
			if (level)
				assert_int_equal(r, -EBADMSG);
			if (r == 0)
				assert_int_equal(profile_n_samples(q), profile_n_samples(p));
			profile_free(q);
		}
	}
	profile_free(p);
}

static void ids_that_do_not_work_are_named(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), m = WRITER_INIT(1 << 20);

	(void)state;
	put_base(&w);
	size_t base = w.n;
	put_sample(&w, 77, 1);
	assert_bad(&w, "location 77 is used but not defined");
	w.n = base;
	put_sample(&w, 0, 1);
	assert_bad(&w, "location 0");
	w.n = base;
	put_location(&w, 5);
	put_location(&w, 5);
	assert_bad(&w, "location 5 is defined twice");
	w.n = base;
	put_location(&w, 0);
	assert_bad(&w, "location 0");
	for (unsigned field = 3; field <= 5; field += 2) {
		w.n = base;
		put_int(&m, 1, UINT64_MAX);
		put_message(&w, field, &m);
		put_int(&m, 1, UINT64_MAX);
		put_message(&w, field, &m);
		assert_bad(&w, "18446744073709551615 is defined twice");
	}
	w.n = base;
	put_int(&m, 1, 1);
	put_int(&m, 2, 9);
	put_message(&w, 4, &m);
	assert_bad(&w, "mapping 9 is used but not defined");
	w.n = base;
	put_int(&m, 1, 1);
	put_bytes(&m, 4, "\x08\x09", 2);
	put_message(&w, 4, &m);
	assert_bad(&w, "function 9 is used but not defined");
	w.n = base;
	put_int(&m, 1, 1);
	put_bytes(&m, 4, "\x10\x09", 2);
	put_message(&w, 4, &m);
	assert_bad(&w, "function 0");
}

static void string_numbers_are_checked_everywhere(void **state)
{
	/* The fields of each message that are strings. */
	static const struct {
		unsigned message, field;
	} fields[] = { { 1, 1 }, { 1, 2 }, { 3, 5 }, { 3, 6 }, { 5, 2 }, { 5, 3 }, { 5, 4 },
		{ 11, 1 }, { 11, 2 }, { 0, 7 }, { 0, 8 }, { 0, 13 }, { 0, 14 }, { 0, 15 } };
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), m = WRITER_INIT(1 << 20);

	(void)state;
	put_base(&w);
	size_t base = w.n;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		static const uint64_t numbers[] = { 2, UINT32_MAX, UINT64_MAX };
		for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
			w.n = base;
			if (fields[i].message) {
				put_int(&m, 1, 1);
				put_int(&m, fields[i].field, numbers[k]);
				put_message(&w, fields[i].message, &m);
			} else {
				put_int(&w, fields[i].field, numbers[k]);
			}
			assert_bad(&w, k ? "" : "uses string 2 of 2");
		}
	}
	for (unsigned field = 1; field <= 4; field += field == 2 ? 2 : 1) {
		CLEANUP(writer_deinit) struct writer label = WRITER_INIT(100);
		w.n = base;
		put_int(&m, 2, 1);
		put_int(&label, field, 2);
		put_message(&m, 3, &label);
		put_message(&w, 2, &m);
		assert_bad(&w, "a label uses string 2 of 2");
	}
}

static void a_string_table_is_needed_and_begins_with_nothing(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20);

	(void)state;
	put_int(&w, 9, 5);
	assert_bad(&w, "no string table");
	w.n = 0;
	put_text(&w, "cpu");
	assert_bad(&w, "does not begin with an empty string");
	w.n = 0;
	assert_bad(&w, "empty");
}

static void samples_have_as_many_values_as_there_are_types(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), m = WRITER_INIT(1 << 20);

	(void)state;
	put_base(&w);
	size_t base = w.n;
	put_bytes(&m, 2, "\x01\x02", 2);
	put_message(&w, 2, &m);
	assert_bad(&w, "2 values");
	w.n = base;
	put_message(&w, 2, &m);
	assert_bad(&w, "0 values");
	w.n = base;
	put_bytes(&m, 2, "\x01", 1);
	put_message(&w, 2, &m);
	put_bytes(&m, 2, "\x01\x02", 2);
	put_message(&w, 2, &m);
	assert_bad(&w, "sample 2 has 2 values");
	w.n = base;
	put_bytes(&m, 2, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17);
	put_message(&w, 2, &m);
	assert_bad(&w, "too many values");
	w.n = base;
	for (int i = 0; i < 16; i++)
		put_bytes(&w, 1, NULL, 0);
	assert_bad(&w, "sample types");
}

static void two_profiles_in_one_file_are_refused(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20);

	(void)state;
	for (int i = 0; i < 2; i++) {
		put_base(&w);
		put_int(&w, 9, 1700000000);
	}
	assert_bad(&w, "two profiles");
}

static void damaged_fields_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "\x00\x00", 2 },	   /* field 0 */
		{ "\x13", 1 },		   /* a group */
		{ "\x12\x05\x08", 3 },	   /* longer than the file */
		{ "\x12\x02\x0a\x05", 4 }, /* longer than its message */
		{ "\x10\x01", 2 },	   /* a sample that is a number */
		{ "\x4a\x01\x00", 3 },	   /* a time that is bytes */
		{ "\x12\x02\x0a\x80", 4 }, /* a varint without its end */
		{ "\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 }, /* 77 bits */
		{ "\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11 },	    /* 65 bits */
		{ "\x12\x0c\x0a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 14 },
		{ "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, /* a huge message */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20);
		put_base(&w);
		writer_put(&w, bad[i].bytes, bad[i].n);
		assert_bad(&w, "");
	}
}

static void a_gzip_bomb_ends_at_the_limit(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 25), gz = WRITER_INIT(1 << 25);
	struct profile *p = NULL;
	struct error e = ERROR_INIT;

	(void)state;
	put_base(&w);
	writer_uleb(&w, 100 << 3 | 2);
	writer_uleb(&w, 16 << 20);
	memset(writer_extend(&w, 16 << 20), 0, 16 << 20);
	put_gzip(&gz, w.data, w.n);
	gz.allocated = gz.n; /* what it really takes */
	assert_true(gz.n < 100000);
	assert_int_equal(decode_within(&gz, 1 << 20, &p, &e), -EFBIG);
	assert_non_null(strstr(e.text, "larger than 1048576 bytes"));
	assert_null(p);
	assert_int_equal(decode_within(&gz, 32 << 20, &p, NULL), 0);
	profile_free(p);
}

static void small_samples_that_need_much_memory_end_at_the_limit(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 22);
	struct profile *p = NULL;
	struct error e = ERROR_INIT;

	(void)state;
	put_base(&w);
	for (int i = 0; i < 200000; i++)
		writer_put(&w, "\x12\x02\x10\x01", 4);
	assert_int_equal(decode_within(&w, 1 << 20, &p, &e), -EFBIG);
	assert_non_null(strstr(e.text, "needs more than 1048576 bytes"));
	assert_int_equal(decode_within(&w, 1 << 26, &p, NULL), 0);
	assert_int_equal(profile_n_samples(p), 200000);
	profile_free(p);
}

static void a_folder_is_not_a_profile(void **state)
{
	_cleanup_close_ int fd = open("/", O_RDONLY | O_CLOEXEC);
	struct profile *p = NULL;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(pprof_read(fd, &p, &e), -EISDIR);
	assert_non_null(strstr(e.text, "cannot read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_cut_anywhere_is_an_error_or_its_own_prefix),
		cmocka_unit_test(ids_that_do_not_work_are_named),
		cmocka_unit_test(string_numbers_are_checked_everywhere),
		cmocka_unit_test(a_string_table_is_needed_and_begins_with_nothing),
		cmocka_unit_test(samples_have_as_many_values_as_there_are_types),
		cmocka_unit_test(two_profiles_in_one_file_are_refused),
		cmocka_unit_test(damaged_fields_are_refused),
		cmocka_unit_test(a_gzip_bomb_ends_at_the_limit),
		cmocka_unit_test(small_samples_that_need_much_memory_end_at_the_limit),
		cmocka_unit_test(a_folder_is_not_a_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
