/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of rule over made-up stacks: what it finds, and by what name it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/unwind_step.h"

#define STACK_AT 0x7ffc00001000ULL
#define CODE_AT	 0x401000ULL
#define WORDS	 256

/* A stack, and eight words of code on either side of CODE_AT. */
static uint64_t stack[WORDS], code[16];
static struct unwind_regs regs;
static struct unwind_leaf leaf;

static int read_words(void *memory, uint64_t address, uint64_t *low, uint64_t *high)
{
	uint64_t from = STACK_AT, n = sizeof(stack);
	const uint8_t *bytes = (const uint8_t *)stack;

	(void)memory;
	if (address - (CODE_AT - 64) < sizeof(code)) {
		from = CODE_AT - 64;
		n = sizeof(code);
		bytes = (const uint8_t *)code;
	}
	if (address - from > n - 8)
		return -1;
	__builtin_memcpy(low, bytes + (address - from), 8);
	*high = 0;
	if (address - from <= n - 16)
		__builtin_memcpy(high, bytes + (address - from) + 8, 8);
	return 0;
}

static uint64_t at(unsigned i)
{
	return STACK_AT + i * 8;
}

static int reset(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORDS; i++)
		stack[i] = 0x1100000000ULL + i;
	__builtin_memset(code, 0x90, sizeof(code));
	regs = (struct unwind_regs){ CODE_AT, at(10), at(40) };
	leaf = (struct unwind_leaf){ 0 };
	for (unsigned i = 0; i < 16; i++)
		leaf.registers[i] = at(100 + i);
	return 0;
}

/* Steps from a frame that is no leaf; where the fast form takes the rule, it must agree. */
static int step(uint64_t rule)
{
	struct unwind_regs fast = regs, before = regs;
	int took = unwind_step_fast(rule, &fast, read_words, NULL);
	int reason = unwind_step(rule, &regs, 0, &leaf, read_words, NULL);

	if (took) {
		assert_int_equal(reason, UNWIND_MORE);
		assert_memory_equal(&fast, &regs, sizeof(regs));
	} else {
		assert_memory_equal(&fast, &before, sizeof(fast));
	}
	if (reason >= 0)
		assert_memory_equal(&regs, &before, sizeof(regs));
	return reason;
}

static int step_leaf(uint64_t rule)
{
	return unwind_step(rule, &regs, 1, &leaf, read_words, NULL);
}

static void assert_regs(uint64_t ip, uint64_t sp, uint64_t bp)
{
	assert_int_equal(regs.ip, ip);
	assert_int_equal(regs.sp, sp);
	assert_int_equal(regs.bp, bp);
}

static void rsp_leads_to_the_caller(void **state)
{
	(void)state;
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 80)), UNWIND_MORE);
	assert_regs(stack[19], at(20), at(40));
}

static void rbp_leads_to_the_caller_and_is_restored(void **state)
{
	(void)state;
	stack[40] = at(60);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RBP, UNWIND_BP_AT_CFA, -16, 16)), UNWIND_MORE);
	assert_regs(stack[41], at(42), at(60));
}

static void rbp_is_found_wherever_it_was_saved(void **state)
{
	static const struct {
		uint64_t bp;
		int offset;
		unsigned word;
	} places[] = {
		{ UNWIND_BP_AT_CFA, -16, 18 },
		{ UNWIND_BP_AT_CFA, -56, 13 },
		{ UNWIND_BP_AT_RBP, 8, 41 },
		{ UNWIND_BP_AT_RBP, -24, 37 },
		{ UNWIND_BP_AT_RSP, 16, 12 },
	};

	for (unsigned i = 0; i < 5; i++) {
		(void)reset(state);
		assert_int_equal(
			step(UNWIND_RULE(UNWIND_CFA_RSP, places[i].bp, places[i].offset, 80)),
			UNWIND_MORE);
		assert_regs(stack[19], at(20), stack[places[i].word]);
	}
	(void)reset(state);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_IS_CFA, -24, 80)), UNWIND_MORE);
	assert_regs(stack[19], at(20), at(17));
}

