/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files as they are found: split, stripped, cut off, with several segments, from an assembler.
 */
#include "fixture.h"

static const char two_c[] = "volatile int sink;\n"
			    "__attribute__((noinline)) void outer(int x)\n"
			    "{\n"
			    "	for (int i = 0; i < x; i++)\n"
			    "		sink += i * x;\n"
			    "}\n"
			    "int main(void)\n"
			    "{\n"
			    "	outer(10);\n"
			    "	return 0;\n"
			    "}\n";

static void debug_file_of_another_build_is_refused(void **state)
{
	struct loaded l = { 0 };
	struct symbol_identity identity;
	struct symbol_request q = { .source = SYMBOL_SOURCE_ELF, .n_debug = 1 };
	struct answered a;
	uint64_t offset;
	int fds[2];

	(void)state;
	need_tool("gcc");
	need_tool("objcopy");
	write_source("two.c", two_c);
	for (int with_id = 0; with_id < 2; with_id++) {
		const char *id = with_id ? "-Wl,--build-id" : "-Wl,--build-id=none";

		assert_int_equal(run("gcc -O2 -g %s two.c -o reference && "
				     "objcopy --only-keep-debug reference d.debug && "
				     "objcopy -S --add-gnu-debuglink=d.debug reference stripped && "
				     "gcc -O1 -g %s two.c -o other && "
				     "objcopy --only-keep-debug other other.debug",
					 id, id),
			0);
		load(&l, "reference");
		offset = offset_of(&l, symbol_of(&l, "outer", NULL));
		unload(&l);
		ask_elf("stripped", "other.debug", NULL, &offset, 1, &a);
		assert_int_equal(a.error, 0);
		assert_int_equal(a.view.addresses[0].n_lines, 0);
		answered_free(&a);
		fds[0] = open_built("stripped");
		fds[1] = open_built("other.debug");
		assert_int_equal(identify(q, fds, &identity), 0);
		assert_int_equal(identity.debug, UINT32_MAX);
		assert_int_equal(identity.has_dwarf, 0);
		assert_string_equal(identity.debuglink, "d.debug");
		close(fds[1]);
		fds[1] = open_built("d.debug");
		assert_int_equal(identify(q, fds, &identity), 0);
		assert_int_equal(identity.debug, 0);
		assert_int_equal(identity.has_dwarf, 1);
		close(fds[0]);
		close(fds[1]);
	}
}

static void build_id_is_what_readelf_says(void **state)
{
	struct symbol_identity identity;
	char wanted[128] = "", mine[128] = "", command[256];
	FILE *f;
	int fd;

	(void)state;
	need_tool("gcc");
	need_tool("readelf");
	write_source("two.c", two_c);
	assert_int_equal(
		run("gcc -Wl,--build-id two.c -o a && objcopy --only-keep-debug a a.debug"), 0);
	(void)snprintf(command, sizeof(command), "readelf -n %s/a | sed -n 's/.*Build ID: //p'",
		directory);
	f = popen(command, "r");
	assert_non_null(fgets(wanted, sizeof(wanted), f));
	pclose(f);
	wanted[strcspn(wanted, "\n")] = '\0';
	for (int i = 0; i < 2; i++) {
		fd = open_built(i ? "a.debug" : "a");
		assert_int_equal(identify((struct symbol_request){ .source = SYMBOL_SOURCE_ELF },
					 &fd, &identity),
			0);
		close(fd);
		for (uint32_t k = 0; k < identity.build_id_n; k++)
			(void)snprintf(mine + 2 * k, 3, "%02x", identity.build_id[k]);
		assert_string_equal(mine, wanted);
	}
}

static void every_executable_segment_is_found(void **state)
{
	static const char script[] =
		"PHDRS { a PT_LOAD FLAGS(5); b PT_LOAD FLAGS(5); d PT_LOAD FLAGS(6); }\n"
		"SECTIONS {\n"
		" . = 0x10000; .text : { *(.text.one) } :a\n"
		" . = 0x7650000; .text2 : { *(.text.two) *(.text) } :b\n"
		" . = 0x9990000; .data : { *(.data) *(.bss) *(.eh_frame) } :d\n"
		"}\n";
	static const char source[] =
		"__attribute__((section(\".text.one\"))) int one(int x) { return x + 1; }\n"
		"__attribute__((section(\".text.two\"))) int two(int x) { return x + 2; }\n"
		"int _start(void) { return one(1) + two(2); }\n";
	static const char *const names[] = { "one", "two", "_start" };
	struct symbol_identity identity;
	struct loaded l = { 0 };
	struct answered a;
	char mine[256];
	uint64_t offset;
	int fd;

	(void)state;
	need_tool("gcc");
	write_source("segments.ld", script);
	write_source("segments.c", source);
	assert_int_equal(
		run("gcc -O1 -ffreestanding -fno-pie -c segments.c && "
		    "ld -T segments.ld -z noseparate-code segments.o -o segments 2>/dev/null"),
		0);
	load(&l, "segments");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t vaddr = symbol_of(&l, names[i], NULL);

		offset = offset_of(&l, vaddr);
		ask_elf("segments", NULL, NULL, &offset, 1, &a);
		assert_int_equal(a.view.addresses[0].vaddr, vaddr);
		assert_string_equal(describe(&a, 0, true, false, mine, sizeof(mine)), names[i]);
		answered_free(&a);
	}
	unload(&l);
	fd = open_built("segments");
	assert_int_equal(
		identify((struct symbol_request){ .source = SYMBOL_SOURCE_ELF }, &fd, &identity),
		0);
	close(fd);
	assert_int_equal(identity.n_segments, 2);
	assert_int_equal(identity.segments[0].vaddr, 0x10000);
	assert_int_equal(identity.segments[1].vaddr, 0x7650000);
}

