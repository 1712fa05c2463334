/* SPDX-License-Identifier: Apache-2.0 */
/* Tables out of files of every form: order, borders, pages, bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <zlib.h>
#include "cfi_image.h"
#include "image/unwind_table_rows.h"

#define AT	(CFI_BASE + 0x100)
#define CODE(s) (s), sizeof(s) - 1

static struct cfi_image image, other;

static void usual(struct cfi_image *m, bool is_eh)
{
	cfi_image_init(m, is_eh);
	cfi_cie(m, 1, is_eh ? "zR" : "", "\x1b", 1, CODE(CFI_USUAL));
	m->encoding = is_eh ? 0x1b : 0;
}

/* A function whose CFA is rsp + offset from its first instruction on. */
static void function(struct cfi_image *m, uint64_t start, uint64_t size, uint8_t offset)
{
	uint8_t program[] = { 0x0e, offset };

	cfi_fde(m, start, size, program, sizeof(program));
}

static struct unwind_table build(struct cfi_image *m)
{
	struct unwind_table t;

	assert_int_equal(unwind_table_build(cfi_elf(m), NULL, 1000, &t), 0);
	return t;
}

/* The CFA's offset from rsp; 0: no rule. */
static int at(const struct unwind_table *t, uint64_t pc)
{
	const struct unwind_rule_entry *r = unwind_table_lookup(t, pc);

	if (r->cfa == UNWIND_CFA_NONE)
		return 0;
	assert_int_equal(r->cfa, UNWIND_CFA_RSP);
	return r->cfa_offset;
}

static void functions_are_found_in_any_order(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	for (unsigned i = 0; i < 100; i++) {
		unsigned k = i * 37 % 100;

		function(&image, AT + k * 16, 16, (uint8_t)(k + 8));
	}
	t = build(&image);
	for (unsigned k = 0; k < 100; k++) {
		assert_int_equal(at(&t, AT + k * 16), k + 8);
		assert_int_equal(at(&t, AT + k * 16 + 15), k + 8);
	}
	assert_int_equal(at(&t, AT - 1), 0);
	assert_int_equal(at(&t, AT + 1600), 0);
	assert_int_equal(t.stats.eh_fdes, 100);
	unwind_table_deinit(&t);
}

static void equal_rules_of_neighbours_are_one_row(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	for (unsigned i = 0; i < 50; i++)
		function(&image, AT + i * 16, 16, 16);
	t = build(&image);
	/* sentinel, the row, the end */
	assert_int_equal(t.n_rows, 3);
	unwind_table_deinit(&t);
}

static void a_function_ends_where_the_next_begins(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x100, 16);
	function(&image, AT + 0x40, 0x20, 24);
	function(&image, AT + 0x40, 0x30, 32); /* the second at one address is not taken */
	function(&image, AT + 0x200, 0, 40);   /* nor one of no size */
	image.bytes[0x160] = 0x55;	       /* no padding */
	t = build(&image);
	assert_int_equal(at(&t, AT + 0x3f), 16);
	assert_int_equal(at(&t, AT + 0x40), 24);
	assert_int_equal(at(&t, AT + 0x5f), 24);
	assert_int_equal(at(&t, AT + 0x60), 0);
	assert_int_equal(at(&t, AT + 0x200), 0);
	assert_int_equal(t.stats.overlapping, 2);
	unwind_table_deinit(&t);
}

static void only_padding_keeps_the_rule_before_it(void **state)
{
	static const char nops[] = "\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x40\x00"
				   "\x66\x90\x0f\x1f\x04\x25\x00\x00\x00\x00\x90\xcc\x00";
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x10, 16);
	function(&image, AT + 0x40, 0x10, 24);	/* 48 bytes of int3 before it */
	function(&image, AT + 0x80, 0x10, 32);	/* nops, and a hlt */
	function(&image, AT + 0xb0, 0x10, 40);	/* nops */
	function(&image, AT + 0x110, 0x10, 48); /* 80 bytes of int3: more than padding is */
	memcpy(image.bytes + 0x150, nops, sizeof(nops) - 1);
	image.bytes[0x16f] = 0xf4;
	memcpy(image.bytes + 0x190, nops, sizeof(nops) - 1);
	t = build(&image);
	assert_int_equal(at(&t, AT + 0x3f), 16);
	assert_int_equal(at(&t, AT + 0x4f), 24);
	assert_int_equal(at(&t, AT + 0x50), 0);
	assert_int_equal(at(&t, AT + 0x7f), 0);
	assert_int_equal(at(&t, AT + 0xaf), 32);
	assert_int_equal(at(&t, AT + 0xbf), 40);
	assert_int_equal(at(&t, AT + 0xc0), 0);
	assert_int_equal(at(&t, AT + 0x110), 48);
	unwind_table_deinit(&t);
}