static void a_lost_rbp_ends_only_a_walk_that_needs_it(void **state)
{
	static const uint64_t needs[] = { UNWIND_CFA_RBP, UNWIND_CFA_DEREF_RBP, UNWIND_CFA_SWITCH,
		UNWIND_CFA_NONE };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		(void)reset(state);
		assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RSP,
					 i ? UNWIND_BP_UNDEFINED : UNWIND_BP_UNKNOWN, 0, 80)),
			UNWIND_MORE);
		regs.ip = CODE_AT;
		for (unsigned j = 0; j < 4; j++)
			assert_int_equal(step(UNWIND_RULE(needs[j], UNWIND_BP_AT_CFA, -16, 16)),
				TRUNCATE_REGISTER_LOST);
		assert_int_equal(
			step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 80)), UNWIND_MORE);
		assert_int_equal(
			step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_AT_CFA, -16, 80)), UNWIND_MORE);
		assert_int_equal(regs.bp, stack[38]);
	}
}

static void a_plt_stub_counts_its_own_push(void **state)
{
	uint64_t rule = UNWIND_RULE(UNWIND_CFA_PLT, UNWIND_BP_SAME, 0, 11 << 8 | 8);

	regs.ip = CODE_AT + 10;
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[10], at(11), at(40));
	(void)reset(state);
	regs.ip = CODE_AT + 11;
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[11], at(12), at(40));
}

static void a_cfa_that_lies_in_memory_is_read(void **state)
{
	stack[38] = at(90);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_DEREF_RBP, UNWIND_BP_SAME, 0,
				 (uint32_t)(8 << 16) | (uint16_t)-16)),
		UNWIND_MORE);
	assert_regs(stack[90], at(91), at(40));
	(void)reset(state);
	stack[13] = at(90);
	assert_int_equal(
		step(UNWIND_RULE(UNWIND_CFA_DEREF_RSP, UNWIND_BP_SAME, 0, -8 * 65536 | 24)),
		UNWIND_MORE);
	assert_regs(stack[88], at(89), at(40));
}

static void every_register_of_a_leaf_can_hold_the_cfa(void **state)
{
	for (unsigned n = 0; n < 16; n++) {
		uint64_t cfa = n == 6 ? at(40) : n == 7 ? at(10) : at(100 + n);

		(void)reset(state);
		assert_int_equal(step_leaf(UNWIND_RULE(UNWIND_CFA_LEAF | n, UNWIND_BP_SAME, 0, 16)),
			UNWIND_MORE);
		assert_regs(
			*(uint64_t *)((uint8_t *)stack + (cfa + 8 - STACK_AT)), cfa + 16, at(40));
	}
}

static int is_scratch(unsigned dwarf)
{
	return dwarf < 12 && dwarf != 3 && dwarf != 6 && dwarf != 7;
}

static void above_a_leaf_only_what_nobody_saves_can_hold_the_cfa(void **state)
{
	for (unsigned n = 0; n < 16; n++) {
		uint64_t rule = UNWIND_RULE(UNWIND_CFA_LEAF | n, UNWIND_BP_LEAF | n, 0, 16);

		if (n == 6 || n == 7)
			continue;
		(void)reset(state);
		if (!is_scratch(n)) {
			assert_int_equal(step(rule), TRUNCATE_REGISTER_LOST);
			continue;
		}
		assert_int_equal(step(rule), UNWIND_MORE);
		assert_regs(stack[101 + n], at(102 + n), at(100 + n));
	}
}

static void a_register_that_is_not_above_the_stack_pointer_has_changed_since_the_leaf(void **state)
{
	uint64_t rule = UNWIND_RULE(UNWIND_CFA_LEAF | 0, UNWIND_BP_SAME, 0, 16);
	static const uint64_t changed[] = { 0, 1, STACK_AT + 64, STACK_AT + 0x1000000 };

	for (unsigned i = 0; i < sizeof(changed) / sizeof(*changed); i++) {
		(void)reset(state);
		leaf.registers[0] = changed[i];
		assert_int_equal(step(rule), TRUNCATE_REGISTER_LOST);
		assert_int_equal(step_leaf(rule), TRUNCATE_BAD_CFA);
	}
}

/* rsp + 8 * up; the caller's rbx at CFA - 8 * down, or the same. */
static uint64_t keeping(unsigned up, unsigned down)
{
	return UNWIND_RULE(UNWIND_CFA_RSP_KEEPS, UNWIND_BP_SAME, 0,
		(uint32_t)(uint16_t)(-8 * (int)down) << 16 | up * 8);
}
#define BY_RBX UNWIND_RULE(UNWIND_CFA_LEAF | 3, UNWIND_BP_SAME, 0, 32)

