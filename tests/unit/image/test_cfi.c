/* SPDX-License-Identifier: Apache-2.0 */
/* Every call frame instruction and every special form, written by hand, against the rule it means.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "cfi_image.h"

#define AT	(CFI_BASE + 0x100)
#define CODE(s) (s), sizeof(s) - 1
#define RSP(o)                                         \
	{                                              \
		UNWIND_CFA_RSP, UNWIND_BP_SAME, 0, (o) \
	}
#define END                             \
	{                               \
		UNWIND_CFA_END, 0, 0, 0 \
	}
#define NONE                             \
	{                                \
		UNWIND_CFA_NONE, 0, 0, 0 \
	}
#define WHY(why)                                               \
	{                                                      \
		UNWIND_CFA_UNKNOWN, 0, 0, UNWIND_UNKNOWN_##why \
	}
#define DEREF(outer, inner) ((int)((uint32_t)(uint16_t)(outer) << 16 | (uint16_t)(inner)))

struct expected {
	uint32_t offset; /* from AT */
	struct unwind_rule_entry rule;
};

struct given {
	const char *what;
	const char *program;
	size_t n;
	struct expected expected[4]; /* up to the first that is all zero, but the first */
};

static void check(const struct unwind_table *t, const char *what, uint64_t pc,
	const struct unwind_rule_entry *e)
{
	const struct unwind_rule_entry *r = unwind_table_lookup(t, pc);

	if (memcmp(r, e, sizeof(*r)) != 0) {
		print_error("%s at %#lx: cfa %#x%+d rbp %#x%+d, not cfa %#x%+d rbp %#x%+d\n", what,
			(unsigned long)pc, r->cfa, r->cfa_offset, r->bp, r->bp_offset, e->cfa,
			e->cfa_offset, e->bp, e->bp_offset);
		fail();
	}
}

static void check_all(const struct given *g, size_t n)
{
	static struct cfi_image m;
	struct unwind_table t;

	for (size_t i = 0; i < n; i++) {
		cfi_image_init(&m, true);
		cfi_cie(&m, 1, "zR", "\x1b", 1, CODE(CFI_USUAL));
		m.encoding = 0x1b;
		cfi_fde(&m, AT, 0x400, g[i].program, g[i].n);
		assert_int_equal(unwind_table_build(cfi_elf(&m), NULL, 1000, &t), 0);
		for (size_t k = 0; k < 4; k++) {
			const struct expected *e = &g[i].expected[k];

			if (k > 0 && e->offset == 0)
				break;
			check(&t, g[i].what, AT + e->offset, &e->rule);
			if (e->offset > 0 && k > 0) /* the one before holds up to here */
				check(&t, g[i].what, AT + e->offset - 1, &e[-1].rule);
		}
		unwind_table_deinit(&t);
	}
}

static void every_advance_moves_on(void **state)
{
	static const struct given given[] = {
		{ "advance_loc", CODE("\x45\x0e\x10"), { { 0, RSP(8) }, { 5, RSP(16) } } },
		{ "advance_loc1", CODE("\x02\xc8\x0e\x10"), { { 0, RSP(8) }, { 200, RSP(16) } } },
		{ "advance_loc2", CODE("\x03\x2c\x01\x0e\x10"),
			{ { 0, RSP(8) }, { 300, RSP(16) } } },
		{ "advance_loc4", CODE("\x04\x2d\x01\x00\x00\x0e\x10"),
			{ { 0, RSP(8) }, { 301, RSP(16) } } },
		{ "MIPS_advance_loc8", CODE("\x1d\x2e\x01\0\0\0\0\0\0\x0e\x10"),
			{ { 0, RSP(8) }, { 302, RSP(16) } } },
		{ "two at one address", CODE("\x45\x0e\x10\x40\x0e\x18"),
			{ { 0, RSP(8) }, { 5, RSP(24) } } },
		{ "nop", CODE("\x00\x41\x00\x0e\x10\x00\x00"), { { 0, RSP(8) }, { 1, RSP(16) } } },
		{ "behind the end", CODE("\x04\0\x04\0\0\x0e\x10"),
			{ { 0, RSP(8) }, { 0x3ff, RSP(8) } } },
	};

	(void)state;
	check_all(given, sizeof(given) / sizeof(given[0]));
}

