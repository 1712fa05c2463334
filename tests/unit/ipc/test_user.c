/* SPDX-License-Identifier: Apache-2.0 */
/* How the connections are shared out, without any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "ipc/user.h"

static void shares_of_many_uids_are_cut_so_that_newcomers_have_one(void **state)
{
	struct user_table t = { 0 };
	struct user *u, *all[LIMIT_CONNECTIONS];
	unsigned n = 0;

	(void)state;
	/* Sixty uids take all they can get. */
	for (uid_t uid = 1; uid <= 60; uid++)
		while (user_table_connect(&t, uid, &u) == 0) {
			all[n++] = u;
			assert_true(u->n_connections <= LIMIT_CONNECTIONS_PER_UID);
		}
	assert_true(n <= LIMIT_CONNECTIONS - USER_ROOT_RESERVE);
	/* Root always has its reserve. */
	for (unsigned i = 0; i < USER_ROOT_RESERVE; i++) {
		assert_int_equal(user_table_connect(&t, 0, &u), 0);
		all[n++] = u;
	}
	while (n > 0)
		user_table_disconnect(&t, all[--n]);
	/* A hundred uids with ten each: everybody is in. */
	for (uid_t uid = 1; uid <= 100; uid++) {
		unsigned got = 0;
		for (unsigned i = 0; i < 10; i++)
			if (user_table_connect(&t, uid, &u) == 0) {
				all[n++] = u;
				got++;
			}
		assert_true(got >= 1);
	}
	while (n > 0)
		user_table_disconnect(&t, all[--n]);
	assert_null(t.first);
	assert_int_equal(t.n_connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_of_many_uids_are_cut_so_that_newcomers_have_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