static void rbx_is_known_above_frames_that_all_tell_of_it(void **state)
{
	/* The leaf leaves it alone, its caller has saved it. */
	leaf.registers[3] = at(111);
	stack[22] = at(200);
	assert_int_equal(step_leaf(keeping(2, 0)), UNWIND_MORE);
	assert_int_equal(step(keeping(14, 4)), UNWIND_MORE);
	assert_regs(stack[25], at(26), at(40));
	assert_int_equal(step(BY_RBX), UNWIND_MORE);
	assert_regs(stack[203], at(204), at(40));
	/* None saves it: as it was in the leaf, by rbp and in a register that a signal saved too.
	 */
	(void)reset(state);
	leaf.saved_at = at(60);
	stack[60 + 11] = at(120);
	assert_int_equal(step_leaf(keeping(4, 0)), UNWIND_MORE);
	assert_int_equal(
		step(UNWIND_RULE(UNWIND_CFA_RBP_KEEPS, UNWIND_BP_SAME, 0, 24)), UNWIND_MORE);
	assert_regs(stack[42], at(43), at(40));
	assert_int_equal(step(BY_RBX), UNWIND_MORE);
	assert_regs(stack[123], at(124), at(40));
}

static void one_frame_that_does_not_tell_of_rbx_loses_it(void **state)
{
	static const uint64_t silent[] = {
		UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 32),
		UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_AT_CFA, -16, 32),
		UNWIND_RULE(UNWIND_CFA_LEAF | 11, UNWIND_BP_SAME, 0, 32),
	};

	for (unsigned i = 0; i < 3; i++) {
		(void)reset(state);
		assert_int_equal(step_leaf(silent[i]), UNWIND_MORE);
		assert_int_equal(step(BY_RBX), TRUNCATE_REGISTER_LOST);
		assert_int_equal(step(keeping(4, 0)), UNWIND_MORE);
		assert_int_equal(step(BY_RBX), TRUNCATE_REGISTER_LOST);
		/* From where it was saved it is known again. */
		regs = (struct unwind_regs){ CODE_AT, at(10), at(40) };
		stack[12] = at(200);
		assert_int_equal(step(keeping(4, 2)), UNWIND_MORE);
		assert_int_equal(step(silent[i % 2]), UNWIND_MORE);
		assert_int_equal(step(BY_RBX), TRUNCATE_REGISTER_LOST);
	}
	/* Nor is the one of a walk before, which went through the same frame, taken for it. */
	(void)reset(state);
	stack[12] = at(200);
	assert_int_equal(step(keeping(4, 2)), UNWIND_MORE);
	regs = (struct unwind_regs){ CODE_AT, at(10), at(12) };
	assert_int_equal(step_leaf(ARCH_RULE_POINTER(UNWIND_POINTER_CODE)), UNWIND_MORE);
	assert_int_equal(regs.sp, at(14));
	assert_int_equal(step(BY_RBX), TRUNCATE_REGISTER_LOST);
	/* It cannot be read, or rbp is needed and lost. */
	(void)reset(state);
	regs.sp = at(WORDS - 2);
	assert_int_equal(step(keeping(2, 1000)), TRUNCATE_READ_FAULT);
	regs.bp = UNWIND_LOST;
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RBP_KEEPS, UNWIND_BP_SAME, 0, 16)),
		TRUNCATE_REGISTER_LOST);
}

static void a_leaf_can_hold_its_return_address_and_rbp_in_registers(void **state)
{
	uint64_t rule = UNWIND_RULE(UNWIND_CFA_LEAF_RA | 5, UNWIND_BP_LEAF | 0, 0, 0);

	(void)state;
	leaf.registers[5] = 0x405555;
	assert_int_equal(step(rule), TRUNCATE_REGISTER_LOST);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	/* vfork() pops it, so the frame is empty. */
	assert_regs(0x405555, at(10), at(100));
}

static void a_leaf_can_index_the_stack_by_a_register(void **state)
{
	(void)state;
	leaf.registers[8] = 5;
	stack[10 + 5 + 2] = at(80);
	assert_int_equal(
		step_leaf(UNWIND_RULE(UNWIND_CFA_LEAF_INDEX | 8, UNWIND_BP_SAME, 0, 8 << 16 | 16)),
		UNWIND_MORE);
	assert_regs(stack[80], at(81), at(40));
}