static void set_loc_is_an_address(void **state)
{
	static struct cfi_image m;
	struct unwind_table t;
	size_t at;

	(void)state;
	cfi_image_init(&m, false);
	cfi_cie(&m, 3, "", NULL, 0, CODE(CFI_USUAL));
	at = cfi_fde_begin(&m);
	cfi_put_int(&m, AT, 8);
	cfi_put_int(&m, 0x100, 8);
	cfi_put_int(&m, 0x01, 1);
	cfi_put_int(&m, AT + 0x20, 8);
	cfi_put(&m, CODE("\x0e\x10\x01"));
	cfi_put_int(&m, AT + 0x10, 8); /* back: no sense */
	cfi_put(&m, CODE("\x0e\x18"));
	cfi_end(&m, at);
	assert_int_equal(unwind_table_build(cfi_elf(&m), NULL, 1000, &t), 0);
	check(&t, "before", AT + 0x1f, &(struct unwind_rule_entry)RSP(8));
	check(&t, "behind", AT + 0x20, &(struct unwind_rule_entry)WHY(BROKEN));
	assert_int_equal(t.stats.broken, 1);
	unwind_table_deinit(&t);
}

static void every_way_to_say_the_cfa_is_followed(void **state)
{
	static const struct given given[] = {
		{ "def_cfa", CODE("\x0c\x06\x10"), { { 0, { UNWIND_CFA_RBP, 0, 0, 16 } } } },
		{ "def_cfa_sf", CODE("\x12\x06\x7e"), { { 0, { UNWIND_CFA_RBP, 0, 0, 16 } } } },
		{ "def_cfa_register", CODE("\x0d\x06"), { { 0, { UNWIND_CFA_RBP, 0, 0, 8 } } } },
		{ "def_cfa_offset", CODE("\x0e\x80\x01"), { { 0, RSP(128) } } },
		{ "def_cfa_offset_sf", CODE("\x13\x7d"), { { 0, RSP(24) } } },
		{ "negative", CODE("\x13\x01"), { { 0, RSP(-8) } } },
		{ "rax", CODE("\x0c\x00\x08"), { { 0, { UNWIND_CFA_LEAF + 0, 0, 0, 8 } } } },
		{ "r15", CODE("\x0c\x0f\x20"), { { 0, { UNWIND_CFA_LEAF + 15, 0, 0, 32 } } } },
		{ "xmm0", CODE("\x0c\x11\x20"), { { 0, WHY(REGISTER) } } },
		{ "no such register", CODE("\x0c\xff\xff\xff\xff\x7f\x20"),
			{ { 0, WHY(REGISTER) } } },
		{ "too far", CODE("\x0e\x80\x80\x80\x80\x08"), { { 0, WHY(RANGE) } } },
		{ "PLT", CODE("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22"),
			{ { 0, { UNWIND_CFA_PLT, 0, 0, 11 << 8 | 8 } } } },
		{ "PLT with endbr", CODE("\x0f\x0b\x77\x10\x80\x00\x3f\x1a\x3a\x2a\x33\x24\x22"),
			{ { 0, { UNWIND_CFA_PLT, 0, 0, 10 << 8 | 16 } } } },
		{ "deref rbp", CODE("\x0f\x03\x76\x78\x06"),
			{ { 0, { UNWIND_CFA_DEREF_RBP, 0, 0, DEREF(0, -8) } } } },
		{ "deref rsp", CODE("\x0f\x05\x77\x28\x06\x23\x08"),
			{ { 0, { UNWIND_CFA_DEREF_RSP, 0, 0, DEREF(8, 40) } } } },
		{ "deref indexed", CODE("\x0f\x0a\x77\x08\x79\x00\x38\x1e\x22\x06\x23\x08"),
			{ { 0, { UNWIND_CFA_LEAF_INDEX + 9, 0, 0, DEREF(8, 8) } } } },
		{ "breg only", CODE("\x0f\x02\x77\x18"), { { 0, RSP(24) } } },
		{ "another expression", CODE("\x0f\x03\x77\x08\x1f"), { { 0, WHY(EXPRESSION) } } },
		{ "empty expression", CODE("\x0f\x00"), { { 0, WHY(EXPRESSION) } } },
		{ "cut expression", CODE("\x0f\x04\x77\x08\x06\x23"), { { 0, WHY(EXPRESSION) } } },
		{ "deref too far", CODE("\x0f\x05\x77\x80\x80\x04\x06"),
			{ { 0, WHY(EXPRESSION) } } },
		{ "register behind an expression",
			CODE("\x0e\x38\x41\x0f\x05\x77\x28\x06\x23\x08\x41\x0d\x07"),
			{ { 0, RSP(56) }, { 1, { UNWIND_CFA_DEREF_RSP, 0, 0, DEREF(8, 40) } },
				{ 2, RSP(56) } } },
	};

	(void)state;
	check_all(given, sizeof(given) / sizeof(given[0]));
}

