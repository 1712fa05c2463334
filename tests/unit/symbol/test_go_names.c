/* SPDX-License-Identifier: Apache-2.0 */
/* Go programs: names, lines and inlined calls out of pclntab, stripped or not, against DWARF's
 * word. */
#include "fixture.h"
#include "image/dwarf.h"

static const char program_go[] = "package main\n"
				 "\n"
				 "var sink int\n"
				 "\n"
				 "func level3(x int) { sink += x / 7; sink ^= x }\n"
				 "\n"
				 "func level2(x int) {\n"
				 "	level3(x + 1)\n"
				 "	sink -= x\n"
				 "}\n"
				 "\n"
				 "func level1(x int) {\n"
				 "	level2(x * 3)\n"
				 "	level3(x)\n"
				 "}\n"
				 "\n"
				 "//go:noinline\n"
				 "func outer(x int) {\n"
				 "	level1(x)\n"
				 "	sink++\n"
				 "}\n"
				 "\n"
				 "type shape struct{ n int }\n"
				 "\n"
				 "//go:noinline\n"
				 "func (s *shape) area() int { return s.n * sink }\n"
				 "\n"
				 "func main() {\n"
				 "	outer(10)\n"
				 "	println((&shape{3}).area())\n"
				 "}\n";

#define MAX_ADDRESSES 256U

struct truth {
	char text[MAX_ADDRESSES][512];
};

static void build(const char *flags, const char *out)
{
	write_source("program.go", program_go);
	assert_int_equal(
		run("GOCACHE=%s/cache GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 go build %s "
		    "-o %s program.go",
			directory, flags, out),
		0);
}

/* What DWARF says: "name base:line < ...". */
static void ask_dwarf(const char *file, uint64_t start, size_t n, struct truth *ret)
{
	struct debug_address addresses[MAX_ADDRESSES];
	uint64_t vaddrs[MAX_ADDRESSES];
	struct debug_info *info;
	struct loaded l = { 0 };

	load(&l, file);
	for (size_t i = 0; i < n; i++)
		vaddrs[i] = start + i;
	memset(ret, 0, sizeof(*ret));
	assert_int_equal(debug_info_new(&info, l.data, l.n, NULL, 0), 0);
	assert_int_equal(debug_info_lookup(info, vaddrs, n, UINT64_MAX, addresses), 0);
	for (size_t i = 0; i < n; i++) {
		const struct debug_frame *frames = debug_info_frames(info, &addresses[i]);
		char *out = ret->text[i];

		for (uint32_t k = 0; k < addresses[i].n; k++) {
			size_t used = strlen(out);
			const char *base = strrchr(frames[k].file, '/');

			(void)snprintf(out + used, sizeof(ret->text[0]) - used, "%s%s %s:%u",
				used ? " < " : "", frames[k].name, base ? base + 1 : frames[k].file,
				frames[k].line);
		}
	}
	debug_info_free(info);
	unload(&l);
}

static void ask_function(const char *file, const struct loaded *reference, const char *function,
	uint64_t *ret_start, size_t *ret_n, struct answered *ret)
{
	uint64_t offsets[MAX_ADDRESSES], size = 0;

	*ret_start = symbol_of(reference, function, &size);
	*ret_n = MIN(size, (uint64_t)MAX_ADDRESSES);
	for (size_t i = 0; i < *ret_n; i++)
		offsets[i] = offset_of(reference, *ret_start + i);
	ask_elf(file, NULL, NULL, offsets, *ret_n, ret);
	assert_int_equal(ret->error, 0);
}

