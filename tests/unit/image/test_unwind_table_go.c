/* SPDX-License-Identifier: Apache-2.0 */
/* Go's pcsp tables, with code as its compilers write it, against the rule at each instruction. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "image/pcsp.h"

#define BASE	0x400000ULL
#define TEXT	(BASE + 0x100)
#define NAMES	0x10U
#define PCS	0x40U
#define FUNCS	0x80U /* ftab of one function, then its record */
#define RECORD	0x20U
#define CODE(s) (s), sizeof(s) - 1

struct seen {
	unsigned n;
	struct {
		uint64_t pc;
		struct unwind_rule_entry rule;
	} rows[16];
};

static int see(void *context, uint64_t pc, struct unwind_rule_entry rule)
{
	struct seen *s = context;

	assert_true(s->n < 16);
	assert_true(s->n == 0 || pc >= s->rows[s->n - 1].pc);
	if (s->n > 0 && s->rows[s->n - 1].pc == pc)
		s->n--;
	s->rows[s->n].pc = pc;
	s->rows[s->n++].rule = rule;
	return 0;
}

/* pairs (depth, end), ended by end 0. */
static int run(const char *name, uint8_t flags, const char *code, size_t n, const int (*pairs)[2],
	struct seen *ret)
{
	static uint8_t bytes[0x400];
	struct elf_segment segment = { .type = PT_LOAD,
		.flags = PF_R | PF_X,
		.vaddr = BASE,
		.filesz = sizeof(bytes),
		.memsz = sizeof(bytes) };
	struct elf e = { .data = bytes,
		.n = sizeof(bytes),
		.type = ET_EXEC,
		.machine = EM_X86_64,
		.segments = &segment,
		.n_segments = 1 };
	struct pclntab t = { .elf = &e,
		.bytes = { .data = bytes, .n = 0x100 },
		.version = PCLNTAB_1_20,
		.quantum = 1,
		.vaddr = BASE,
		.text = TEXT,
		.n_functions = 1,
		.names = NAMES,
		.pcs = PCS,
		.functions = FUNCS };
	uint32_t ftab[3] = { 0, RECORD, (uint32_t)n }, pcsp = 1, at = PCS + 1;
	uint64_t broken = 0;
	int depth = -1, end = 0, r;

	memset(bytes, 0, 0x100);
	memset(bytes + 0x100, 0xcc, sizeof(bytes) - 0x100);
	memcpy(bytes + NAMES, name, strlen(name) + 1);
	memcpy(bytes + FUNCS, ftab, sizeof(ftab));
	memcpy(bytes + FUNCS + RECORD + 16, &pcsp, 4);
	bytes[FUNCS + RECORD + 41] = flags;
	for (; pairs[0][1]; pairs++) {
		int delta = pairs[0][0] - depth;
		uint32_t zigzag = (uint32_t)delta << 1 ^ (uint32_t)(delta >> 31);

		for (; zigzag >= 0x80; zigzag >>= 7)
			bytes[at++] = (uint8_t)(zigzag | 0x80);
		bytes[at++] = (uint8_t)zigzag;
		bytes[at++] = (uint8_t)(pairs[0][1] - end);
		depth = pairs[0][0];
		end = pairs[0][1];
	}
	memcpy(bytes + 0x100, code, n);
	*ret = (struct seen){ 0 };
	r = pcsp_run(&t, 0, TEXT + n, see, ret, &broken);
	if (r == -EBADMSG)
		assert_int_equal(broken, TEXT + (uint64_t)end);
	return r;
}

static void row(
	const struct seen *s, unsigned i, uint64_t offset, uint8_t cfa, int cfa_offset, uint8_t bp)
{
	assert_true(i < s->n);
	assert_int_equal(s->rows[i].pc, TEXT + offset);
	assert_int_equal(s->rows[i].rule.cfa, cfa);
	assert_int_equal(s->rows[i].rule.cfa_offset, cfa_offset);
	assert_int_equal(s->rows[i].rule.bp, bp);
	assert_int_equal(s->rows[i].rule.bp_offset, bp == UNWIND_BP_AT_CFA ? -16 : 0);
}

/* sub $24, %rsp; mov %rbp, 16(%rsp); lea 16(%rsp), %rbp; nop; mov 16(%rsp), %rbp; add $24, %rsp;
 * ret */
#define OLD                                                                                        \
	"\x48\x83\xec\x18\x48\x89\x6c\x24\x10\x48\x8d\x6c\x24\x10\x90\x48\x8b\x6c\x24\x10\x48\x83" \
	"\xc4\x18\xc3"
static const int old_depths[][2] = { { 0, 4 }, { 24, 24 }, { 0, 25 }, { 0, 0 } };

/* push %rbp; mov %rsp, %rbp; sub $16, %rsp; nop; add $16, %rsp; pop %rbp; ret */
#define NEW "\x55\x48\x89\xe5\x48\x83\xec\x10\x90\x48\x83\xc4\x10\x5d\xc3"
static const int new_depths[][2] = { { 0, 1 }, { 8, 8 }, { 24, 13 }, { 8, 14 }, { 0, 15 },
	{ 0, 0 } };

