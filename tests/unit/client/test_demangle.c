/* SPDX-License-Identifier: Apache-2.0 */
/* Mangled names in people's words, and names that are made to do harm. */
#include <stdlib.h>
#include <string.h>
#include "view_common.h"
#include "base/cleanup.h"
#include "view/demangle.h"
#include "view/frame.h"

static void assert_demangled(const char *name, const char *want)
{
	_cleanup_free_ char *got = view_demangle(name, false);

	if (!want)
		assert_null(got);
	else if (!got || strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", name, got ? got : "(nothing)", want);
}

static void cxx_names_lose_parameters_and_template_arguments(void **state)
{
	(void)state;
	assert_demangled("_Z3foov", "foo");
	assert_demangled("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector::push_back");
	assert_demangled("_Z3fooILi3EEvv.part.0.constprop.1", "foo");
	assert_demangled("_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()");
	assert_demangled("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo");
	assert_demangled("_Z1fI1AIXgtLi3ELi2EEEEvv", "f");
}

static void brackets_of_operators_stay(void **state)
{
	(void)state;
	assert_demangled("_ZN3FoolsEi", "Foo::operator<<");
	assert_demangled("_ZN3FooltIiEEbRKT_", "Foo::operator<");
	assert_demangled("_ZN3FoossERKS_", "Foo::operator<=>");
	assert_demangled("_ZN3FooptEv", "Foo::operator->");
	assert_demangled("_ZN3FoocvSt6vectorIiSaIiEEEv", "Foo::operator std::vector");
}

static void rust_names_lose_their_hash(void **state)
{
	(void)state;
	assert_demangled("_ZN4main4main17he714a2e23ed7db23E", "main::main");
	assert_demangled("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$"
			 "GT$3bar17h930b740aa94f1d3aE",
		"<Test + 'static as foo::Bar<Test>>::bar");
	assert_demangled("_RNvC6_123foo3bar", "123foo::bar");
	assert_demangled("_RINtC8arrayvec8ArrayVechKj7b_E", "arrayvec::ArrayVec::<u8, 123>");
}

static void whole_names_keep_everything(void **state)
{
	static const char *const cases[][2] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backEOi",
			"std::vector<int, std::allocator<int> >::push_back(int&&)" },
		{ "_Z3fooILi3EEvv.part.0", "void foo<3>() [clone .part.0]" },
		{ "_ZN4main4main17he714a2e23ed7db23E", "main::main" },
	};
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct profile_function f = { .name = string(p, cases[i][0]),
			.system_name = string(p, cases[i][0]) };
		_cleanup_free_ char *owned = NULL;
		assert_string_equal(frame_whole_name(p, &f, &owned), cases[i][1]);
	}
	profile_free(p);
}

static void what_is_not_mangled_stays(void **state)
{
	static const char *const names[] = { "", "_", "main", "_start", "_Z", "_R", "_ZN", "__Znam",
		"foo__Fi", "main.(*T).Do", "_ZN8backtrace3fooE!", "_Rust" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_demangled(names[i], NULL);
}

/* Each argument is twice the one before: 2^60 times "int" in all. */
static void names_that_double_end(void **state)
{
	char name[1024] = "_Z1fI1AIiiE", digit[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char *at = name + strlen(name);

	(void)state;
	for (size_t i = 0; i < 36; i++)
		at += sprintf(at, "S_IS%c_S%c_E", digit[i], digit[i]);
	strcpy(at, "Evv");
	assert_demangled(name, NULL);
}

static char *put_number(char *at, size_t n)
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (n > 62)
		*at++ = digits[(n - 1) / 62];
	if (n)
		*at++ = digits[(n - 1) % 62];
	*at++ = '_';
	return at;
}

static void rust_names_that_double_end(void **state)
{
	char name[2048] = "_RINvC1a1fTuuE";
	char *at = name + strlen(name), *last = at - strlen("TuuE");

	(void)state;
	for (size_t i = 0; i < 50; i++) {
		char *begin = at;
		*at++ = 'T';
		for (int k = 0; k < 2; k++) {
			*at++ = 'B';
			at = put_number(at, (size_t)(last - name) - 2);
		}
		*at++ = 'E';
		last = begin;
	}
	strcpy(at, "E");
	assert_demangled(name, NULL);
	/* Not for its form: fewer of them are a name. */
	strcpy(strchr(strchr(name, 'E') + 1, 'E') + 1, "E");
	assert_demangled(name, "a::f::<((), ()), (((), ()), ((), ()))>");
}

static void deep_and_long_names_end(void **state)
{
	_cleanup_free_ char *name = calloc(1, VIEW_DEMANGLE_MAX_INPUT + 8);

	(void)state;
	assert_non_null(name);
	memset(name, 'P', VIEW_DEMANGLE_MAX_INPUT - 1);
	memcpy(name, "_Z1fI", 5);
	free(view_demangle(name, false));
	memset(name, 'P', VIEW_DEMANGLE_MAX_INPUT + 1);
	memcpy(name, "_Z1f", 4);
	assert_demangled(name, NULL);
	memset(name, 'R', VIEW_DEMANGLE_MAX_INPUT - 1);
	name[VIEW_DEMANGLE_MAX_INPUT - 1] = '\0';
	memcpy(name, "_RIC1a", 6);
	assert_demangled(name, NULL);
}

/* Only where the profile has no name of its own for it. */
static void a_given_name_is_not_demangled_again(void **state)
{
	static const char *const cases[][3] = {
		{ "_Z3foov", "_Z3foov", "foo" },
		{ "", "_Z3foov", "foo" },
		{ "_Z3foov", "foo_v1", "_Z3foov" },
		{ "foo(int)", "_Z3fooi", "foo(int)" },
		{ "_Zebra", "_Zebra", "_Zebra" },
	};
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct profile_function f = { .name = string(p, cases[i][0]),
			.system_name = string(p, cases[i][1]) };
		_cleanup_free_ char *owned = NULL;
		assert_string_equal(frame_function_name(p, &f, &owned), cases[i][2]);
	}
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cxx_names_lose_parameters_and_template_arguments),
		cmocka_unit_test(brackets_of_operators_stay),
		cmocka_unit_test(rust_names_lose_their_hash),
		cmocka_unit_test(whole_names_keep_everything),
		cmocka_unit_test(what_is_not_mangled_stays),
		cmocka_unit_test(names_that_double_end),
		cmocka_unit_test(rust_names_that_double_end),
		cmocka_unit_test(deep_and_long_names_end),
		cmocka_unit_test(a_given_name_is_not_demangled_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