static void a_trampoline_is_found_by_its_code(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x10, 16);
	function(&image, AT + 0x100, 0x10, 24);
	memcpy(image.bytes + 0x140, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 9);
	t = build(&image);
	/* The return address into it is looked up by the byte before. */
	assert_int_equal(at(&t, AT + 0x3e), 0);
	assert_int_equal(unwind_table_lookup(&t, AT + 0x3f)->cfa, UNWIND_CFA_SIGRET);
	assert_int_equal(unwind_table_lookup(&t, AT + 0x48)->cfa, UNWIND_CFA_SIGRET);
	assert_int_equal(at(&t, AT + 0x49), 0);
	assert_int_equal(t.stats.trampolines, 1);
	unwind_table_deinit(&t);
}

/* sub $8, %rsp; add $8, %rsp; ret */
static void code_between_functions_that_shows_its_way_back_has_rows(void **state)
{
	static const char fini[] = "\x48\x83\xec\x08\x48\x83\xc4\x08\xc3";
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x20, 16);
	function(&image, AT + 0x40, 0x20, 24);
	function(&image, AT + 0x80, 0x20, 24);
	memcpy(&image.bytes[0x120], fini, sizeof(fini) - 1);
	memcpy(&image.bytes[0x160], fini, sizeof(fini) - 1);
	image.bytes[0x169] = 0xf4; /* hlt */
	t = build(&image);
	assert_int_equal(t.stats.known_gaps, 1);
	assert_int_equal(at(&t, AT + 0x1f), 16);
	assert_int_equal(at(&t, AT + 0x20), 8);
	assert_int_equal(at(&t, AT + 0x24), 16);
	assert_int_equal(at(&t, AT + 0x28), 8);
	assert_int_equal(at(&t, AT + 0x40), 24);
	assert_int_equal(at(&t, AT + 0x60), 0);
	assert_int_equal(at(&t, AT + 0x64), 0);
	unwind_table_deinit(&t);
}

static void rows_are_found_across_pages(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	/* [0xff0, 0x2000): changes at the last byte of page 0 and the first of page 1 */
	cfi_fde(&image, CFI_BASE + 0xff0, 0x1010, CODE("\x4f\x0e\x10\x41\x0e\x18"));
	t = build(&image);
	assert_int_equal(t.base, CFI_BASE);
	assert_int_equal(at(&t, CFI_BASE + 0xff0), 8);
	assert_int_equal(at(&t, CFI_BASE + 0xffe), 8);
	assert_int_equal(at(&t, CFI_BASE + 0xfff), 16);
	assert_int_equal(at(&t, CFI_BASE + 0x1000), 24);
	assert_int_equal(at(&t, CFI_BASE + 0x1fff), 24);
	assert_int_equal(at(&t, CFI_BASE + 0x2000), 0);
	assert_int_equal(at(&t, CFI_BASE - 1), 0);
	assert_int_equal(at(&t, UINT64_MAX), 0);
	unwind_table_deinit(&t);
}

static void a_table_ends_at_its_budget(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	for (unsigned i = 0; i < 50; i++)
		function(&image, AT + i * 16, 16, (uint8_t)(i + 8));
	assert_int_equal(unwind_table_build(cfi_elf(&image), NULL, 11, &t), 0);
	assert_true(t.truncated);
	assert_int_equal(t.n_rows, 11);
	assert_int_equal(at(&t, AT + 8 * 16 + 15), 16);
	assert_int_equal(at(&t, AT + 9 * 16), 0);
	assert_int_equal(at(&t, AT + 49 * 16), 0);
	unwind_table_deinit(&t);
}