static void stripped_functions_have_their_start(void **state)
{
	struct loaded l = { 0 };
	struct answered a;
	uint64_t start, size, offsets[2];

	(void)state;
	need_tool("gcc");
	need_tool("strip");
	write_source("two.c", two_c);
	assert_int_equal(run("gcc -O2 two.c -o whole && strip -o bare whole"), 0);
	load(&l, "whole");
	start = symbol_of(&l, "outer", &size);
	offsets[0] = offset_of(&l, start);
	offsets[1] = offset_of(&l, start + size - 1);
	ask_elf("bare", NULL, NULL, offsets, 2, &a);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(a.view.addresses[i].n_lines, 0);
		assert_int_equal(a.view.addresses[i].function_start, start);
	}
	assert_int_equal(a.view.flags & ANSWER_FULL_SYMBOLS, 0);
	answered_free(&a);
	unload(&l);
}

static void assembler_functions_have_name_and_line(void **state)
{
	static const char source[] = ".text\n.globl sized\n.type sized,@function\nsized:\n nop\n"
				     "inner:\n nop\n ret\n.size sized,.-sized\n"
				     "unsized:\n nop\n ret\n.globl main\nmain:\n ret\n";
	struct loaded l = { 0 };
	struct answered a;
	uint64_t offsets[3];
	char mine[256];

	(void)state;
	need_tool("gcc");
	write_source("asm.s", source);
	assert_int_equal(run("gcc -g asm.s -o asm"), 0);
	load(&l, "asm");
	offsets[0] = offset_of(&l, symbol_of(&l, "sized", NULL)) + 1;
	offsets[1] = offset_of(&l, symbol_of(&l, "unsized", NULL)) + 1;
	offsets[2] = offset_of(&l, symbol_of(&l, "main", NULL));
	ask_elf("asm", NULL, NULL, offsets, 3, &a);
	/* A label without size does not take over the middle of a function that has one. */
	assert_string_equal(describe(&a, 0, true, true, mine, sizeof(mine)), "sized asm.s:7");
	assert_string_equal(describe(&a, 1, true, true, mine, sizeof(mine)), "unsized asm.s:12");
	assert_string_equal(describe(&a, 2, true, true, mine, sizeof(mine)), "main asm.s:15");
	answered_free(&a);
	unload(&l);
}

static void truncation_costs_symbols_only(void **state)
{
	struct loaded l = { 0 };
	struct answered a;
	uint64_t offset;
	char mine[256];

	(void)state;
	need_tool("gcc");
	write_source("two.c", two_c);
	assert_int_equal(run("gcc -O2 -g -gz two.c -o whole"), 0);
	load(&l, "whole");
	offset = offset_of(&l, symbol_of(&l, "outer", NULL));
	for (size_t i = 0; i < 300; i++) {
		char path[128];
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/cut", directory);
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(l.data, 1, l.n * i / 300, f), l.n * i / 300);
		fclose(f);
		ask_elf("cut", NULL, NULL, &offset, 1, &a);
		if (a.error == 0 && a.view.addresses[0].n_lines > 0)
			assert_string_equal(
				describe(&a, 0, true, false, mine, sizeof(mine)), "outer");
		if (a.error != 0)
			assert_true(a.error == -EBADMSG || a.error == -ENODATA);
		answered_free(&a);
	}
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(debug_file_of_another_build_is_refused),
		cmocka_unit_test(build_id_is_what_readelf_says),
		cmocka_unit_test(every_executable_segment_is_found),
		cmocka_unit_test(stripped_functions_have_their_start),
		cmocka_unit_test(assembler_functions_have_name_and_line),
		cmocka_unit_test(truncation_costs_symbols_only),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