static void inlines_are_those_of_dwarf(void **state)
{
	static const char *const functions[] = { "main.outer", "main.(*shape).area",
		"runtime.mallocgc" };
	static const char *const modes[] = { "exe", "pie" };
	static struct truth truth;

	(void)state;
	need_tool("go");
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		struct loaded l = { 0 };
		char flags[128];

		(void)snprintf(flags, sizeof(flags), "-buildmode=%s", modes[m]);
		build(flags, "program");
		load(&l, "program");
		for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
			struct answered a;
			uint64_t start;
			size_t n, deepest = 0;
			char mine[1024];

			ask_function("program", &l, functions[i], &start, &n, &a);
			ask_dwarf("program", start, n, &truth);
			for (size_t k = 0; k < n; k++) {
				assert_string_equal(describe(&a, k, true, true, mine, sizeof(mine)),
					truth.text[k]);
				assert_int_equal(a.view.addresses[k].function_start, start);
				deepest = MAX(deepest, (size_t)a.view.addresses[k].n_lines);
			}
			if (i == 0)
				assert_int_equal(deepest, 4);
			answered_free(&a);
		}
		unload(&l);
	}
}

static void stripped_program_says_the_same(void **state)
{
	static const char *const functions[] = { "main.outer", "main.main", "runtime.mallocgc",
		"runtime.schedule" };
	static const char *const modes[] = { "exe", "pie" };

	(void)state;
	need_tool("go");
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		struct symbol_identity identity;
		struct loaded l = { 0 };
		char flags[128];
		int fd;

		(void)snprintf(flags, sizeof(flags), "-buildmode=%s", modes[m]);
		build(flags, "program");
		(void)snprintf(flags, sizeof(flags), "-buildmode=%s -ldflags='-s -w'", modes[m]);
		build(flags, "stripped");
		/* Without section headers nothing but the magic tells where the table is. */
		assert_int_equal(run("cp stripped headless && "
				     "printf '\\0\\0\\0\\0\\0\\0\\0\\0' | "
				     "dd of=headless bs=1 seek=40 conv=notrunc status=none && "
				     "printf '\\0\\0\\0\\0' | "
				     "dd of=headless bs=1 seek=60 conv=notrunc status=none"),
			0);
		load(&l, "program");
		for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
			struct answered whole, other;
			uint64_t start;
			size_t n;
			char a[1024], b[1024];

			ask_function("program", &l, functions[i], &start, &n, &whole);
			/* -s -w moves nothing in the text segment, of which the offsets are. */
			ask_function("stripped", &l, functions[i], &start, &n, &other);
			for (size_t k = 0; k < n; k++) {
				describe(&whole, k, true, true, a, sizeof(a));
				describe(&other, k, true, true, b, sizeof(b));
				assert_string_equal(a, b);
				assert_true(whole.view.addresses[k].n_lines > 0);
			}
			answered_free(&other);
			if (m == 0) {
				ask_function("headless", &l, functions[i], &start, &n, &other);
				for (size_t k = 0; k < n; k++) {
					describe(&whole, k, true, true, a, sizeof(a));
					describe(&other, k, true, true, b, sizeof(b));
					assert_string_equal(a, b);
				}
				answered_free(&other);
			}
			answered_free(&whole);
		}
		unload(&l);
		fd = open_built("stripped");
		assert_int_equal(identify((struct symbol_request){ .source = SYMBOL_SOURCE_ELF },
					 &fd, &identity),
			0);
		close(fd);
		assert_int_equal(strncmp(identity.runtime, "go1.", 4), 0);
		assert_int_equal(identity.has_symtab, 0);
	}
}

static void runtime_is_empty_for_c(void **state)
{
	struct symbol_identity identity;
	int fd;

	(void)state;
	need_tool("gcc");
	write_source("c.c", "int main(void) { return 0; }\n");
	assert_int_equal(run("gcc c.c -o c"), 0);
	fd = open_built("c");
	assert_int_equal(
		identify((struct symbol_request){ .source = SYMBOL_SOURCE_ELF }, &fd, &identity),
		0);
	close(fd);
	assert_string_equal(identity.runtime, "");
	assert_int_equal(identity.has_symtab, 1);
	assert_int_equal(identity.has_dwarf, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlines_are_those_of_dwarf),
		cmocka_unit_test(stripped_program_says_the_same),
		cmocka_unit_test(runtime_is_empty_for_c),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