/* rsp in a trampoline is that of a struct ucontext; the order is that of struct sigcontext. */
static void what_a_signal_interrupted_is_a_leaf_with_all_its_registers(void **state)
{
	static const uint8_t dwarf[16] = { 8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7 };
	uint64_t rule = UNWIND_RULE(UNWIND_CFA_SIGRET, 0, 0, 0);

	for (unsigned i = 0; i < 16; i++) {
		uint64_t cfa = at(150 + i);

		(void)reset(state);
		regs.sp = at(50);
		for (unsigned j = 0; j < 16; j++)
			stack[55 + j] = at(150 + j);
		stack[71] = 0x407777;
		/* The stack that was interrupted lies below: another one. */
		stack[70] = at(3);
		assert_int_equal(step(rule), UNWIND_SIGNAL);
		assert_regs(0x407777, at(3), at(160));
		if (dwarf[i] == 7)
			cfa = at(3);
		assert_int_equal(
			step_leaf(UNWIND_RULE(UNWIND_CFA_LEAF | dwarf[i], UNWIND_BP_SAME, 0, 8)),
			UNWIND_MORE);
		assert_regs(*(uint64_t *)((uint8_t *)stack + (cfa - STACK_AT)), cfa + 8, at(160));
	}
}

static void the_end_is_complete_and_unknown_rules_are_named(void **state)
{
	(void)state;
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_END, 0, 0, 0)), TRUNCATE_NONE);
	for (uint64_t what = UNWIND_UNKNOWN_BROKEN; what < UNWIND_UNKNOWN_COUNT; what++)
		assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_UNKNOWN, 0, 0, what)),
			TRUNCATE_CFI_BROKEN + what - UNWIND_UNKNOWN_BROKEN);
	assert_int_equal(TRUNCATE_CFI_RULES - TRUNCATE_CFI_BROKEN,
		UNWIND_UNKNOWN_RULES - UNWIND_UNKNOWN_BROKEN);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_UNKNOWN, 0, 0, 0)), TRUNCATE_CFI_UNKNOWN);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_UNKNOWN, 0, 0, UNWIND_UNKNOWN_COUNT)),
		TRUNCATE_CFI_UNKNOWN);
	assert_int_equal(step(UNWIND_RULE(0x40, 0, 0, 0)), TRUNCATE_CFI_UNKNOWN);
	assert_int_equal(step(UNWIND_RULE(0x0d, 0, 0, 0)), TRUNCATE_CFI_UNKNOWN);
}

static void a_return_address_of_0_is_complete_and_one_outside_of_memory_is_not(void **state)
{
	uint64_t rule = UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 80);

	(void)state;
	stack[19] = 0;
	assert_int_equal(step(rule), TRUNCATE_NONE);
	stack[19] = 4095;
	assert_int_equal(step(rule), TRUNCATE_BAD_RETURN);
	stack[19] = 0xffffffff81000000ULL;
	assert_int_equal(step(rule), TRUNCATE_BAD_RETURN);
	stack[19] = 4096;
	assert_int_equal(step(rule), UNWIND_MORE);
}

static void a_cfa_that_is_not_above_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 0)), TRUNCATE_BAD_CFA);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, (uint32_t)-8)),
		TRUNCATE_BAD_CFA);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, (8 << 20) + 8)),
		TRUNCATE_BAD_CFA);
	assert_int_equal(
		step(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 8 << 20)), TRUNCATE_READ_FAULT);
}

static void a_stack_that_ends_within_a_frame_is_a_read_fault(void **state)
{
	(void)state;
	regs.sp = at(WORDS - 1);
	/* The last word of a stack is enough for a return address. */
	assert_int_equal(step_leaf(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 8)), UNWIND_MORE);
	(void)reset(state);
	regs.sp = at(WORDS - 1);
	assert_int_equal(
		step_leaf(UNWIND_RULE(UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, 16)), TRUNCATE_READ_FAULT);
}

