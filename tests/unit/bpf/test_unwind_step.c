/* SPDX-License-Identifier: Apache-2.0 */
/* The unwind step over made-up stacks: what goes up, what ends, what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/unwind_step.h"

#define STACK_AT 0x7ffc00001000ULL

struct memory {
	uint64_t words[64];
	unsigned reads;
};

static int read_words(void *memory, uint64_t address, uint64_t *low, uint64_t *high)
{
	struct memory *m = memory;
	uint64_t offset = address - STACK_AT;

	m->reads++;
	if (offset > sizeof(m->words) - 16)
		return -1;
	__builtin_memcpy(low, (uint8_t *)m->words + offset, 8);
	__builtin_memcpy(high, (uint8_t *)m->words + offset + 8, 8);
	return 0;
}

static int step(struct unwind_regs *r, struct memory *m)
{
	struct unwind_leaf leaf = { 0 };

	return unwind_step(ARCH_RULE_POINTER(UNWIND_POINTER_PLAIN), r, 0, &leaf, read_words, m);
}

/* A frame record at word i: the caller's rbp, and the return address. */
static void frame(struct memory *m, unsigned i, uint64_t bp, uint64_t ip)
{
	m->words[i] = bp;
	m->words[i + 1] = ip;
}

static uint64_t at(unsigned i)
{
	return STACK_AT + i * 8;
}

static void a_chain_goes_up_to_the_frame_with_rbp_0(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs r = { 0x401000, at(0), at(2) };

	(void)state;
	frame(&m, 2, at(10), 0x401111);
	frame(&m, 10, 0, 0x402222);
	assert_int_equal(step(&r, &m), UNWIND_MORE);
	assert_int_equal(r.ip, 0x401111);
	assert_int_equal(r.sp, at(4));
	assert_int_equal(r.bp, at(10));
	assert_int_equal(step(&r, &m), UNWIND_MORE);
	assert_int_equal(r.ip, 0x402222);
	assert_int_equal(step(&r, &m), TRUNCATE_NONE);
	assert_int_equal(m.reads, 2);
}

static void a_return_address_of_0_is_the_first_frame(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs r = { 0x401000, at(0), at(2) };

	(void)state;
	frame(&m, 2, at(10), 0);
	assert_int_equal(step(&r, &m), TRUNCATE_NONE);
	assert_int_equal(r.ip, 0x401000);
}

static void a_small_number_in_rbp_ends_the_chain_outside_of_the_first_frame(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs r = { 0x401000, at(0), 1 };

	(void)state;
	assert_int_equal(step(&r, &m), TRUNCATE_FP_END);
	assert_int_equal(m.reads, 0);
}

static void a_return_address_that_is_no_user_address_ends_the_chain(void **state)
{
	static const uint64_t wrong[] = { 1, 4095, 1ULL << 56, 0xffffffff81000000ULL };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct memory m = { 0 };
		struct unwind_regs r = { 0x401000, at(0), at(2) };

		frame(&m, 2, at(10), wrong[i]);
		assert_int_equal(step(&r, &m), TRUNCATE_FP_END);
		assert_int_equal(r.ip, 0x401000);
		assert_int_equal(r.bp, at(2));
	}
}

static void a_frame_must_lie_above_the_one_below_it(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs same = { 0x401000, at(4), at(2) };
	struct unwind_regs above = { 0x401000, at(4), at(3) };

	(void)state;
	frame(&m, 3, at(10), 0x401111);
	/* cfa == sp: the frame would be empty, and a loop could hold the walk. */
	assert_int_equal(step(&same, &m), TRUNCATE_BAD_FRAME);
	assert_int_equal(m.reads, 0);
	assert_int_equal(step(&above, &m), UNWIND_MORE);
}

static void a_chain_that_loops_ends(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs r = { 0x401000, at(0), at(2) };

	(void)state;
	frame(&m, 2, at(2), 0x401111);
	assert_int_equal(step(&r, &m), UNWIND_MORE);
	assert_int_equal(step(&r, &m), TRUNCATE_BAD_FRAME);
}

static void a_frame_of_8_mib_is_believed_and_a_larger_one_is_not(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs largest = { 0x401000, at(4) - UNWIND_MAX_FRAME_BYTES, at(2) };
	struct unwind_regs larger = { 0x401000, at(4) - UNWIND_MAX_FRAME_BYTES - 1, at(2) };

	(void)state;
	frame(&m, 2, 0, 0x401111);
	assert_int_equal(step(&larger, &m), TRUNCATE_BAD_FRAME);
	assert_int_equal(step(&largest, &m), UNWIND_MORE);
}

static void extreme_registers_do_not_wrap_into_a_frame(void **state)
{
	static const uint64_t values[] = { 4096, 1ULL << 47, (1ULL << 56) - 1, 1ULL << 56,
		1ULL << 63, UINT64_MAX - 16, UINT64_MAX - 15, UINT64_MAX - 7, UINT64_MAX };

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		for (unsigned j = 0; j < 9; j++) {
			struct memory m = { 0 };
			struct unwind_regs r = { 0x401000, values[i], values[j] };
			int reason = step(&r, &m);

			assert_true(reason == TRUNCATE_BAD_FRAME || reason == TRUNCATE_READ_FAULT);
			if (values[j] >= 1ULL << 56)
				assert_int_equal(m.reads, 0);
		}
}

static void memory_that_cannot_be_read_is_told_from_a_bad_frame(void **state)
{
	struct memory m = { 0 };
	struct unwind_regs r = { 0x401000, at(60), at(63) };

	(void)state;
	assert_int_equal(step(&r, &m), TRUNCATE_READ_FAULT);
	assert_int_equal(m.reads, 1);
}

static void the_hash_tells_order_length_and_process_apart_in_the_filters_bits(void **state)
{
	uint64_t a = unwind_hash_end(unwind_hash(unwind_hash(1, 0x401000), 0x402000));
	uint64_t b = unwind_hash_end(unwind_hash(unwind_hash(1, 0x402000), 0x401000));
	unsigned same = 0;

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_not_equal(a, unwind_hash_end(unwind_hash(1, 0x401000)));
	/* Two processes with equal stacks must not push each other out of the filter for ever: the
	 * slot is in the top bits, and a pid differs in the lowest. */
	for (uint64_t pid = 1; pid <= 1000; pid++) {
		uint64_t one = unwind_hash_end(unwind_hash(unwind_hash(7, pid), 0x401000));
		uint64_t two = unwind_hash_end(unwind_hash(unwind_hash(7, pid + 1), 0x401000));

		same += one >> 50 == two >> 50;
	}
	assert_in_range(same, 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_goes_up_to_the_frame_with_rbp_0),
		cmocka_unit_test(a_return_address_of_0_is_the_first_frame),
		cmocka_unit_test(a_small_number_in_rbp_ends_the_chain_outside_of_the_first_frame),
		cmocka_unit_test(a_return_address_that_is_no_user_address_ends_the_chain),
		cmocka_unit_test(a_frame_must_lie_above_the_one_below_it),
		cmocka_unit_test(a_chain_that_loops_ends),
		cmocka_unit_test(a_frame_of_8_mib_is_believed_and_a_larger_one_is_not),
		cmocka_unit_test(extreme_registers_do_not_wrap_into_a_frame),
		cmocka_unit_test(memory_that_cannot_be_read_is_told_from_a_bad_frame),
		cmocka_unit_test(the_hash_tells_order_length_and_process_apart_in_the_filters_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
