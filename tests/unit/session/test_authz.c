/* SPDX-License-Identifier: Apache-2.0 */
/* Every cell: six peers, all requests, four owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "bpf/abi.h"
#include "session/authz.h"

#define OWN   1000U
#define OTHER 1001U

static const uint32_t owners[] = { OWN, OTHER, 0, OWNER_NOBODY };

/* A cell has one letter for each owner: 'y' allowed, '.' denied. */
struct row {
	const char *who;
	struct peer peer;
	const char *cells[AUTHZ_REQUESTS];
};

#define PRIVILEGED                                                                            \
	{                                                                                     \
		[AUTHZ_STATUS] = "yyyy", [AUTHZ_STATUS_FULL] = "yyyy", [AUTHZ_LIST] = "yyyy", \
		[AUTHZ_LIST_ALL] = "yyyy", [AUTHZ_ATTACH_PROCESS] = "yyyy",                   \
		[AUTHZ_ATTACH_ALL] = "yyyy", [AUTHZ_DETACH] = "yyyy",                         \
		[AUTHZ_DUMP_PROCESS] = "yyyy", [AUTHZ_KERNEL_ADDRESSES] = "yyyy",             \
	}
#define ONLY(own)                                                                              \
	{                                                                                      \
		[AUTHZ_STATUS] = "yyyy", [AUTHZ_STATUS_FULL] = "....", [AUTHZ_LIST] = own,     \
		[AUTHZ_LIST_ALL] = "....", [AUTHZ_ATTACH_PROCESS] = own,                       \
		[AUTHZ_ATTACH_ALL] = "....", [AUTHZ_DETACH] = own, [AUTHZ_DUMP_PROCESS] = own, \
		[AUTHZ_KERNEL_ADDRESSES] = "....",                                             \
	}

static const struct row table[] = {
	{ "root", { .uid = 0, .same_user_ns = true }, PRIVILEGED },
	{ "member of group profd", { .uid = 1500, .in_group = true, .same_user_ns = true },
		PRIVILEGED },
	{ "owner", { .uid = OWN, .same_user_ns = true }, ONLY("y...") },
	{ "stranger", { .uid = 1999, .same_user_ns = true }, ONLY("....") },
	{ "owner in another user namespace", { .uid = OWN }, ONLY("....") },
	{ "root of another user namespace", { .uid = 0 }, ONLY("....") },
	{ "member in another user namespace", { .uid = 1500, .in_group = true }, ONLY("....") },
	{ "the uid that is none", { .uid = (uid_t)OWNER_NOBODY, .same_user_ns = true },
		ONLY("....") },
};

static void every_cell_of_the_table_is_as_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		for (unsigned request = 0; request < AUTHZ_REQUESTS; request++)
			for (size_t o = 0; o < ARRAY_SIZE(owners); o++) {
				bool want = table[i].cells[request][o] == 'y';
				bool is = authz_allows(&table[i].peer, request, owners[o]);
				if (is != want)
					fail_msg("%s, request %u, owner %u: %d", table[i].who,
						request, owners[o], is);
			}
}

static void only_root_and_the_group_are_privileged(void **state)
{
	static const bool want[] = { true, true, false, false, false, false, false, false };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(authz_privileged(&table[i].peer), want[i]);
}

static void a_request_that_is_none_is_denied_to_root_too(void **state)
{
	(void)state;
	assert_false(authz_allows(&table[0].peer, AUTHZ_REQUESTS, 0));
	assert_false(authz_allows(&table[0].peer, (enum authz_request) - 1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_of_the_table_is_as_written),
		cmocka_unit_test(only_root_and_the_group_are_privileged),
		cmocka_unit_test(a_request_that_is_none_is_denied_to_root_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
