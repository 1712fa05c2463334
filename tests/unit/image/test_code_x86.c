/* SPDX-License-Identifier: Apache-2.0 */
/* Code of crti.o, crtbegin.o and crtn.o as compilers make it, and what must not be taken for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "image/code_x86.h"

struct expected {
	uint32_t offset;
	int depth, bp; /* of the CFA above rsp; below the CFA, 0: in the register */
};

static struct code_x86_row rows[CODE_X86_MAX_ROWS];

static void check(const char *code, size_t n, const struct expected *e, uint32_t count)
{
	uint32_t found = code_x86_rows((const uint8_t *)code, n, rows);

	assert_int_equal(found, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(rows[i].offset, e[i].offset);
		assert_int_equal(rows[i].rule.cfa, UNWIND_CFA_RSP);
		assert_int_equal(rows[i].rule.cfa_offset, e[i].depth);
		assert_int_equal(rows[i].rule.bp, e[i].bp ? UNWIND_BP_AT_CFA : UNWIND_BP_SAME);
		assert_int_equal(rows[i].rule.bp_offset, -e[i].bp);
	}
}
#define CHECK(code, ...)                                                        \
	check(code, sizeof(code) - 1, (const struct expected[]){ __VA_ARGS__ }, \
		sizeof((const struct expected[]){ __VA_ARGS__ }) / sizeof(struct expected))
#define NONE(code) \
	assert_int_equal(code_x86_rows((const uint8_t *)(code), sizeof(code) - 1, rows), 0)

/* sub $8, %rsp; mov (%rip), %rax; test %rax, %rax; je; call *%rax; add $8, %rsp; ret */
#define INIT                                                                                   \
	"\x48\x83\xec\x08\x48\x8b\x05\xd5\x3f\x00\x00\x48\x85\xc0\x74\x02\xff\xd0\x48\x83\xc4" \
	"\x08\xc3"

static void the_first_and_the_last_function_of_a_file_are_known(void **state)
{
	(void)state;
	CHECK(INIT, { 0, 8, 0 }, { 4, 16, 0 }, { 22, 8, 0 });
	/* Sections are filled up with zeroes; _fini has nothing to do. */
	CHECK("\xf3\x0f\x1e\xfa" INIT "\x00\x00\x00\x00\x00\xf3\x0f\x1e\xfa\x48\x83\xec\x08\x48\x83"
	      "\xc4\x08\xc3",
		{ 0, 8, 0 }, { 8, 16, 0 }, { 26, 8, 0 }, { 40, 16, 0 }, { 44, 8, 0 });
}

/* Of gcc: deregister_tm_clones, register_tm_clones, __do_global_dtors_aux, frame_dummy. */
#define CRT_BEGIN                                                                          \
	"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x40\x00"                         \
	"\x48\x8d\x3d\xc9\xf1\x12\x00\x48\x8d\x05\xc2\xf1\x12\x00\x48\x39\xf8\x74\x15\x48" \
	"\x8b\x05\x06\xf0\x12\x00\x48\x85\xc0\x74\x09\xff\xe0\x0f\x1f\x80\x00\x00\x00\x00" \
	"\xc3\x0f\x1f\x80\x00\x00\x00\x00"                                                 \
	"\x48\x8d\x3d\x99\xf1\x12\x00\x48\x8d\x35\x92\xf1\x12\x00\x48\x29\xfe\x48\x89\xf0" \
	"\x48\xc1\xee\x3f\x48\xc1\xf8\x03\x48\x01\xc6\x48\xd1\xfe\x74\x14\x48\x8b\x05\xed" \
	"\xef\x12\x00\x48\x85\xc0\x74\x08\xff\xe0\x66\x0f\x1f\x44\x00\x00\xc3\x0f\x1f\x80" \
	"\x00\x00\x00\x00"
#define FRAME_DUMMY "\xf3\x0f\x1e\xfa\xe9\x77\xff\xff\xff\x0f\x1f\x80\x00\x00\x00\x00"

static void what_begins_a_library_is_known(void **state)
{
	(void)state;
	CHECK(CRT_BEGIN
		"\xf3\x0f\x1e\xfa\x80\x3d\x7d\xf1\x12\x00\x00\x75\x2b\x55\x48\x83\x3d\xd2\xef\x12"
		"\x00\x00\x48\x89\xe5\x74\x0c\x48\x8b\x3d\xe6\xef\x12\x00\xe8\x69\xb6\xff\xff\xe8"
		"\x64\xff\xff\xff\xc6\x05\x55\xf1\x12\x00\x01\x5d\xc3\x0f\x1f\x00\xc3\x0f\x1f\x80"
		"\x00\x00\x00\x00" FRAME_DUMMY,
		{ 14, 8, 0 }, { 140, 16, 16 }, { 178, 8, 0 });
}

static void a_loop_with_saved_registers_is_known(void **state)
{
	(void)state;
	/* cmpb; jne; push %rbp; mov %rsp, %rbp; push %r12; push %rbx; loop: call *(%r12,%rax,8);
	 * cmp; jb loop; pop %rbx; pop %r12; pop %rbp; ret; ret */
	CHECK("\x80\x3d\x55\x3e\x00\x00\x00\x75\x14\x55\x48\x89\xe5\x41\x54\x53\x41\xff\x14\xc4\x48"
	      "\x39\xd8\x72\xf7\x5b\x41\x5c\x5d\xc3\xc3",
		{ 0, 8, 0 }, { 10, 16, 16 }, { 15, 24, 16 }, { 16, 32, 16 }, { 26, 24, 16 },
		{ 28, 16, 16 }, { 29, 8, 0 });
}