static void a_frame_pointer_in_place_of_a_rule_says_what_was_missing(void **state)
{
	static const struct {
		uint64_t kind;
		int reason, end;
	} guesses[] = {
		{ UNWIND_CFA_NONE, TRUNCATE_NO_RULE, TRUNCATE_NO_RULE },
		{ UNWIND_POINTER_NOWHERE, TRUNCATE_NO_MAPPING, TRUNCATE_NO_MAPPING },
		{ UNWIND_POINTER_PENDING, TRUNCATE_NO_TABLE_YET, TRUNCATE_NO_TABLE_YET },
		{ UNWIND_POINTER_CODE, TRUNCATE_BAD_FRAME, TRUNCATE_NONE },
		{ UNWIND_POINTER_PLAIN, TRUNCATE_BAD_FRAME, TRUNCATE_NONE },
	};

	for (unsigned i = 0; i < 5; i++) {
		(void)reset(state);
		assert_int_equal(step(ARCH_RULE_POINTER(guesses[i].kind)), UNWIND_MORE);
		assert_regs(stack[41], at(42), stack[40]);
		regs = (struct unwind_regs){ CODE_AT, at(10), at(2) };
		assert_int_equal(step(ARCH_RULE_POINTER(guesses[i].kind)), guesses[i].reason);
		/* 0 may be any number where it is not known that rbp is a frame pointer. */
		regs.bp = 0;
		assert_int_equal(step(ARCH_RULE_POINTER(guesses[i].kind)), guesses[i].end);
		regs.bp = at(40);
		stack[41] = 0;
		assert_int_equal(step(ARCH_RULE_POINTER(guesses[i].kind)), TRUNCATE_NONE);
	}
}

static void a_stack_switch_goes_on_where_the_frame_pointer_is(void **state)
{
	(void)state;
	regs.sp = at(100);
	stack[40] = at(60);
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_SWITCH, 0, 0, 0)), UNWIND_MORE);
	assert_regs(stack[41], at(42), at(60));
	regs = (struct unwind_regs){ CODE_AT, at(100), at(40) };
	assert_int_equal(step(UNWIND_RULE(UNWIND_CFA_SWITCH_SKIP, 0, 0, 0)), UNWIND_MORE);
	assert_regs(stack[41], at(42), at(60));
}

static void code_is(const char *before, const char *bytes, unsigned n)
{
	__builtin_memset(code, 0x90, sizeof(code));
	__builtin_memcpy(
		(uint8_t *)code + 64 - __builtin_strlen(before), before, __builtin_strlen(before));
	__builtin_memcpy((uint8_t *)code + 64, bytes, n);
}

static void a_leaf_at_the_edge_of_a_function_keeps_its_caller(void **state)
{
	uint64_t rule = ARCH_RULE_POINTER(UNWIND_POINTER_CODE);

	/* push rbp; mov rbp, rsp */
	code_is("", "\x55\x48\x89\xe5", 4);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[10], at(11), at(40));
	(void)reset(state);
	code_is("", "\xf3\x0f\x1e\xfa\x55\x48\x89\xe5", 8);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[10], at(11), at(40));
	/* behind the push */
	(void)reset(state);
	code_is("\x55", "\x48\x89\xe5", 3);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[11], at(12), stack[10]);
	/* ret; pop rbp; ret */
	(void)reset(state);
	code_is("", "\xc3", 1);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[10], at(11), at(40));
	(void)reset(state);
	code_is("", "\x5d\xc3", 2);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[11], at(12), stack[10]);
}

/* mov eax, 435; syscall; test rax, rax; jl; je +1; ret: all but the first have no rule. */
#define CLONE "\xb8\xb3\x01\x00\x00\x0f\x05\x48\x85\xc0\x7c\x18\x74\x01\xc3\x31\xed\x48"

static void clone_is_left_to_its_caller_and_begins_the_child(void **state)
{
	static const unsigned before[] = { 5, 7, 10, 12 };

	for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		(void)reset(state);
		code_is(CLONE, CLONE + before[i], sizeof(CLONE) - 1 - before[i]);
		__builtin_memcpy((uint8_t *)code + 64 - before[i], CLONE, before[i]);
		leaf.registers[0] = 1234;
		assert_int_equal(step_leaf(ARCH_RULE_POINTER(UNWIND_CFA_NONE)), UNWIND_MORE);
		assert_regs(stack[10], at(11), at(40));
		if (i == 0)
			continue; /* the call itself is the parent's */
		(void)reset(state);
		code_is("", CLONE + before[i], sizeof(CLONE) - 1 - before[i]);
		__builtin_memcpy((uint8_t *)code + 64 - before[i], CLONE, before[i]);
		leaf.registers[0] = 0;
		assert_int_equal(step_leaf(ARCH_RULE_POINTER(UNWIND_CFA_NONE)), TRUNCATE_NONE);
	}
	/* Another system call with the same code behind it but for its ret. */
	(void)reset(state);
	code_is("", "\x48\x85\xc0\x7c\x18\x74\x02\xc3", 8);
	__builtin_memcpy((uint8_t *)code + 62, "\x0f\x05", 2);
	leaf.registers[0] = 0;
	assert_int_not_equal(step_leaf(ARCH_RULE_POINTER(UNWIND_CFA_NONE)), TRUNCATE_NONE);
}