static void code_above_4_gib_counts_from_its_first_page(void **state)
{
	struct elf_segment segments[2];
	struct unwind_table t;
	struct elf e;

	(void)state;
	cfi_image_init(&image, false);
	cfi_cie(&image, 1, "", NULL, 0, CODE(CFI_USUAL));
	function(&image, 0x7f0000000100ULL, 0x40, 16);
	e = *cfi_elf(&image);
	segments[0] = segments[1] = e.segments[0];
	segments[0].vaddr = 0x7f0000000080ULL;
	segments[1].vaddr = 0x7f00ffff0000ULL;
	segments[1].filesz = 0x100;
	e.segments = segments;
	e.n_segments = 2;
	assert_int_equal(unwind_table_build(&e, NULL, 1000, &t), 0);
	assert_int_equal(t.base, 0x7f0000000000ULL);
	assert_int_equal(at(&t, 0x7f000000013fULL), 16);
	unwind_table_deinit(&t);
	segments[1].vaddr = 0x7f0100000000ULL;
	assert_int_equal(unwind_table_build(&e, NULL, 1000, &t), -EFBIG);
	segments[1].vaddr = UINT64_MAX - 4096;
	assert_int_equal(unwind_table_build(&e, NULL, 1000, &t), -EFBIG);
}

static void what_is_not_code_has_no_rows(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x10, 16);
	function(&image, CFI_BASE - 0x100, 0x20, 24);	   /* before */
	function(&image, CFI_BASE + 0x20000, 0x100, 32);   /* behind */
	function(&image, CFI_BASE + 0x1f00, 0x100000, 40); /* reaches out */
	t = build(&image);
	assert_int_equal(t.stats.outside, 3);
	assert_int_equal(at(&t, AT), 16);
	assert_int_equal(at(&t, CFI_BASE + 0x1f00), 0);
	unwind_table_deinit(&t);
	image.elf.segments[0].flags = PF_R;
	assert_int_equal(unwind_table_build(&image.elf, NULL, 1000, &t), -ENODATA);
	image.elf.segments[0].flags = PF_R | PF_X;
	image.elf.machine = EM_AARCH64;
	assert_int_equal(unwind_table_build(&image.elf, NULL, 1000, &t), -EOPNOTSUPP);
}

static void every_augmentation_is_read(void **state)
{
	static const struct {
		const char *letters;
		const char *extra;
		size_t n;
		int found;
	} given[] = {
		{ "", "", 0, 16 }, { "eh", "", 0, 16 }, { "z", "", 0, 16 },
		{ "zR", CODE("\x00"), 16 }, { "zPLR", CODE("\x9b\1\2\3\4\x1b\x00"), 16 },
		{ "zPR", CODE("\x00\1\2\3\4\5\6\7\x08\x00"), 16 },
		{ "zLPR", CODE("\x1b\x04\1\2\3\4\5\6\7\x08\x00"), 16 },
		{ "zRSB", CODE("\x00"), 16 },
		{ "zR", CODE("\x00\1\2\3"), 16 }, /* more data than letters */
		{ "z?R", CODE("\1\2\3"), 16 },	  /* what is not known ends the letters */
		{ "zR", CODE("\xff"), 0 },	  /* no address at all */
		{ "zPR", CODE("\x00\1\2\3"), 0 }, /* data too short */
		{ "armcc+", "", 0, 0 },		  /* nobody knows how long it is */
	};
	struct unwind_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		cfi_image_init(&image, true);
		cfi_cie(&image, 1, given[i].letters, given[i].extra, given[i].n, CODE(CFI_USUAL));
		function(&image, AT, 0x10, 16);
		cfi_cie(&image, 1, "", NULL, 0, CODE(CFI_USUAL));
		function(&image, AT + 0x100, 0x10, 24);
		t = build(&image);
		assert_int_equal(at(&t, AT), given[i].found);
		assert_int_equal(at(&t, AT + 0x100), 24);
		assert_int_equal(t.stats.bad_records, given[i].found ? 0 : 2);
		unwind_table_deinit(&t);
	}
}

