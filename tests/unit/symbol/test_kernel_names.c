/* SPDX-License-Identifier: Apache-2.0 */
/* Names by kallsyms: the kernel's own are kept by the worker, those of modules are not. */
#include "fixture.h"

static int kallsyms(const char *text)
{
	int fd = io_memfd("kallsyms");

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* What a worker calls each of these addresses, with this as /proc/kallsyms. */
static void check_names(
	const char *text, const uint64_t *offsets, size_t n, const char *const *names)
{
	CLEANUP(answered_free) struct answered a;
	_cleanup_close_ int fd = kallsyms(text);

	ask((struct symbol_request){ .source = SYMBOL_SOURCE_KERNEL }, &fd, offsets, n, &a);
	assert_int_equal(a.error, 0);
	for (size_t i = 0; i < n; i++) {
		size_t length = 0;
		const char *name = "";

		if (a.view.addresses[i].n_lines > 0)
			name = answer_string(&a.view,
				a.view.lines[a.view.addresses[i].first_line].name, &length);
		assert_int_equal(length, strlen(names[i]));
		assert_memory_equal(name, names[i], length);
	}
}

static const char first[] = "ffffffff81000000 T _stext\n"
			    "ffffffff81000000 t head\n"
			    "ffffffff81000100 T do_work\n"
			    "ffffffff81000200 D not_a_function\n"
			    "ffffffff81000300 T _etext\n"
			    "ffffffff81000400 T init_work\n"
			    "ffffffffc0000000 t probe\t[old]\n";

static void modules_are_read_anew(void **state)
{
	static const uint64_t offsets[] = { 0xffffffff81000104, 0xffffffffc0000010 };

	(void)state;
	check_names(first, offsets, 2, (const char *const[]){ "do_work", "probe" });
	check_names("ffffffff81000000 T _stext\n"
		    "ffffffff81000100 T do_work\n"
		    "ffffffff81000300 T _etext\n"
		    "ffffffffc0000000 t other\t[new]\n",
		offsets, 2, (const char *const[]){ "do_work", "other" });
}

static void kernel_text_is_read_once(void **state)
{
	static const uint64_t offsets[] = { 0xffffffff81000000, 0xffffffff810000ff,
		0xffffffff81000100, 0xffffffff81000210 };

	(void)state;
	check_names(first, offsets, 4, (const char *const[]){ "_stext", "_stext", "do_work", "" });
	check_names("", offsets, 4, (const char *const[]){ "_stext", "_stext", "do_work", "" });
}

static void what_lies_behind_the_text_is_not_of_it(void **state)
{
	static const uint64_t offsets[] = { 0xffffffff81000200, 0xffffffff81000404 };

	(void)state;
	check_names(first, offsets, 2, (const char *const[]){ "", "init_work" });
	check_names("ffffffff81000400 T gone\n", offsets + 1, 1, (const char *const[]){ "gone" });
}

int main(void)
{
	/* One worker's life: what the first keeps, the others find. */
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_read_anew),
		cmocka_unit_test(kernel_text_is_read_once),
		cmocka_unit_test(what_lies_behind_the_text_is_not_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
