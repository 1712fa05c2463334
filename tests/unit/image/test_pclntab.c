/* SPDX-License-Identifier: Apache-2.0 */
/* Go's function tables in the layouts of 1.16 to 1.27; real programs are in unit/symbol. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "go_table.h"
#include "image/pclntab.h"

static uint8_t table[GO_BYTES];
static struct elf_segment segment = {
	.type = PT_LOAD,
	.flags = PF_R | PF_W | PF_X,
	.vaddr = GO_BASE,
	.filesz = GO_BYTES,
	.memsz = GO_BYTES,
};
static struct elf image = {
	.data = table,
	.n = GO_BYTES,
	.type = ET_EXEC,
	.machine = EM_X86_64,
	.segments = &segment,
	.n_segments = 1,
};

static struct goinfo version(int minor)
{
	struct goinfo go = { .minor = minor };

	(void)snprintf(go.version, sizeof(go.version), "go1.%d", minor);
	return go;
}

static void every_version_has_names_lines_and_inlines(void **state)
{
	(void)state;
	for (int minor = 16; minor <= 27; minor++) {
		struct pclntab_frame f[LIMIT_INLINE_DEPTH];
		struct goinfo go = version(minor);
		struct pclntab t;
		uint64_t start;
		bool has_start = minor >= 20;

		go_table(table, minor);
		assert_int_equal(pclntab_init(&t, &image, &go), 0);
		assert_int_equal(pclntab_lookup(&t, GO_TEXT, f, &start), 1);
		assert_string_equal(f[0].name, "main.outer");
		assert_string_equal(f[0].file, "a.go");
		assert_int_equal(f[0].line, 10);
		assert_int_equal(f[0].start_line, has_start ? 9 : 0);
		assert_int_equal(pclntab_lookup(&t, GO_TEXT + 0x25, f, &start), 2);
		assert_int_equal(start, GO_TEXT);
		assert_string_equal(f[0].name, "main.inlined");
		assert_int_equal(f[0].line, 5);
		assert_int_equal(f[0].start_line, has_start ? 4 : 0);
		assert_string_equal(f[1].name, "main.outer");
		assert_int_equal(f[1].line, 10);
		assert_int_equal(pclntab_lookup(&t, GO_TEXT + 0x30, f, &start), 1);
		assert_int_equal(f[0].line, 12);
		assert_int_equal(pclntab_lookup(&t, GO_TEXT + 0x17f, f, &start), 1);
		assert_string_equal(f[0].name, "main.last");
		assert_string_equal(f[0].file, "b.go");
		assert_int_equal(f[0].line, 37);
		assert_int_equal(start, GO_TEXT + 0x100);
		assert_int_equal(pclntab_lookup(&t, GO_TEXT + 0x180, f, &start), -ENOENT);
		assert_int_equal(pclntab_lookup(&t, GO_TEXT - 1, f, &start), -ENOENT);
		pclntab_deinit(&t);
	}
}

static void unknown_version_has_no_inlines_rather_than_wrong_ones(void **state)
{
	struct pclntab_frame f[LIMIT_INLINE_DEPTH];
	struct goinfo go = version(31);
	struct pclntab t;
	uint64_t start;

	(void)state;
	go_table(table, 27);
	assert_int_equal(pclntab_init(&t, &image, &go), 0);
	assert_int_equal(pclntab_lookup(&t, GO_TEXT + 0x25, f, &start), 1);
	assert_string_equal(f[0].name, "main.outer");
	assert_int_equal(f[0].line, 5);
	pclntab_deinit(&t);
}

static void without_moduledata_the_header_has_the_text_until_it_has_not(void **state)
{
	struct pclntab_frame f[LIMIT_INLINE_DEPTH];
	struct goinfo old = version(22), new = version(26);
	struct pclntab t;
	uint64_t start;

	(void)state;
	go_table(table, 22);
	memset(table + GO_MODULE, 0, 8);
	assert_int_equal(pclntab_init(&t, &image, &old), 0);
	assert_int_equal(pclntab_lookup(&t, GO_TEXT + 0x25, f, &start), 1);
	assert_string_equal(f[0].name, "main.outer");
	pclntab_deinit(&t);
	assert_int_equal(pclntab_init(&t, &image, &new), -EBADMSG);
}

static void circular_inline_tree_ends(void **state)
{
	struct pclntab_frame f[LIMIT_INLINE_DEPTH];
	struct goinfo go = version(22);
	struct pclntab t;
	uint64_t start;

	(void)state;
	go_table(table, 22);
	/* The parent's pc is inside the inlined range itself. */
	go_put32(table + GO_TREE + 8, 0x25);
	assert_int_equal(pclntab_init(&t, &image, &go), 0);
	assert_in_range(pclntab_lookup(&t, GO_TEXT + 0x25, f, &start), 1, LIMIT_INLINE_DEPTH);
	pclntab_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_has_names_lines_and_inlines),
		cmocka_unit_test(unknown_version_has_no_inlines_rather_than_wrong_ones),
		cmocka_unit_test(without_moduledata_the_header_has_the_text_until_it_has_not),
		cmocka_unit_test(circular_inline_tree_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