static void every_encoding_of_an_address_is_read(void **state)
{
	static const struct {
		uint8_t encoding, n;
		uint64_t address; /* what is written; relative ones: to what is added */
		uint64_t base;
	} given[] = {
		{ 0x00, 8, AT, 0 }, { 0x03, 4, AT, 0 }, { 0x04, 8, AT, 0 }, { 0x0b, 4, AT, 0 },
		{ 0x0c, 8, AT, 0 }, { 0x1c, 8, AT, CFI_FRAMES }, { 0x1b, 4, AT, CFI_FRAMES },
		{ 0x13, 4, AT + (1ULL << 32),
			CFI_FRAMES },		  /* unsigned: cannot go back; see below */
		{ 0x2b, 4, AT, CFI_BASE + 0x40 }, /* .text */
		{ 0x3b, 4, AT, CFI_BASE + 0x80 }, /* .got */
		{ 0x50, 8, AT, 0 },		  /* aligned */
		{ 0x80, 8, CFI_BASE + 8, 0 },	  /* by a pointer in memory */
	};
	struct unwind_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		struct elf_section sections[3];
		uint64_t pointer = AT, base = given[i].base;
		uint8_t extra[] = { given[i].encoding };
		size_t fde;
		struct elf e;

		cfi_image_init(&image, true);
		memcpy(image.bytes + 8, &pointer, 8);
		cfi_cie(&image, 1, "zR", extra, 1, CODE(CFI_USUAL));
		fde = cfi_fde_begin(&image);
		if (base == CFI_FRAMES)
			base += image.n;
		if (given[i].encoding == 0x50)
			cfi_put(&image, "\0\0\0\0\0\0\0", (8 - image.n % 8) % 8);
		cfi_put_int(&image, given[i].address - base, given[i].n);
		if (given[i].encoding == 0x50)
			cfi_put_int(&image, 0x10, 8);
		else
			cfi_put_int(&image, 0x10, given[i].n);
		cfi_put(&image, CODE("\x00\x0e\x10"));
		cfi_end(&image, fde);
		cfi_cie(&image, 1, "", NULL, 0, CODE(CFI_USUAL));
		function(&image, AT + 0x100, 0x10, 24);
		e = *cfi_elf(&image);
		sections[0] = image.section;
		sections[1] = (struct elf_section){ .name = ".text", .addr = CFI_BASE + 0x40 };
		sections[2] = (struct elf_section){ .name = ".got", .addr = CFI_BASE + 0x80 };
		e.sections = sections;
		e.n_sections = 3;
		assert_int_equal(unwind_table_build(&e, NULL, 1000, &t), 0);
		/* An unsigned 32-bit distance back ends 4 GiB above. */
		assert_int_equal(at(&t, AT), given[i].encoding == 0x13 ? 0 : 16);
		assert_int_equal(at(&t, AT + 0x100), 24);
		unwind_table_deinit(&t);
	}
}

static void debug_frame_of_every_version_is_read(void **state)
{
	static const struct {
		uint8_t version;
		bool wide;
	} given[] = { { 1, false }, { 3, false }, { 4, false }, { 3, true }, { 4, true } };
	struct unwind_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		cfi_image_init(&image, false);
		image.wide = given[i].wide;
		cfi_cie(&image, given[i].version, "", NULL, 0, CODE(CFI_USUAL));
		function(&image, AT, 0x10, 16);
		t = build(&image);
		assert_int_equal(at(&t, AT), 16);
		assert_int_equal(t.stats.debug_fdes, 1);
		unwind_table_deinit(&t);
	}
	cfi_image_init(&image, false);
	cfi_cie(&image, 2, "", NULL, 0, CODE(CFI_USUAL));
	function(&image, AT, 0x10, 16);
	assert_int_equal(unwind_table_build(cfi_elf(&image), NULL, 1000, &t), -ENODATA);
}

static void a_debug_file_fills_in_also_compressed(void **state)
{
	static uint8_t packed[0x1000];
	Elf64_Chdr *head = (Elf64_Chdr *)packed;
	uLongf n = sizeof(packed) - sizeof(*head);
	struct unwind_table t;
	struct elf debug;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x10, 16);
	usual(&other, false);
	function(&other, AT, 0x10, 40); /* the file's own word counts */
	function(&other, AT + 0x100, 0x10, 24);
	assert_int_equal(unwind_table_build(cfi_elf(&image), cfi_elf(&other), 1000, &t), 0);
	assert_int_equal(at(&t, AT), 16);
	assert_int_equal(at(&t, AT + 0x100), 24);
	unwind_table_deinit(&t);

	assert_int_equal(
		compress(packed + sizeof(*head), &n, other.bytes + CFI_CODE_N, other.n), Z_OK);
	*head = (Elf64_Chdr){ .ch_type = ELFCOMPRESS_ZLIB, .ch_size = other.n };
	debug = other.elf;
	debug.data = packed;
	debug.n = sizeof(packed);
	debug.sections[0].flags = SHF_COMPRESSED;
	debug.sections[0].offset = 0;
	debug.sections[0].size = n + sizeof(*head);
	assert_int_equal(unwind_table_build(cfi_elf(&image), &debug, 1000, &t), 0);
	assert_int_equal(at(&t, AT + 0x100), 24);
	unwind_table_deinit(&t);
}

