/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded readers and writers of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"

/* A copy of exactly n bytes on the heap, so that AddressSanitizer sees one byte too far. */
static struct reader exact_reader(const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	return (struct reader)READER_INIT(copy, n);
}

#define WITH_READER(r, ...)                                           \
	static const uint8_t r##_bytes[] = { __VA_ARGS__ };           \
	struct reader r = exact_reader(r##_bytes, sizeof(r##_bytes)); \
	CLEANUP(free_p) void *r##_owner = (void *)r.start;            \
	(void)r##_owner

static void integers_are_little_endian_at_any_alignment(void **state)
{
	(void)state;
	WITH_READER(r, 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0xff, 0, 0, 0, 0, 0, 0, 0x80);

	assert_int_equal(reader_u8(&r), 0x01);
	assert_int_equal(reader_u16(&r), 0x0203);
	assert_int_equal(reader_u32(&r), 0x04050607);
	assert_true(reader_u64(&r) == 0x80000000000000ffULL);
	assert_false(r.bad);
	assert_int_equal(reader_left(&r), 0);
}

static void a_read_past_the_end_gives_zero_and_stays_bad(void **state)
{
	(void)state;
	WITH_READER(r, 1, 2, 3);

	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_left(&r), 0);
	assert_null(reader_bytes(&r, 0));
	reader_seek(&r, 0);
	assert_true(r.bad);
	assert_int_equal(reader_u8(&r), 0);
}

static void a_length_near_the_address_space_does_not_wrap(void **state)
{
	(void)state;
	WITH_READER(r, 1, 2, 3);
	struct reader skipping = r, seeking = r;

	assert_null(reader_bytes(&r, SIZE_MAX));
	assert_true(r.bad);
	reader_skip(&skipping, SIZE_MAX - 1);
	assert_true(skipping.bad);
	reader_seek(&seeking, 3);
	assert_false(seeking.bad);
	assert_int_equal(reader_left(&seeking), 0);
	reader_seek(&seeking, 4);
	assert_true(seeking.bad);
}

static void leb128_of_64_bits_is_read(void **state)
{
	(void)state;
	WITH_READER(
		u, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xe5, 0x8e, 0x26);
	WITH_READER(s, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, 0x9b, 0xf1, 0x59,
		0x3f, 0x40);

	assert_true(reader_uleb(&u) == UINT64_MAX);
	assert_true(reader_uleb(&u) == 624485);
	assert_false(u.bad);
	assert_true(reader_sleb(&s) == INT64_MIN);
	assert_true(reader_sleb(&s) == -624485);
	assert_true(reader_sleb(&s) == 63);
	assert_true(reader_sleb(&s) == -64);
	assert_false(s.bad);
}

