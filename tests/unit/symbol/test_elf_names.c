/* SPDX-License-Identifier: Apache-2.0 */
/* Names, lines and inlined calls of C and C++ programs, against binutils' and elfutils' word. */
#include "fixture.h"
#include "image/dwarf.h"

static const char inlines_c[] =
	"volatile unsigned sink;\n"
	"static inline __attribute__((always_inline)) void level3(unsigned x)\n"
	"{\n"
	"	sink = x * 3;\n"
	"	sink += x / 7;\n"
	"}\n"
	"static inline __attribute__((always_inline)) void level2(unsigned x)\n"
	"{\n"
	"	level3(x + 1);\n"
	"	sink ^= x;\n"
	"}\n"
	"static inline __attribute__((always_inline)) void level1(unsigned x)\n"
	"{\n"
	"	for (unsigned i = 0; i < x; i++)\n"
	"		level2(i);\n"
	"}\n"
	"__attribute__((noinline)) void outer(unsigned x)\n"
	"{\n"
	"	level1(x);\n"
	"	sink = 1;\n"
	"	level3(x);\n"
	"}\n"
	"int main(void)\n"
	"{\n"
	"	outer(10);\n"
	"	return 0;\n"
	"}\n";

struct truth {
	char text[64][1024];
};

/* Asks a tool of addr2line's kind for [start, start + n): the words of describe(). */
static void ask_tool(const char *tool, const char *file, uint64_t start, size_t n, bool position,
	struct truth *ret)
{
	char command[4096], line[1024], name[1024] = "";
	size_t used, i = 0;
	bool is_name = true;
	FILE *f;

	used = (size_t)snprintf(
		command, sizeof(command), "cd %s && %s -a -i -f -e %s", directory, tool, file);
	for (size_t k = 0; k < n; k++)
		used += (size_t)snprintf(command + used, sizeof(command) - used, " 0x%lx",
			(unsigned long)(start + k));
	memset(ret, 0, sizeof(*ret));
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *out, *base, *end;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0x", 2) == 0) {
			i++;
			is_name = true;
			continue;
		}
		assert_in_range(i, 1, n);
		out = ret->text[i - 1];
		if (is_name) {
			end = strstr(line, " inlined at");
			if (end)
				*end = '\0';
			(void)snprintf(name, sizeof(name), "%s", line);
		} else {
			end = strstr(line, " (");
			if (end)
				*end = '\0';
			/* eu-addr2line adds the column. */
			if (strncmp(tool, "eu-", 3) == 0 && strrchr(line, ':') != strchr(line, ':'))
				*strrchr(line, ':') = '\0';
			/* binutils for a line that the compiler left out. */
			if (strlen(line) > 2 && strcmp(line + strlen(line) - 2, ":?") == 0)
				strcpy(line + strlen(line) - 1, "0");
			base = strrchr(line, '/');
			used = strlen(out);
			used += (size_t)snprintf(
				out + used, 1024 - used, "%s%s", used ? " < " : "", name);
			if (position)
				(void)snprintf(
					out + used, 1024 - used, " %s", base ? base + 1 : line);
		}
		is_name = !is_name;
	}
	assert_int_equal(pclose(f), 0);
	assert_int_equal(i, n);
}

/* lines: the tool that is asked for positions too; names: a second opinion. */
static void same_as_tools(
	const char *lines, const char *names, const char *file, const char *debug, const char *alt)
{
	struct loaded l = { 0 };
	struct answered a;
	struct truth truth;
	char mine[4096];
	uint64_t start, size, offsets[64];
	size_t deepest = 0;

	load(&l, debug ? "reference" : file);
	start = symbol_of(&l, "outer", &size);
	size = MIN(size, (uint64_t)64);
	for (uint64_t i = 0; i < size; i++)
		offsets[i] = offset_of(&l, start + i);
	ask_elf(file, debug, alt, offsets, size, &a);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.view.flags, ANSWER_FULL_SYMBOLS);
	ask_tool(lines, debug ? "reference" : file, start, size, true, &truth);
	for (uint64_t i = 0; i < size; i++) {
		assert_string_equal(
			describe(&a, i, false, true, mine, sizeof(mine)), truth.text[i]);
		assert_int_equal(a.view.addresses[i].vaddr, start + i);
		assert_int_equal(a.view.addresses[i].function_start, start);
		deepest = MAX(deepest, (size_t)a.view.addresses[i].n_lines);
	}
	assert_in_range(deepest, 4, 4);
	ask_tool(names, debug ? "reference" : file, start, size, false, &truth);
	for (uint64_t i = 0; i < size; i++)
		assert_string_equal(
			describe(&a, i, false, false, mine, sizeof(mine)), truth.text[i]);
	answered_free(&a);
	unload(&l);
}