static void a_leaf_without_a_frame_keeps_its_caller(void **state)
{
	static const int depths[][2] = { { 0, 2 }, { 0, 0 } };
	struct seen s;

	(void)state;
	assert_int_equal(run("main.leaf", 0, CODE("\x90\xc3"), depths, &s), 0);
	assert_int_equal(s.n, 1);
	row(&s, 0, 0, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
}

static void rbp_is_saved_from_the_instruction_on_that_saves_it(void **state)
{
	struct seen s;

	(void)state;
	assert_int_equal(run("main.old", 0, CODE(OLD), old_depths, &s), 0);
	assert_int_equal(s.n, 4);
	row(&s, 0, 0, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
	row(&s, 1, 4, UNWIND_CFA_RSP, 32, UNWIND_BP_SAME);
	row(&s, 2, 9, UNWIND_CFA_RSP, 32, UNWIND_BP_AT_CFA);
	row(&s, 3, 24, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);

	assert_int_equal(run("main.new", 0, CODE(NEW), new_depths, &s), 0);
	assert_int_equal(s.n, 5);
	row(&s, 1, 1, UNWIND_CFA_RSP, 16, UNWIND_BP_AT_CFA);
	row(&s, 2, 8, UNWIND_CFA_RSP, 32, UNWIND_BP_AT_CFA);
	row(&s, 4, 14, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
}

static void a_frame_that_does_not_save_rbp_makes_it_unknown(void **state)
{
	static const int depths[][2] = { { 0, 1 }, { 8, 3 }, { 0, 4 }, { 0, 0 } };
	struct seen s;

	(void)state;
	/* pushf; nop; popf */
	assert_int_equal(run("main.asm", 0, CODE("\x9c\x90\x9d\xc3"), depths, &s), 0);
	row(&s, 1, 1, UNWIND_CFA_RSP, 16, UNWIND_BP_UNKNOWN);
	row(&s, 2, 3, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
}

static void the_first_frames_end_a_stack(void **state)
{
	struct seen s;

	(void)state;
	assert_int_equal(run("main.top", 1, CODE(OLD), old_depths, &s), 0);
	assert_int_equal(s.n, 1);
	row(&s, 0, 0, UNWIND_CFA_END, 0, UNWIND_BP_SAME);
	/* But a signal handler was not called by nobody. */
	assert_int_equal(run("runtime.sigtramp", 1, CODE(OLD), old_depths, &s), 0);
	row(&s, 0, 0, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
	assert_int_equal(run("runtime.mcall", 2, CODE(OLD), old_depths, &s), 0);
	row(&s, 0, 0, UNWIND_CFA_END, 0, UNWIND_BP_SAME);
	assert_int_equal(run("runtime.mcall2", 0, CODE(OLD), old_depths, &s), 0);
	row(&s, 0, 0, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
}

static void code_that_moves_the_stack_goes_by_its_frame_pointer(void **state)
{
	static const int none[][2] = { { 0, 2 }, { 0, 0 } };
	struct seen s;

	(void)state;
	assert_int_equal(run("runtime.systemstack", 2, CODE("\x90\xc3"), none, &s), 0);
	row(&s, 0, 0, UNWIND_CFA_SWITCH_SKIP, 16, UNWIND_BP_AT_CFA);

	assert_int_equal(run("runtime.nanotime1", 2, CODE(OLD), old_depths, &s), 0);
	assert_int_equal(s.n, 6);
	row(&s, s.n - 6, 0, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
	row(&s, s.n - 5, 4, UNWIND_CFA_RSP, 32, UNWIND_BP_SAME);
	row(&s, s.n - 4, 9, UNWIND_CFA_RSP, 32, UNWIND_BP_AT_CFA);
	row(&s, s.n - 3, 14, UNWIND_CFA_SWITCH, 16, UNWIND_BP_AT_CFA);
	row(&s, s.n - 2, 20, UNWIND_CFA_RSP, 32, UNWIND_BP_SAME);
	row(&s, s.n - 1, 24, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
}

/* syscall.rawVforkSyscall: the child returns on the stack that its parent uses afterwards. */
static void a_return_address_that_was_popped_is_in_its_register(void **state)
{
	static const int depths[][2] = { { 0, 3 }, { -8, 5 }, { 0, 8 }, { 0, 0 } };
	struct seen s;

	(void)state;
	assert_int_equal(run("syscall.rawVforkSyscall", 0, CODE("\x90\x41\x5c\x0f\x05\x41\x54\xc3"),
				 depths, &s),
		0);
	assert_int_equal(s.n, 3);
	row(&s, 1, 3, UNWIND_CFA_LEAF_RA + 12, 0, UNWIND_BP_SAME);
	row(&s, 2, 5, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
	/* rsp is not where the table says by another pop. */
	assert_int_equal(run("main.f", 0, CODE("\x90\x41\x54\x0f\x05\x41\x54\xc3"), depths, &s), 0);
	row(&s, 1, 3, UNWIND_CFA_UNKNOWN, UNWIND_UNKNOWN_RANGE, 0);
}

static void a_broken_table_is_told_from_where_it_breaks(void **state)
{
	static const int early[][2] = { { 0, 2 }, { 8, 4 }, { 8, 4 }, { 0, 0 } };
	static const int below[][2] = { { -8, 3 }, { 0, 0 } };
	struct seen s;

	(void)state;
	/* The second pair of no length is no end of the table. */
	assert_int_equal(run("main.f", 0, CODE("\x90\x90\x90\x90\x90\x90"), early, &s), 0);
	assert_int_equal(run("main.f", 0, CODE("\x90\x90\xc3"), below, &s), 0);
	row(&s, 0, 0, UNWIND_CFA_UNKNOWN, UNWIND_UNKNOWN_RANGE, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaf_without_a_frame_keeps_its_caller),
		cmocka_unit_test(rbp_is_saved_from_the_instruction_on_that_saves_it),
		cmocka_unit_test(a_frame_that_does_not_save_rbp_makes_it_unknown),
		cmocka_unit_test(the_first_frames_end_a_stack),
		cmocka_unit_test(code_that_moves_the_stack_goes_by_its_frame_pointer),
		cmocka_unit_test(a_return_address_that_was_popped_is_in_its_register),
		cmocka_unit_test(a_broken_table_is_told_from_where_it_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