static void without_section_headers_the_segment_says_where(void **state)
{
	struct unwind_table t;
	int32_t distance;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x10, 16);
	cfi_put_int(&image, 0, 4); /* the end; then what is no call frame information */
	cfi_put(&image, "\x10\0\0\0junkjunkjunkjunk", 20);
	memcpy(image.bytes, "\x01\x1b\xff\xff", 4);
	distance = (int32_t)(CFI_CODE_N - 4);
	memcpy(image.bytes + 4, &distance, 4);
	(void)cfi_elf(&image);
	image.elf.n_sections = 0;
	image.elf.n_segments = 2;
	image.segments[1] = (struct elf_segment){ .type = PT_GNU_EH_FRAME, .vaddr = CFI_BASE };
	assert_int_equal(unwind_table_build(&image.elf, NULL, 1000, &t), 0);
	assert_int_equal(at(&t, AT), 16);
	assert_int_equal(t.stats.bad_records, 0);
	unwind_table_deinit(&t);
}

static void the_section_goes_on_behind_a_record_of_no_length(void **state)
{
	struct unwind_table t;

	(void)state;
	usual(&image, true);
	function(&image, AT, 0x10, 16);
	cfi_put_int(&image, 0, 4);
	function(&image, AT + 0x100, 0x10, 24);
	t = build(&image);
	assert_int_equal(at(&t, AT + 0x100), 24);
	unwind_table_deinit(&t);
}

/* More different rules than a file may have: what comes too late is unknown, not wrong. */
static void rules_that_have_no_id_are_unknown(void **state)
{
	static struct unwind_rows rows;
	struct unwind_rule_entry rule = { .cfa = UNWIND_CFA_RSP };
	uint32_t pages, n;

	(void)state;
	assert_int_equal(unwind_rows_init(&rows, CFI_BASE, CFI_BASE + 0x100000, 1000000), 0);
	for (n = 0; n < UNWIND_ROWS_RULES + 10; n++) {
		rule.cfa_offset = (int)n;
		assert_int_equal(unwind_rows_add(&rows, CFI_BASE + n, rule), 0);
	}
	assert_int_equal(unwind_rows_finish(&rows, &pages), 0);
	assert_int_equal(pages, 16);
	assert_int_equal(rows.rules.n, UNWIND_ROWS_RULES);
	n = *ARRAY_AT(&rows.rows, uint32_t, rows.n_rows - 1) & UNWIND_ROW_RULE;
	assert_int_equal(
		ARRAY_AT(&rows.rules, struct unwind_rule_entry, n)->cfa, UNWIND_CFA_UNKNOWN);
	assert_int_equal(ARRAY_AT(&rows.rules, struct unwind_rule_entry, n)->cfa_offset,
		UNWIND_UNKNOWN_RULES);
	unwind_rows_deinit(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_in_any_order),
		cmocka_unit_test(equal_rules_of_neighbours_are_one_row),
		cmocka_unit_test(a_function_ends_where_the_next_begins),
		cmocka_unit_test(only_padding_keeps_the_rule_before_it),
		cmocka_unit_test(a_trampoline_is_found_by_its_code),
		cmocka_unit_test(code_between_functions_that_shows_its_way_back_has_rows),
		cmocka_unit_test(rows_are_found_across_pages),
		cmocka_unit_test(a_table_ends_at_its_budget),
		cmocka_unit_test(code_above_4_gib_counts_from_its_first_page),
		cmocka_unit_test(what_is_not_code_has_no_rows),
		cmocka_unit_test(every_augmentation_is_read),
		cmocka_unit_test(every_encoding_of_an_address_is_read),
		cmocka_unit_test(debug_frame_of_every_version_is_read),
		cmocka_unit_test(a_debug_file_fills_in_also_compressed),
		cmocka_unit_test(without_section_headers_the_segment_says_where),
		cmocka_unit_test(the_section_goes_on_behind_a_record_of_no_length),
		cmocka_unit_test(rules_that_have_no_id_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
