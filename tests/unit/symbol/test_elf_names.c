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
		cmocka_unit_test(cxx_names_are_demangled_and_kept),
		cmocka_unit_test(rust_names_are_demangled),
		cmocka_unit_test(dwarf_stops_at_its_deadline),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