static void inlined_calls_are_those_of_addr2line(void **state)
{
	static const char *const flags[] = { "-g -no-pie", "-g -pie -fPIE", "-gdwarf-4 -gz",
		"-gdwarf-5 -gz=zlib", "-gdwarf-3", "-g -gz=zlib-gnu" };

	(void)state;
	need_tool("gcc");
	need_tool("eu-addr2line");
	need_tool("addr2line");
	write_source("inlines.c", inlines_c);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		assert_int_equal(run("gcc -O2 %s inlines.c -o inlines", flags[i]), 0);
		same_as_tools("eu-addr2line", "addr2line", "inlines", NULL, NULL);
	}
}

/* clang writes no .debug_aranges, without which elfutils 0.188 finds nothing, and ranges by index,
 * which binutils 2.40 misreads. */
static void inlined_calls_of_clang_are_those_of_llvm(void **state)
{
	static const char llvm[] = "llvm-symbolizer-14 --output-style=GNU";

	(void)state;
	need_tool("clang");
	need_tool("llvm-symbolizer-14");
	write_source("inlines.c", inlines_c);
	assert_int_equal(run("clang -O2 -gdwarf-5 inlines.c -o inlines"), 0);
	same_as_tools(llvm, llvm, "inlines", NULL, NULL);
	assert_int_equal(run("clang -O2 -gdwarf-4 inlines.c -o inlines"), 0);
	same_as_tools(llvm, "addr2line", "inlines", NULL, NULL);
}

static void separate_debug_file_gives_the_same(void **state)
{
	(void)state;
	need_tool("gcc");
	need_tool("objcopy");
	need_tool("eu-addr2line");
	write_source("inlines.c", inlines_c);
	assert_int_equal(run("gcc -O2 -g -Wl,--build-id inlines.c -o reference && "
			     "objcopy --only-keep-debug reference d.debug && "
			     "objcopy -S --add-gnu-debuglink=d.debug reference stripped"),
		0);
	same_as_tools("eu-addr2line", "addr2line", "stripped", "d.debug", NULL);
	/* Without a build-id the debuglink's checksum decides. */
	assert_int_equal(run("gcc -O2 -g -Wl,--build-id=none inlines.c -o reference && "
			     "objcopy --only-keep-debug reference d.debug && "
			     "objcopy -S --add-gnu-debuglink=d.debug reference stripped"),
		0);
	same_as_tools("eu-addr2line", "addr2line", "stripped", "d.debug", NULL);
}

