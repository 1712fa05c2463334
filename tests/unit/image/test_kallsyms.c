/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/kallsyms: functions of kernel, modules and BPF programs; hidden addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "image/kallsyms.h"

static const char text[] = "ffffffff81000000 T _stext\n"
			   "ffffffff81000000 T startup_64\n"
			   "ffffffff81000200 t second\n"
			   "ffffffff81000300 d data\n"
			   "ffffffffc0001000 t ext4_fill_super\t[ext4]\n"
			   "ffffffffc0000000 t bpf_prog_6deef7357e7b4530_sd_fw\t[bpf]\n"
			   "ffffffff80fff000 W weak\n"
			   "not a line\n"
			   "ffffffffc0800000 t last\n";

static const char *look(uint64_t address)
{
	static char name[64];
	const struct kallsyms_symbol *s;
	struct kallsyms k;

	assert_int_equal(kallsyms_init(&k, text, strlen(text)), 0);
	s = kallsyms_lookup(&k, address);
	if (s)
		(void)snprintf(name, sizeof(name), "%.*s", s->name_n, kallsyms_name(&k, s));
	kallsyms_deinit(&k);
	return s ? name : NULL;
}

static void function_reaches_to_the_next_symbol(void **state)
{
	(void)state;
	assert_null(look(0));
	assert_string_equal(look(0xffffffff80fff800), "weak");
	assert_string_equal(look(0xffffffff810001ff), "_stext");
	assert_string_equal(look(0xffffffff81000200), "second");
	assert_string_equal(look(0xffffffff810002ff), "second");
	assert_null(look(0xffffffff81000300));
}

static void modules_and_bpf_programs_have_their_plain_name(void **state)
{
	(void)state;
	assert_string_equal(look(0xffffffffc0000004), "bpf_prog_6deef7357e7b4530_sd_fw");
	assert_string_equal(look(0xffffffffc0001004), "ext4_fill_super");
}

static void what_lies_far_behind_the_last_function_is_not_its(void **state)
{
	(void)state;
	assert_string_equal(look(0xffffffffc0800000 + (1 << 20) - 1), "last");
	assert_null(look(0xffffffffc0800000 + (1 << 20)));
	assert_null(look(UINT64_MAX));
}

static void hidden_addresses_are_an_error(void **state)
{
	static const char zeros[] = "0000000000000000 T _stext\n0000000000000000 t x\t[m]\n";
	struct kallsyms k;

	(void)state;
	assert_int_equal(kallsyms_init(&k, zeros, strlen(zeros)), -EPERM);
	assert_int_equal(kallsyms_init(&k, "junk\n", 5), -EBADMSG);
	assert_int_equal(kallsyms_init(&k, "", 0), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_reaches_to_the_next_symbol),
		cmocka_unit_test(modules_and_bpf_programs_have_their_plain_name),
		cmocka_unit_test(what_lies_far_behind_the_last_function_is_not_its),
		cmocka_unit_test(hidden_addresses_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