static void every_way_to_say_rbp_is_followed(void **state)
{
#define BP(kind, o)                                            \
	{                                                      \
		{                                              \
			0,                                     \
			{                                      \
				UNWIND_CFA_RSP, (kind), (o), 8 \
			}                                      \
		}                                              \
	}
	static const struct given given[] = {
		{ "offset", CODE("\x86\x02"), BP(UNWIND_BP_AT_CFA, -16) },
		{ "offset_extended", CODE("\x05\x06\x02"), BP(UNWIND_BP_AT_CFA, -16) },
		{ "offset_extended_sf", CODE("\x11\x06\x7e"), BP(UNWIND_BP_AT_CFA, 16) },
		{ "GNU_negative_offset_extended", CODE("\x2f\x06\x03"), BP(UNWIND_BP_AT_CFA, 24) },
		{ "too far", CODE("\x05\x06\x80\x80\x04"), BP(UNWIND_BP_UNKNOWN, 0) },
		{ "val_offset", CODE("\x14\x06\x02"), BP(UNWIND_BP_IS_CFA, -16) },
		{ "val_offset_sf", CODE("\x15\x06\x7e"), BP(UNWIND_BP_IS_CFA, 16) },
		{ "undefined", CODE("\x07\x06"), BP(UNWIND_BP_UNDEFINED, 0) },
		{ "same_value", CODE("\x86\x02\x08\x06"), BP(UNWIND_BP_SAME, 0) },
		{ "restore", CODE("\x86\x02\xc6"), BP(UNWIND_BP_SAME, 0) },
		{ "restore_extended", CODE("\x86\x02\x06\x06"), BP(UNWIND_BP_SAME, 0) },
		{ "register", CODE("\x09\x06\x0b"), BP(UNWIND_BP_LEAF + 11, 0) },
		{ "its own register", CODE("\x09\x06\x06"), BP(UNWIND_BP_SAME, 0) },
		{ "xmm register", CODE("\x09\x06\x14"), BP(UNWIND_BP_UNKNOWN, 0) },
		{ "at rbp", CODE("\x10\x06\x02\x76\x70"), BP(UNWIND_BP_AT_RBP, -16) },
		{ "at rsp", CODE("\x10\x06\x02\x77\x10"), BP(UNWIND_BP_AT_RSP, 16) },
		{ "at another", CODE("\x10\x06\x02\x73\x10"), BP(UNWIND_BP_UNKNOWN, 0) },
		{ "val_expression", CODE("\x16\x06\x02\x76\x00"), BP(UNWIND_BP_UNKNOWN, 0) },
		{ "another register's", CODE("\x83\x02\x10\x0c\x02\x76\x70\x09\x0f\x06"),
			BP(UNWIND_BP_SAME, 0) },
		{ "operands of the others", CODE("\x2d\x2e\x86\x01\x86\x03"),
			BP(UNWIND_BP_AT_CFA, -24) },
	};

	(void)state;
	check_all(given, sizeof(given) / sizeof(given[0]));
}

static void a_return_address_elsewhere_is_noticed(void **state)
{
	static const struct given given[] = {
		{ "undefined", CODE("\x07\x10"), { { 0, END } } },
		{ "restored", CODE("\x07\x10\x41\xd0"), { { 0, END }, { 1, RSP(8) } } },
		{ "restore_extended", CODE("\x07\x10\x41\x06\x10"), { { 0, END }, { 1, RSP(8) } } },
		{ "in a register", CODE("\x0e\x00\x09\x10\x05"),
			{ { 0, { UNWIND_CFA_LEAF_RA + 5, 0, 0, 0 } } } },
		{ "in a register, CFA by another", CODE("\x0c\x05\x00\x09\x10\x01"),
			{ { 0, WHY(RETURN) } } },
		{ "at another place", CODE("\x90\x02"), { { 0, WHY(RETURN) } } },
		{ "same_value", CODE("\x08\x10"), { { 0, WHY(RETURN) } } },
		{ "val_offset", CODE("\x14\x10\x01"), { { 0, WHY(RETURN) } } },
		{ "expression", CODE("\x10\x10\x02\x77\x00"), { { 0, WHY(RETURN) } } },
		{ "rsp elsewhere", CODE("\x09\x07\x08"), { { 0, WHY(RETURN) } } },
		{ "rsp is the CFA", CODE("\x14\x07\x00"), { { 0, RSP(8) } } },
		{ "rsp above the CFA", CODE("\x15\x07\x7f"), { { 0, WHY(RETURN) } } },
	};

	(void)state;
	check_all(given, sizeof(given) / sizeof(given[0]));
}