static void leb128_padded_within_ten_bytes_is_read(void **state)
{
	(void)state;
	WITH_READER(u, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
	WITH_READER(s, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);

	assert_true(reader_uleb(&u) == 1);
	assert_false(u.bad);
	assert_true(reader_sleb(&s) == -1);
	assert_false(s.bad);
}

static void leb128_of_more_than_64_bits_is_bad(void **state)
{
	(void)state;
	WITH_READER(wide, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03);
	WITH_READER(overlong, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
	WITH_READER(sign, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x3f);
	WITH_READER(long_sign, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);

	assert_true(reader_uleb(&wide) == 0 && wide.bad);
	assert_true(reader_uleb(&overlong) == 0 && overlong.bad);
	assert_true(reader_sleb(&sign) == 0 && sign.bad);
	assert_true(reader_sleb(&long_sign) == 0 && long_sign.bad);
}

static void an_unfinished_leb128_is_bad(void **state)
{
	(void)state;
	WITH_READER(u, 0x80, 0x80);
	WITH_READER(s, 0xff);

	assert_true(reader_uleb(&u) == 0 && u.bad);
	assert_true(reader_sleb(&s) == 0 && s.bad);
}

static void a_string_ends_inside_the_buffer_or_is_bad(void **state)
{
	(void)state;
	WITH_READER(r, 'a', 'b', 0, 0, 'c', 'd');

	assert_string_equal(reader_cstr(&r), "ab");
	assert_string_equal(reader_cstr(&r), "");
	assert_null(reader_cstr(&r));
	assert_true(r.bad);
}

static void a_string_longer_than_the_message_is_bad(void **state)
{
	(void)state;
	WITH_READER(r, 3, 0, 0, 0, 'a', 'b');
	WITH_READER(huge, 0xff, 0xff, 0xff, 0xff, 'a');
	size_t n = 77;

	assert_null(reader_str(&r, &n));
	assert_true(r.bad);
	assert_null(reader_str(&huge, &n));
	assert_true(huge.bad);
	assert_int_equal(n, 77);
}

static void what_is_written_is_read_back(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(4096);
	struct reader r;
	const char *s;
	size_t n;

	(void)state;
	writer_u8(&w, 0xab);
	writer_put(&w, "\xcd\xab", 2);
	writer_u32(&w, 0xdeadbeef);
	writer_u64(&w, 0x0123456789abcdefULL);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		writer_uleb(&w, values[i]);
	writer_str(&w, "with\0nul", 8);
	writer_str(&w, "", 0);
	assert_int_equal(w.bad, 0);

	r = (struct reader)READER_INIT(w.data, w.n);
	assert_int_equal(reader_u8(&r), 0xab);
	assert_int_equal(reader_u16(&r), 0xabcd);
	assert_int_equal(reader_u32(&r), 0xdeadbeef);
	assert_true(reader_u64(&r) == 0x0123456789abcdefULL);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_true(reader_uleb(&r) == values[i]);
	s = reader_str(&r, &n);
	assert_int_equal(n, 8);
	assert_memory_equal(s, "with\0nul", 8);
	assert_non_null(reader_str(&r, &n));
	assert_int_equal(n, 0);
	assert_int_equal(reader_left(&r), 0);
	assert_false(r.bad);
}

static void a_writer_holds_its_maximum_and_not_a_byte_more(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(100);
	static const uint8_t zeros[99];

	(void)state;
	writer_put(&w, zeros, sizeof(zeros));
	assert_int_equal(w.bad, 0);
	writer_u8(&w, 7);
	assert_int_equal(w.bad, 0);
	assert_int_equal(w.n, 100);
	writer_u8(&w, 8);
	assert_int_equal(w.bad, -E2BIG);
	assert_int_equal(w.n, 100);
	assert_int_equal(w.data[99], 7);
	assert_true(w.allocated <= 100);
}

static void a_failed_writer_takes_nothing_more(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(4);

	(void)state;
	writer_u64(&w, 1);
	assert_int_equal(w.bad, -E2BIG);
	writer_u8(&w, 1);
	assert_int_equal(w.bad, -E2BIG);
	assert_int_equal(w.n, 0);
	assert_null(writer_extend(&w, 0));
}

static void an_extension_near_the_address_space_does_not_wrap(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1000);

	(void)state;
	writer_u8(&w, 1);
	assert_null(writer_extend(&w, SIZE_MAX));
	assert_int_equal(w.bad, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian_at_any_alignment),
		cmocka_unit_test(a_read_past_the_end_gives_zero_and_stays_bad),
		cmocka_unit_test(a_length_near_the_address_space_does_not_wrap),
		cmocka_unit_test(leb128_of_64_bits_is_read),
		cmocka_unit_test(leb128_padded_within_ten_bytes_is_read),
		cmocka_unit_test(leb128_of_more_than_64_bits_is_bad),
		cmocka_unit_test(an_unfinished_leb128_is_bad),
		cmocka_unit_test(a_string_ends_inside_the_buffer_or_is_bad),
		cmocka_unit_test(a_string_longer_than_the_message_is_bad),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_writer_holds_its_maximum_and_not_a_byte_more),
		cmocka_unit_test(a_failed_writer_takes_nothing_more),
		cmocka_unit_test(an_extension_near_the_address_space_does_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