static void one_way_that_does_not_come_out_even_spoils_all(void **state)
{
	(void)state;
	NONE("\x55\xc3");				      /* ret on rbp */
	NONE("\x5d\xc3");				      /* pop of what it has not pushed */
	NONE("\x50\x48\x83\xc4\x10\xc3");		      /* takes more than it gave */
	NONE("\x48\x85\xc0\x74\x01\x50\xc3");		      /* a push on one way only */
	NONE("\x53\xff\xe0\xc3");			      /* leaves with a push */
	NONE("\x53\xe9\x00\x10\x00\x00\xc3");		      /* the same to a known place */
	NONE("\x53\x55\x5b\x5d\xc3");			      /* rbp out of another's place */
	NONE("\x53\x48\x85\xc0\x74\x02\x5b\xc3");	      /* goes on behind the end */
	NONE("\x48\x85\xc0\x74\x02\xb8\x00\x00\x00\x00\xc3"); /* into an instruction */
	NONE("\x48\x85\xc0\xb8\x00\x00\x00\x00\x74\xfb\xc3"); /* the same, backwards */
}

static void what_never_returns_is_not_known_to_be_a_function(void **state)
{
	(void)state;
	NONE("\x48\x85\xc0\xe9\x00\x10\x00\x00"); /* the cold part of one that lies elsewhere */
	NONE("\xff\xe0");
	NONE("\x48\x85\xc0\xeb\xfb"); /* an endless loop */
	NONE("\xe8\x00\x10\x00\x00");
	NONE("\xeb\xfe\x90\x90\xc3");
	NONE("\x90\x90\x00");
	/* A jump to one that does is. */
	CHECK("\x31\xc0\xc3\x90\xeb\xfa", { 0, 8, 0 });
}

static void an_instruction_that_is_not_known_spoils_all(void **state)
{
	(void)state;
	NONE("\x0f\x05\xc3");		  /* syscall */
	NONE("\x48\x89\xe5\xc3");	  /* rbp is not saved */
	NONE("\x55\x48\x89\xc5\x5d\xc3"); /* mov %rax, %rbp */
	NONE("\x48\x89\xc4\xc3");	  /* mov %rax, %rsp */
	NONE("\x48\x83\xe4\xf0\xc3");	  /* and $-16, %rsp */
	NONE("\x48\x8d\x64\x24\xf8\xc3"); /* lea -8(%rsp), %rsp */
	NONE("\xbd\x00\x00\x00\x00\xc3"); /* mov $0, %ebp */
	NONE("\x5c\xc3");		  /* pop %rsp */
	/* A return address written over or pushed: a thunk for indirect branches. */
	NONE("\x48\x89\x04\x24\xc3");
	NONE("\x55\x48\x89\xe5\x48\x89\x45\x08\x5d\xc3");
	NONE("\xe8\x01\x00\x00\x00\xcc\x31\xc0\xc3");
	/* By r12 and r13 it is no stack. */
	CHECK("\x49\x89\x04\x24\x49\x89\x45\x08\xc3", { 0, 8, 0 });
}

static void every_cut_of_it_is_read_within_its_bytes(void **state)
{
	static const char code[] = CRT_BEGIN INIT FRAME_DUMMY;

	(void)state;
	for (size_t n = 0; n < sizeof(code); n++) {
		uint8_t *exact = test_malloc(n + 1);

		memcpy(exact + 1, code, n);
		(void)code_x86_rows(exact + 1, n, rows);
		test_free(exact);
	}
}

static void more_than_is_looked_at_is_not_known(void **state)
{
	static char code[CODE_X86_MAX_BYTES + 1];

	(void)state;
	memset(code, 0xc3, sizeof(code));
	assert_int_equal(code_x86_rows((const uint8_t *)code, CODE_X86_MAX_BYTES, rows), 1);
	assert_int_equal(code_x86_rows((const uint8_t *)code, CODE_X86_MAX_BYTES + 1, rows), 0);
	/* Nor are more rows kept than there is room for: push %rax; pop %rax; ... ret */
	for (size_t i = 0; i + 1 < CODE_X86_MAX_BYTES; i += 2)
		memcpy(code + i, "\x50\x58", 2);
	code[CODE_X86_MAX_BYTES - 1] = '\xc3';
	code[CODE_X86_MAX_BYTES - 2] = '\x90';
	assert_int_equal(code_x86_rows((const uint8_t *)code, CODE_X86_MAX_BYTES, rows), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_and_the_last_function_of_a_file_are_known),
		cmocka_unit_test(what_begins_a_library_is_known),
		cmocka_unit_test(a_loop_with_saved_registers_is_known),
		cmocka_unit_test(one_way_that_does_not_come_out_even_spoils_all),
		cmocka_unit_test(what_never_returns_is_not_known_to_be_a_function),
		cmocka_unit_test(an_instruction_that_is_not_known_spoils_all),
		cmocka_unit_test(every_cut_of_it_is_read_within_its_bytes),
		cmocka_unit_test(more_than_is_looked_at_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