static void a_state_comes_back_whole(void **state)
{
	static const struct given given[] = {
		{ "remember", CODE("\x0e\x10\x86\x02\x0a\x41\x0c\x06\x20\xc6\x07\x10\x41\x0b"),
			{ { 0, { UNWIND_CFA_RSP, UNWIND_BP_AT_CFA, -16, 16 } }, { 1, END },
				{ 2, { UNWIND_CFA_RSP, UNWIND_BP_AT_CFA, -16, 16 } } } },
		{ "nested", CODE("\x0a\x0e\x10\x0a\x0e\x18\x41\x0b\x41\x0b"),
			{ { 0, RSP(24) }, { 1, RSP(16) }, { 2, RSP(8) } } },
	};

	(void)state;
	check_all(given, sizeof(given) / sizeof(given[0]));
}

static void what_is_broken_is_unknown_from_there_on(void **state)
{
	static char many[66] = { 0 };
	struct given given[] = {
		{ "no such instruction", CODE("\x41\x3e"), { { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
		{ "nothing remembered", CODE("\x41\x0b"), { { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
		{ "operand missing", CODE("\x41\x0e\x10\x41\x0e"),
			{ { 0, RSP(8) }, { 1, RSP(16) }, { 2, WHY(BROKEN) } } },
		{ "block too long", CODE("\x41\x0f\x7f\x77"),
			{ { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
		{ "block of 2^64-1 bytes", CODE("\x41\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
			{ { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
		{ "advance cut", CODE("\x41\x0e\x10\x04\x00"),
			{ { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
		{ "advance over the top", CODE("\x41\x0e\x10\x1d\xff\xff\xff\xff\xff\xff\xff\xff"),
			{ { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
		{ "too many remembered", many, sizeof(many),
			{ { 0, RSP(8) }, { 1, WHY(BROKEN) } } },
	};

	(void)state;
	memset(many, 0x0a, sizeof(many));
	many[0] = 0x41;
	check_all(given, sizeof(given) / sizeof(given[0]));
}

static void a_signal_trampoline_is_known_by_its_places(void **state)
{
	static const char whole[] = "\x0f\x04\x77\xa0\x01\x06\x10\x10\x03\x77\xa8\x01\x10\x06\x03"
				    "\x77\xf8\x00";
	static const char moved[] = "\x0f\x04\x77\xa8\x01\x06\x10\x10\x03\x77\xb0\x01\x10\x06\x03"
				    "\x77\x80\x01";
	static struct cfi_image m;
	struct unwind_table t;

	(void)state;
	cfi_image_init(&m, true);
	cfi_cie(&m, 1, "zRS", "\x1b", 1, CODE(CFI_USUAL));
	m.encoding = 0x1b;
	cfi_fde(&m, AT, 0x10, CODE(whole));
	cfi_fde(&m, AT + 0x10, 0x10, CODE(moved));
	cfi_cie(&m, 1, "zR", "\x1b", 1, CODE(CFI_USUAL));
	m.encoding = 0x1b;
	cfi_fde(&m, AT + 0x20, 0x10, CODE(whole));
	assert_int_equal(unwind_table_build(cfi_elf(&m), NULL, 1000, &t), 0);
	check(&t, "whole", AT, &(struct unwind_rule_entry){ .cfa = UNWIND_CFA_SIGRET });
	check(&t, "moved", AT + 0x10, &(struct unwind_rule_entry)WHY(RETURN));
	check(&t, "not marked", AT + 0x20, &(struct unwind_rule_entry)WHY(RETURN));
	unwind_table_deinit(&t);
}

static void what_the_cie_says_first_holds(void **state)
{
	static const struct {
		const char *initial;
		size_t n;
		struct unwind_rule_entry rule, restored;
	} given[] = {
		{ CODE("\x0c\x07\x08\x07\x10"), END, END },
		{ CODE("\x0c\x07\x08"), WHY(RETURN), WHY(RETURN) },
		{ CODE("\x0c\x07\x08\x09\x10\x02"), { UNWIND_CFA_LEAF_RA + 2, 0, 0, 8 },
			{ UNWIND_CFA_LEAF_RA + 2, 0, 0, 8 } },
		{ CODE("\x0c\x07\x10\x90\x02"), WHY(RETURN), WHY(RETURN) },
		{ CODE("\x90\x01"), WHY(REGISTER), WHY(REGISTER) },
		{ CODE("\x0c\x07\x10\x90\x01\x86\x02"),
			{ UNWIND_CFA_RSP, UNWIND_BP_AT_CFA, -16, 16 },
			{ UNWIND_CFA_RSP, UNWIND_BP_AT_CFA, -16, 16 } },
	};
	static struct cfi_image m;
	struct unwind_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		cfi_image_init(&m, true);
		cfi_cie(&m, 1, "", NULL, 0, given[i].initial, given[i].n);
		cfi_fde(&m, AT, 0x10, CODE("\x44\x86\x04\x44\xc6\xd0"));
		assert_int_equal(unwind_table_build(cfi_elf(&m), NULL, 1000, &t), 0);
		check(&t, "first", AT, &given[i].rule);
		check(&t, "restored", AT + 8, &given[i].restored);
		unwind_table_deinit(&t);
	}
}

/* Only in a shared object, as its dynamic table says, in which something finds its CFA by rbx. */
static void where_a_cfa_is_by_rbx_the_other_rules_tell_of_rbx(void **state)
{
	static const struct given given[] = {
		{ "same", CODE("\x0e\x18"),
			{ { 0, { UNWIND_CFA_RSP_KEEPS, 0, 0, DEREF(0, 24) } } } },
		{ "saved", CODE("\x0e\x18\x83\x03\x41\xc3"),
			{ { 0, { UNWIND_CFA_RSP_KEEPS, 0, 0, DEREF(-24, 24) } },
				{ 1, { UNWIND_CFA_RSP_KEEPS, 0, 0, DEREF(0, 24) } } } },
		{ "by rbp", CODE("\x0c\x06\x10\x86\x02\x83\x05"),
			{ { 0, { UNWIND_CFA_RBP_KEEPS, UNWIND_BP_AT_CFA, -16,
				       DEREF(-40, 16) } } } },
		{ "undefined", CODE("\x07\x03"), { { 0, RSP(8) } } },
		{ "elsewhere", CODE("\x10\x03\x02\x77\x10"), { { 0, RSP(8) } } },
		{ "saved too far", CODE("\x05\x03\x80\x80\x04"), { { 0, RSP(8) } } },
		{ "a large frame", CODE("\x0e\x80\x80\x02\x83\x03"), { { 0, RSP(32768) } } },
		{ "through memory", CODE("\x0f\x03\x76\x78\x06"),
			{ { 0, { UNWIND_CFA_DEREF_RBP, 0, 0, DEREF(0, -8) } } } },
	};
	static const struct unwind_rule_entry by_rbx = { UNWIND_CFA_LEAF + 3, 0, 0, 32 };
	static const Elf64_Dyn dynamic[] = { { .d_tag = DT_NEEDED }, { .d_tag = DT_SONAME } };
	static struct cfi_image m;
	struct unwind_table t;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(given) / sizeof(given[0]); i++) {
		const struct given *g = &given[i / 2];
		bool is_program = i % 2;

		cfi_image_init(&m, true);
		cfi_cie(&m, 1, "zR", "\x1b", 1, CODE(CFI_USUAL));
		m.encoding = 0x1b;
		cfi_fde(&m, AT, 0x10, g->program, g->n);
		cfi_fde(&m, AT + 0x10, 0x10, CODE("\x0c\x03\x20\x83\x04"));
		memcpy(m.bytes, dynamic, sizeof(dynamic));
		m.segments[1] = (struct elf_segment){ .type = PT_DYNAMIC,
			.filesz = is_program ? sizeof(dynamic[0]) : sizeof(dynamic) };
		(void)cfi_elf(&m);
		m.elf.n_segments = 2;
		assert_int_equal(unwind_table_build(&m.elf, NULL, 1000, &t), 0);
		check(&t, g->what, AT + 0x10, &by_rbx);
		if (is_program)
			assert_true(unwind_table_lookup(&t, AT)->cfa < UNWIND_CFA_RSP_KEEPS);
		else
			check(&t, g->what, AT, &g->expected[0].rule);
		if (!is_program && g->expected[1].offset > 0)
			check(&t, g->what, AT + 1, &g->expected[1].rule);
		assert_int_equal(t.stats.overlapping, 0);
		unwind_table_deinit(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_advance_moves_on),
		cmocka_unit_test(set_loc_is_an_address),
		cmocka_unit_test(every_way_to_say_the_cfa_is_followed),
		cmocka_unit_test(every_way_to_say_rbp_is_followed),
		cmocka_unit_test(a_return_address_elsewhere_is_noticed),
		cmocka_unit_test(a_state_comes_back_whole),
		cmocka_unit_test(what_is_broken_is_unknown_from_there_on),
		cmocka_unit_test(a_signal_trampoline_is_known_by_its_places),
		cmocka_unit_test(what_the_cie_says_first_holds),
		cmocka_unit_test(where_a_cfa_is_by_rbx_the_other_rules_tell_of_rbx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