static void a_leaf_elsewhere_and_a_caller_go_by_the_frame_pointer(void **state)
{
	uint64_t rule = ARCH_RULE_POINTER(UNWIND_POINTER_CODE);

	/* leave: the frame is still there. A push among others is not the first instruction. */
	code_is("", "\xc9\xc3", 2);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[41], at(42), stack[40]);
	(void)reset(state);
	code_is("\x41\x57", "\x55\x53", 2);
	assert_int_equal(step_leaf(rule), UNWIND_MORE);
	assert_regs(stack[41], at(42), stack[40]);
	(void)reset(state);
	code_is("", "\xc3", 1);
	assert_int_equal(step(rule), UNWIND_MORE);
	assert_regs(stack[41], at(42), stack[40]);
}

/* Random rules, registers and stacks: the two forms agree, nothing reads outside of what it asks
 * for, and a step that failed changes nothing (step() asserts it). */
static void the_fast_form_agrees_with_the_full_one_on_random_input(void **state)
{
	uint64_t random = 88172645463325252ULL, went_up = 0;

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t words[4], rule;

		for (unsigned j = 0; j < 4; j++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			words[j] = random;
		}
		if (i % 1000 == 0)
			(void)reset(state);
		stack[words[0] % WORDS] = words[0] >> 60 ? words[1] : at(words[1] % WORDS);
		regs = (struct unwind_regs){ CODE_AT, at(words[1] >> 8 & 0x7f),
			words[1] >> 60 ? at(words[2] % WORDS) : words[2] };
		rule = UNWIND_RULE(words[3] & 0xf, words[3] >> 8 & 7, (words[3] >> 16 & 0xff) - 128,
			(uint32_t)((words[3] >> 32 & 0x1ff) - 64));
		/* No table says otherwise where it has no rule. */
		if (unwind_rule_cfa(rule) == UNWIND_CFA_NONE)
			rule = ARCH_RULE_POINTER(UNWIND_CFA_NONE);
		went_up += step(rule) == UNWIND_MORE;
	}
	assert_in_range(went_up, 10000, 200000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, reset)
	const struct CMUnitTest tests[] = {
		T(rsp_leads_to_the_caller),
		T(rbp_leads_to_the_caller_and_is_restored),
		T(rbp_is_found_wherever_it_was_saved),
		T(a_lost_rbp_ends_only_a_walk_that_needs_it),
		T(a_plt_stub_counts_its_own_push),
		T(a_cfa_that_lies_in_memory_is_read),
		T(every_register_of_a_leaf_can_hold_the_cfa),
		T(above_a_leaf_only_what_nobody_saves_can_hold_the_cfa),
		T(a_register_that_is_not_above_the_stack_pointer_has_changed_since_the_leaf),
		T(rbx_is_known_above_frames_that_all_tell_of_it),
		T(one_frame_that_does_not_tell_of_rbx_loses_it),
		T(a_leaf_can_hold_its_return_address_and_rbp_in_registers),
		T(a_leaf_can_index_the_stack_by_a_register),
		T(what_a_signal_interrupted_is_a_leaf_with_all_its_registers),
		T(the_end_is_complete_and_unknown_rules_are_named),
		T(a_return_address_of_0_is_complete_and_one_outside_of_memory_is_not),
		T(a_cfa_that_is_not_above_is_not_believed),
		T(a_stack_that_ends_within_a_frame_is_a_read_fault),
		T(a_frame_pointer_in_place_of_a_rule_says_what_was_missing),
		T(a_stack_switch_goes_on_where_the_frame_pointer_is),
		T(a_leaf_at_the_edge_of_a_function_keeps_its_caller),
		T(clone_is_left_to_its_caller_and_begins_the_child),
		T(a_leaf_elsewhere_and_a_caller_go_by_the_frame_pointer),
		T(the_fast_form_agrees_with_the_full_one_on_random_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