static void dwz_file_completes_the_names(void **state)
{
	struct symbol_identity identity;
	int fd;

	(void)state;
	need_tool("gcc");
	need_tool("dwz");
	need_tool("eu-addr2line");
	write_source("inlines.c", inlines_c);
	assert_int_equal(
		run("gcc -O2 -g -Wl,--build-id inlines.c -o reference && cp reference one && "
		    "gcc -O2 -g -Wl,--build-id -DX inlines.c -o two && "
		    "dwz -m common.debug -M /nonexistent/common.debug one two"),
		0);
	fd = open_built("one");
	assert_int_equal(
		identify((struct symbol_request){ .source = SYMBOL_SOURCE_ELF }, &fd, &identity),
		0);
	close(fd);
	assert_string_equal(identity.altlink, "/nonexistent/common.debug");
	assert_in_range(identity.alt_id_n, 8, 32);
	same_as_tools("eu-addr2line", "addr2line", "one", "one", "common.debug");
}

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
	write_source("inlines.c", inlines_c);
	for (int with_id = 0; with_id < 2; with_id++) {
		const char *id = with_id ? "-Wl,--build-id" : "-Wl,--build-id=none";

		assert_int_equal(run("gcc -O2 -g %s inlines.c -o reference && "
				     "objcopy --only-keep-debug reference d.debug && "
				     "objcopy -S --add-gnu-debuglink=d.debug reference stripped && "
				     "gcc -O1 -g %s inlines.c -o other && "
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
	write_source("inlines.c", inlines_c);
	assert_int_equal(
		run("gcc -Wl,--build-id inlines.c -o a && objcopy --only-keep-debug a a.debug"), 0);
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

static void cxx_names_are_demangled_and_kept(void **state)
{
	static const char source[] =
		"namespace space { template <class T> struct Box { T v;\n"
		"  __attribute__((noinline)) T get(int k) { return v + k; } };\n"
		"static __attribute__((noinline)) int hidden(int x) { return x * 3; } }\n"
		"extern \"C\" __attribute__((noinline)) int plain(int x) { return x + 4; }\n"
		"int main(int c, char **) { space::Box<int> b{c}; "
		"return b.get(2) + space::hidden(c) + plain(c); }\n";
	static const char *const names[][2] = {
		{ "_ZN5space3BoxIiE3getEi", "space::Box<int>::get(int)" },
		{ "_ZN5spaceL6hiddenEi", "space::hidden(int)" },
		{ "plain", "plain" },
	};
	static const char *const flags[] = { "-g", "" };
	struct loaded l = { 0 };
	struct answered a;
	char mine[512];
	uint64_t offset;

	(void)state;
	need_tool("g++");
	write_source("names.cc", source);
	for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
		assert_int_equal(run("g++ -O1 %s names.cc -o names", flags[k]), 0);
		load(&l, "names");
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			offset = offset_of(&l, symbol_of(&l, names[i][0], NULL));
			ask_elf("names", NULL, NULL, &offset, 1, &a);
			assert_string_equal(
				describe(&a, 0, false, false, mine, sizeof(mine)), names[i][0]);
			assert_string_equal(
				describe(&a, 0, true, false, mine, sizeof(mine)), names[i][1]);
			answered_free(&a);
		}
		unload(&l);
	}
}

static void rust_names_are_demangled(void **state)
{
	static const char source[] =
		"mod deep { pub struct S(pub u64); impl S { #[inline(never)] pub fn work(&self) -> "
		"u64 "
		"{ self.0 * 3 } } }\n"
		"fn main() { let s = deep::S(std::env::args().count() as u64); "
		"std::process::exit(s.work() as i32) }\n";
	static const char *const schemes[] = { "legacy", "v0" };

	(void)state;
	need_tool("rustc");
	write_source("deep.rs", source);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		char command[512], symbol[256] = "", mine[512];
		struct loaded l = { 0 };
		struct answered a;
		uint64_t offset;
		FILE *f;

		if (run("rustc -O -g -C symbol-mangling-version=%s deep.rs -o deep 2>/dev/null",
			    schemes[i]) != 0 &&
			run("RUSTC_BOOTSTRAP=1 rustc -O -g -Z unstable-options "
			    "-C symbol-mangling-version=%s deep.rs -o deep 2>/dev/null",
				schemes[i]) != 0) {
			print_message("skipped: this rustc cannot build %s names\n", schemes[i]);
			skip();
		}
		(void)snprintf(command, sizeof(command),
			"nm %s/deep | awk '/deep.*4work/{print $3; exit}'", directory);
		f = popen(command, "r");
		assert_non_null(fgets(symbol, sizeof(symbol), f));
		pclose(f);
		symbol[strcspn(symbol, "\n")] = '\0';
		load(&l, "deep");
		offset = offset_of(&l, symbol_of(&l, symbol, NULL));
		ask_elf("deep", NULL, NULL, &offset, 1, &a);
		describe(&a, 0, false, false, mine, sizeof(mine));
		assert_string_equal(mine, symbol);
		describe(&a, 0, true, false, mine, sizeof(mine));
		assert_non_null(strstr(mine, "deep::S"));
		assert_non_null(strstr(mine, "work"));
		assert_null(strstr(mine, "_R"));
		describe(&a, 0, true, true, mine, sizeof(mine));
		assert_non_null(strstr(mine, "deep.rs:1"));
		answered_free(&a);
		unload(&l);
	}
}

static void stripped_functions_have_their_start(void **state)
{
	struct loaded l = { 0 };
	struct answered a;
	uint64_t start, size, offsets[2];

	(void)state;
	need_tool("gcc");
	need_tool("strip");
	write_source("inlines.c", inlines_c);
	assert_int_equal(run("gcc -O2 inlines.c -o whole && strip -o bare whole"), 0);
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
	write_source("inlines.c", inlines_c);
	assert_int_equal(run("gcc -O2 -g -gz inlines.c -o whole"), 0);
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

static void dwarf_stops_at_its_deadline(void **state)
{
	struct loaded l = { 0 };
	struct debug_info *info;
	struct debug_address address;
	uint64_t vaddr;

	(void)state;
	need_tool("gcc");
	write_source("inlines.c", inlines_c);
	assert_int_equal(run("gcc -O2 -g inlines.c -o inlines"), 0);
	load(&l, "inlines");
	vaddr = symbol_of(&l, "outer", NULL);
	assert_int_equal(debug_info_new(&info, l.data, l.n, NULL, 0), 0);
	assert_int_equal(debug_info_lookup(info, &vaddr, 1, 0, &address), 1);
	assert_int_equal(address.n, 0);
	assert_int_equal(debug_info_lookup(info, &vaddr, 1, UINT64_MAX, &address), 0);
	assert_true(address.n > 0);
	debug_info_free(info);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlined_calls_are_those_of_addr2line),
		cmocka_unit_test(inlined_calls_of_clang_are_those_of_llvm),
		cmocka_unit_test(separate_debug_file_gives_the_same),
		cmocka_unit_test(dwz_file_completes_the_names),
		cmocka_unit_test(debug_file_of_another_build_is_refused),
		cmocka_unit_test(build_id_is_what_readelf_says),
		cmocka_unit_test(every_executable_segment_is_found),
		cmocka_unit_test(cxx_names_are_demangled_and_kept),
		cmocka_unit_test(rust_names_are_demangled),
		cmocka_unit_test(stripped_functions_have_their_start),
		cmocka_unit_test(assembler_functions_have_name_and_line),
		cmocka_unit_test(dwarf_stops_at_its_deadline),
		cmocka_unit_test(truncation_costs_symbols_only),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
