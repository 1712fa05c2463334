/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, the trie of stacks, and stacks found again by hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "collect/stack.h"

static struct stack_store *store(size_t bytes)
{
	struct stack_store *s;
	assert_int_equal(stack_store_new(&s, bytes), 0);
	return s;
}

static struct sample_record *record(uint64_t hash, uint16_t n)
{
	struct sample_record *r = calloc(1, sizeof(*r) + n * sizeof(uint64_t));
	assert_non_null(r);
	r->stack_hash = hash;
	r->n_user = n;
	r->time_ns = 100;
	r->has_stack = 1;
	for (unsigned i = 0; i < n; i++)
		r->frames[i] = 0x1000 + i;
	return r;
}

static void equal_stacks_are_one_node_and_share_their_roots(void **state)
{
	struct stack_store *s = store(1 << 20);
	struct frame a[] = { { 3, 1, 0 }, { 2, 1, 0 }, { 1, 1, 0 } };
	struct frame b[] = { { 9, 1, 0 }, { 2, 1, 0 }, { 1, 1, 0 } };
	uint32_t na, nb, nc, pa, pb;
	(void)state;
	assert_int_equal(stack_intern(s, a, 3, &na), 0);
	assert_int_equal(stack_intern(s, b, 3, &nb), 0);
	assert_int_equal(stack_intern(s, a, 3, &nc), 0);
	assert_int_equal(na, nc);
	assert_int_not_equal(na, nb);
	assert_int_equal(stack_frame(s, stack_node_frame(s, na, &pa))->offset, 3);
	assert_int_equal(stack_frame(s, stack_node_frame(s, nb, &pb))->offset, 9);
	assert_int_equal(pa, pb);
	stack_store_free(s);
}

static void freed_nodes_are_used_again(void **state)
{
	struct stack_store *s = store(1 << 20);
	(void)state;
	size_t before = 0;
	for (uint64_t i = 0; i < 100000; i++) {
		struct frame f[] = { { i % 64, 1, 0 }, { i % 8, 2, 0 } };
		uint32_t node;
		assert_int_equal(stack_intern(s, f, 2, &node), 0);
		stack_node_unref(s, node);
		if (i == 1000)
			before = stack_store_bytes(s);
	}
	assert_int_equal(stack_store_bytes(s), before);
	stack_store_free(s);
}

static void frames_go_with_their_last_node(void **state)
{
	struct stack_store *s = store(1 << 20);
	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		struct frame f[] = { { i, 1, 0 }, { i + 1, 2, 0 } };
		uint32_t node;
		assert_int_equal(stack_intern(s, f, 2, &node), 0);
		stack_node_unref(s, node);
	}
	assert_true(stack_n_frames(s) < 8);
	stack_store_free(s);
}

static void an_entry_is_found_by_process_program_and_hash(void **state)
{
	struct stack_store *s = store(1 << 20);
	_cleanup_free_ struct sample_record *r = record(42, 3);
	uint32_t e;
	(void)state;
	r->exec_id = 7;
	assert_int_equal(stack_find(s, 1, 7, 42), STACK_NONE);
	assert_int_equal(stack_add(s, 1, r, &e), 0);
	assert_int_equal(stack_find(s, 1, 7, 42), e);
	assert_int_equal(stack_find(s, 2, 7, 42), STACK_NONE);
	assert_int_equal(stack_find(s, 1, 8, 42), STACK_NONE);
	assert_int_equal(stack_find(s, 1, 7, 43), STACK_NONE);
	assert_int_equal(stack_entry(s, e)->raw[2], 0x1002);
	stack_store_free(s);
}

static void a_copy_takes_the_key_and_the_old_one_dies_with_its_last_reference(void **state)
{
	struct stack_store *s = store(1 << 20);
	_cleanup_free_ struct sample_record *r = record(42, 3);
	uint32_t e, copy;
	(void)state;
	assert_int_equal(stack_add(s, 1, r, &e), 0);
	stack_ref(s, e);
	assert_int_equal(stack_copy(s, e, &copy), 0);
	assert_int_equal(stack_find(s, 1, 0, 42), copy);
	assert_true(stack_entry(s, e)->used);
	assert_true(stack_unref(s, e));
	assert_false(stack_entry(s, e)->used);
	assert_int_equal(stack_find(s, 1, 0, 42), copy);
	stack_store_free(s);
}

static void count_gone(void *userdata, uint32_t process)
{
	(void)process;
	++*(unsigned *)userdata;
}

static void a_sweep_frees_what_is_old_and_unreferenced_only(void **state)
{
	struct stack_store *s = store(1 << 20);
	unsigned gone = 0;
	uint32_t entry[3];
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		_cleanup_free_ struct sample_record *r = record(i, 2);
		r->time_ns = i == 2 ? 500 : 100;
		assert_int_equal(stack_add(s, 1, r, &entry[i]), 0);
	}
	stack_ref(s, entry[0]);
	assert_int_equal(stack_sweep(s, 200, count_gone, &gone), 1);
	assert_int_equal(gone, 1);
	assert_int_equal(stack_find(s, 1, 0, 0), entry[0]);
	assert_int_equal(stack_find(s, 1, 0, 1), STACK_NONE);
	assert_int_equal(stack_find(s, 1, 0, 2), entry[2]);
	stack_store_free(s);
}

static void memory_is_bounded(void **state)
{
	struct stack_store *s = store(256 * 1024);
	unsigned added = 0;
	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		_cleanup_free_ struct sample_record *r = record(i, 64);
		uint32_t e;
		if (stack_add(s, 1, r, &e) == 0)
			added++;
	}
	assert_true(added > 100 && added < 1000);
	assert_true(stack_store_bytes(s) < 512 * 1024);
	stack_store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_stacks_are_one_node_and_share_their_roots),
		cmocka_unit_test(freed_nodes_are_used_again),
		cmocka_unit_test(frames_go_with_their_last_node),
		cmocka_unit_test(an_entry_is_found_by_process_program_and_hash),
		cmocka_unit_test(a_copy_takes_the_key_and_the_old_one_dies_with_its_last_reference),
		cmocka_unit_test(a_sweep_frees_what_is_old_and_unreferenced_only),
		cmocka_unit_test(memory_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
