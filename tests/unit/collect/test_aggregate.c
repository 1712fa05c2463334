/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/limits.h"
#include "collect/aggregate.h"

#define NOW_NS (100 * NS_PER_SEC)

static void stack_that_never_came_is_asked_for_again(void **state)
{
	struct aggregate_rooms rooms = { 0 };
	struct aggregate *a;
	struct sample_record record = {
		.kind = RECORD_SAMPLE,
		.time_ns = NOW_NS,
		.tid = 7,
		.tgid = 7,
		.stack_hash = 1,
		.n_user = 1,
	};

	(void)state;
	assert_int_equal(module_table_new(&rooms.modules), 0);
	assert_int_equal(process_table_new(&rooms.processes, rooms.modules), 0);
	assert_int_equal(aggregate_new(&a, &rooms, 60 * NS_PER_SEC, 64 * MIB), 0);
	assert_int_equal(aggregate_set_rate(a, 0, "cpu-clock", 99), 0);
	assert_false(aggregate_maintain(a, NOW_NS));

	aggregate_sample(a, &record);
	assert_int_equal(aggregate_set_stats(a, 0)->dropped[DROP_STACK_UNKNOWN], 1);
	assert_true(aggregate_maintain(a, NOW_NS));
	assert_false(aggregate_maintain(a, NOW_NS + NS_PER_SEC));

	/* Not all the time, whoever makes them get lost; and not forgotten either. */
	aggregate_sample(a, &record);
	assert_false(aggregate_maintain(a, NOW_NS + NS_PER_SEC));
	assert_true(aggregate_maintain(a, NOW_NS + 10 * NS_PER_SEC));

	aggregate_free(a);
	process_table_free(rooms.processes);
	module_table_free(rooms.modules);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stack_that_never_came_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
