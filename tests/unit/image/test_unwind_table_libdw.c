/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of files of this machine against libdw: those that are known for strange forms, and every
 * 64th library. All of them, by hand: tests/bench/unwind_tables.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "tests/bench/unwind_compare.h"

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"
#define EVERY	  64
#define MAX_BYTES (8 << 20)

static uint64_t counts[VERDICTS];

/* True where the file has a table. */
static bool compare(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_table t;
	struct stat st;
	struct elf e;
	bool found = false;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 64 ||
		st.st_size > MAX_BYTES)
		return false;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(data != MAP_FAILED);
	if (elf_init(&e, data, (size_t)st.st_size) == 0) {
		if (unwind_table_build(&e, NULL, UNWIND_TABLE_MAX_ROWS, &t) == 0) {
			assert_false(t.truncated);
			compare_file(path, fd, &e, &t, counts);
			unwind_table_deinit(&t);
			found = true;
		}
		elf_deinit(&e);
	}
	(void)munmap(data, (size_t)st.st_size);
	return found;
}

static void every_row_is_libdws(void **state)
{
	/* Signal frames, vfork, longjmp, PLT; CFA by leaf registers and through memory. */
	static const char *const strange[] = { LIBRARIES "libc.so.6", LIBRARIES "libcrypto.so.3",
		LIBRARIES "libgcrypt.so.20", LIBRARIES "ld-linux-x86-64.so.2",
		LIBRARIES "libm.so.6", LIBRARIES "libstdc++.so.6", "/usr/bin/bash" };
	glob_t all = { 0 };
	unsigned n = 0;

	(void)state;
	elf_version(EV_CURRENT);
	for (size_t i = 0; i < ARRAY_SIZE(strange); i++)
		n += compare(strange[i]);
	assert_int_equal(glob(LIBRARIES "*.so.*", 0, NULL, &all), 0);
	for (size_t i = 0; i < all.gl_pathc; i += EVERY)
		n += compare(all.gl_pathv[i]);
	globfree(&all);
	print_message("%u files", n);
	for (int i = 0; i < VERDICTS; i++)
		print_message(", %s %lu", names[i], (unsigned long)counts[i]);
	print_message("\n");
	assert_true(n >= 1 && counts[SAME] > 10000);
	assert_int_equal(counts[NOT_IN_TABLE], 0);
	assert_int_equal(counts[DIFFERENT_CFA], 0);
	assert_int_equal(counts[DIFFERENT_RETURN], 0);
	assert_int_equal(counts[DIFFERENT_BP], 0);
	assert_int_equal(counts[DIFFERENT_KEPT], 0);
	/* Both sides know what cannot be told: longjmp, and the like. */
	assert_true(
		counts[UNKNOWN] + counts[BP_UNKNOWN] + counts[LIBDW_FAILS] < counts[SAME] / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_is_libdws) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
