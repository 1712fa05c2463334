/* SPDX-License-Identifier: Apache-2.0 */
/* The walk in a window of the stack: how it goes up, and by which name it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bpf/unwind_step.h"
#include "early_walk.h"

#define SP   0x7ffd00001000ULL
#define CODE 0x401000ULL

struct given {
	struct stack_window window;
	uint64_t words[ABI_WINDOW_BYTES / 8];
	uint64_t rule, rule_at_leaf, rule_at, at; /* everywhere; at the leaf; at one pc */
	size_t n;
	uint64_t frames[ABI_USER_FRAMES];
	enum truncate_reason reason;
};

static uint64_t rule(void *userdata, uint64_t pc)
{
	const struct given *g = userdata;

	if (g->rule_at && pc == g->at)
		return g->rule_at;
	return pc == g->window.ip && g->rule_at_leaf ? g->rule_at_leaf : g->rule;
}

/* Frames of 16 bytes: a word, then the return address. */
static void given(struct given *g, uint32_t bytes)
{
	memset(g, 0, sizeof(*g));
	g->window = (struct stack_window){ .ip = CODE, .sp = SP, .start = SP, .bytes = bytes };
	g->rule = UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 16);
	for (size_t i = 0; i < bytes / 16; i++)
		g->words[2 * i + 1] = CODE + 0x10 * (i + 1);
}

static void walk(struct given *g)
{
	g->n = early_walk(&g->window, (const uint8_t *)g->words, rule, g, g->frames, &g->reason);
}

static struct given g;

static void return_addresses_are_followed_to_the_first_frame(void **state)
{
	(void)state;
	given(&g, 160);
	g.rule_at = UNWIND_RULE(UNWIND_CFA_END, 0, 0, 0);
	g.at = CODE + 0x50 - 1;
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_NONE);
	assert_int_equal(g.n, 6);
	for (size_t i = 0; i < g.n; i++)
		assert_int_equal(g.frames[i], CODE + 0x10 * i);
}

static void the_end_of_what_was_copied_has_a_name_of_its_own(void **state)
{
	(void)state;
	/* All of the stack that there is: it could not be read further. */
	given(&g, 160);
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_READ_FAULT);
	assert_int_equal(g.n, 11);
	/* As much as is copied at most. */
	given(&g, ABI_WINDOW_BYTES);
	g.rule_at_leaf = UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, ABI_WINDOW_BYTES + 64);
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_WINDOW);
	assert_int_equal(g.n, 1);
	/* Not behind it, but on another stack. */
	given(&g, ABI_WINDOW_BYTES);
	g.window.bp = 0x100000;
	g.rule_at_leaf = UNWIND_RULE(UNWIND_CFA_SWITCH, UNWIND_BP_AT_CFA, -16, 16);
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_READ_FAULT);
}

static void a_window_that_begins_above_sp_is_read_where_it_lies(void **state)
{
	(void)state;
	given(&g, 160);
	g.window.sp = SP - 4096;
	g.rule_at_leaf = UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 4096 + 16);
	g.rule_at = UNWIND_RULE(UNWIND_CFA_END, 0, 0, 0);
	g.at = CODE + 0x20 - 1;
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_NONE);
	assert_int_equal(g.n, 3);
	assert_int_equal(g.frames[1], CODE + 0x10);
}

static void a_table_on_its_way_is_named(void **state)
{
	(void)state;
	given(&g, 160);
	g.rule = ARCH_RULE_POINTER(UNWIND_POINTER_PENDING);
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_NO_TABLE_YET);
	/* Also where the frame pointers came to an end as if it were the first frame. */
	given(&g, 160);
	g.rule = ARCH_RULE_POINTER(UNWIND_POINTER_PENDING);
	g.window.bp = SP;
	g.words[0] = SP + 16;
	g.words[3] = 0;
	walk(&g);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.reason, TRUNCATE_NO_TABLE_YET);
}

static void the_code_at_a_leaf_tells_of_its_prologue(void **state)
{
	(void)state;
	given(&g, 160);
	g.rule = ARCH_RULE_POINTER(UNWIND_POINTER_CODE);
	g.window.bp = 0;
	g.words[0] = CODE + 0x10;
	g.window.code[0] = 0x90;
	g.window.code[1] = 0xe5894855; /* push rbp; mov rbp, rsp: the return address is on top */
	walk(&g);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.frames[1], CODE + 0x10);
}

static void what_a_signal_interrupted_is_a_leaf_and_marked(void **state)
{
	(void)state;
	given(&g, 512);
	g.rule_at_leaf = UNWIND_RULE(UNWIND_CFA_SIGRET, 0, 0, 0);
	g.words[UNWIND_SIGRET_SP / 8] = SP + 256;
	g.words[UNWIND_SIGRET_SP / 8 + 1] = CODE + 0x800;
	g.rule_at = UNWIND_RULE(UNWIND_CFA_END, 0, 0, 0);
	g.at = CODE + 0x800;
	walk(&g);
	assert_int_equal(g.reason, TRUNCATE_NONE);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.frames[1], CODE + 0x801);
}

static void no_stack_is_deeper_than_its_bound(void **state)
{
	(void)state;
	given(&g, ABI_WINDOW_BYTES);
	walk(&g);
	assert_int_equal(g.n, ABI_USER_FRAMES);
	assert_int_equal(g.reason, TRUNCATE_DEPTH);
}

static void addresses_that_wrap_are_not_read(void **state)
{
	(void)state;
	given(&g, 16);
	g.window.sp = UINT64_MAX - 7;
	walk(&g);
	assert_int_equal(g.n, 1);
	given(&g, 0);
	walk(&g);
	assert_int_equal(g.n, 1);
	assert_int_equal(g.reason, TRUNCATE_READ_FAULT);
	given(&g, 8);
	g.rule = UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 8);
	g.words[0] = CODE + 0x10;
	walk(&g);
	assert_int_equal(g.n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(return_addresses_are_followed_to_the_first_frame),
		cmocka_unit_test(the_end_of_what_was_copied_has_a_name_of_its_own),
		cmocka_unit_test(a_window_that_begins_above_sp_is_read_where_it_lies),
		cmocka_unit_test(a_table_on_its_way_is_named),
		cmocka_unit_test(the_code_at_a_leaf_tells_of_its_prologue),
		cmocka_unit_test(what_a_signal_interrupted_is_a_leaf_and_marked),
		cmocka_unit_test(no_stack_is_deeper_than_its_bound),
		cmocka_unit_test(addresses_that_wrap_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
