/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted is said in the singular and in the plural, by each verb that counts. */
#include "fake_daemon.h"

static int setup(void **state)
{
	*state = fake_new();
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

/* That the verb says `text` and ends its line or goes on with ' ' or ','. */
static void assert_says(char **argv, const char *text)
{
	struct run r;
	const char *at;

	run_start(&r, argv);
	assert_int_equal(run_end(&r), 0);
	at = strstr(r.out, text);
	if (!at)
		at = strstr(r.err, text);
	if (!at || !strchr(" ,\n", at[strlen(text)]))
		fail_msg("not said: \"%s\" in \"%s%s\"", text, r.out, r.err);
	run_free(&r);
}

static void one_is_singular(void **state)
{
	struct fake *f = *state;

	f->singular = true;
	fake_start(f);
	assert_says(ARGV("detach", "--all"), ", 1 sample");
	assert_says(ARGV("ps", "--all"), "1 more process is not listed");
	assert_says(ARGV("status"), "1 helper process hangs on");
}

static void more_are_plural(void **state)
{
	struct fake *f = *state;

	fake_start(f);
	assert_says(ARGV("detach", "--all"), ", 42 samples");
	assert_says(ARGV("ps", "--all"), "2 more processes are not listed");
	assert_says(ARGV("status"), "2 helper processes hang on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_is_singular, setup, teardown),
		cmocka_unit_test_setup_teardown(more_are_plural, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
