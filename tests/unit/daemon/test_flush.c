/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for which flush. The kernel side is played here: a flush takes as many turns as it is
 * told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "flush.h"
#include "kernel/kernel.h"

#define MAX_FLUSHES 16

static struct {
	uint64_t now_ns;
	int turns; /* that each flush takes */
	int left;  /* of the one under way */
	uint64_t flushes[MAX_FLUSHES];
	unsigned n_flushes, n_done, n_cancelled;
	struct flush_wait *asks_again;
} world;

static sd_event *event;
static struct flush flush;

uint64_t clock_monotonic_ns(void)
{
	return world.now_ns += NS_PER_US;
}

int kernel_threads_flush(struct kernel *k, uint64_t attachment_bits, uint64_t budget_ns)
{
	(void)k;
	world.now_ns += budget_ns;
	if (world.left == 0) {
		assert_true(world.n_flushes < MAX_FLUSHES);
		world.flushes[world.n_flushes++] = attachment_bits;
		world.left = world.turns;
	}
	return --world.left > 0;
}

static void done(void *userdata, bool cancelled)
{
	struct flush_wait *again = world.asks_again;

	*(bool *)userdata = true;
	world.n_done++;
	world.n_cancelled += cancelled;
	world.asks_again = NULL;
	if (again)
		flush_ask(&flush, again);
}

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now_ns = NS_PER_SEC;
	world.turns = 3;
	if (sd_event_new(&event) < 0)
		return -1;
	return flush_init(&flush, event, NULL) < 0;
}

static int teardown(void **state)
{
	(void)state;
	flush_deinit(&flush);
	sd_event_unref(event);
	return 0;
}

static void turn(unsigned n)
{
	while (n-- > 0)
		assert_true(sd_event_run(event, 0) > 0);
}

static void assert_idle(void)
{
	assert_int_equal(sd_event_run(event, 0), 0);
}

#define WAIT(bits_, flag_)                                                 \
	{                                                                  \
		.bits = (bits_), .done = done, .userdata = (void *)(flag_) \
	}

static void one_flush_serves_all_who_asked_before_it(void **state)
{
	bool is_done[2] = { 0 };
	struct flush_wait a = WAIT(1, &is_done[0]), b = WAIT(4, &is_done[1]);

	(void)state;
	flush_ask(&flush, &a);
	flush_ask(&flush, &b);
	turn(2);
	assert_int_equal(world.n_done, 0);
	turn(1);
	assert_true(is_done[0] && is_done[1]);
	assert_int_equal(world.n_flushes, 1);
	assert_int_equal(world.flushes[0], 5);
	assert_idle();
}

/* It has passed threads that would be told of too early for the second. */
static void who_asks_while_one_is_under_way_waits_for_the_next(void **state)
{
	bool is_done[2] = { 0 };
	struct flush_wait a = WAIT(1, &is_done[0]), b = WAIT(2, &is_done[1]);

	(void)state;
	flush_ask(&flush, &a);
	turn(1);
	flush_ask(&flush, &b);
	turn(2);
	assert_true(is_done[0]);
	assert_false(is_done[1]);
	turn(3);
	assert_true(is_done[1]);
	assert_int_equal(world.n_flushes, 2);
	assert_int_equal(world.flushes[1], 2);
	assert_idle();
}

static void who_is_told_may_ask_again(void **state)
{
	bool is_done = false;
	struct flush_wait a = WAIT(1, &is_done), b = WAIT(2, &is_done);

	(void)state;
	world.asks_again = &b;
	flush_ask(&flush, &a);
	turn(3);
	assert_int_equal(world.n_done, 1);
	turn(3);
	assert_int_equal(world.n_done, 2);
	assert_idle();
}

static void who_is_forgotten_hears_nothing(void **state)
{
	bool is_done[2] = { 0 };
	struct flush_wait a = WAIT(1, &is_done[0]), b = WAIT(2, &is_done[1]), never = WAIT(4, NULL);

	(void)state;
	flush_ask(&flush, &a);
	flush_ask(&flush, &b);
	turn(1);
	flush_forget(&flush, &a);
	flush_forget(&flush, &never);
	turn(2);
	assert_false(is_done[0]);
	assert_true(is_done[1]);
	assert_idle();
}

static void a_flush_now_does_not_take_the_turns_of_another(void **state)
{
	bool is_done = false;
	struct flush_wait a = WAIT(1, &is_done);

	(void)state;
	flush_ask(&flush, &a);
	turn(1);
	flush_now(&flush, 8);
	assert_false(is_done);
	assert_int_equal(world.n_flushes, 2);
	assert_int_equal(world.flushes[1], 8);
	assert_int_equal(world.left, 0);
	/* The one that was under way is through: there is one turn more to say so. */
	turn(1);
	assert_true(is_done);
	assert_idle();
}

static void a_flush_now_ends_though_the_kernel_does_not(void **state)
{
	uint64_t before = world.now_ns;

	(void)state;
	world.turns = 1000000;
	flush_now(&flush, 1);
	assert_true(world.now_ns - before < 100 * NS_PER_MS);
	world.left = 0;
}

static void the_end_cancels_all(void **state)
{
	bool is_done[2] = { 0 };
	struct flush_wait a = WAIT(1, &is_done[0]), b = WAIT(2, &is_done[1]);

	(void)state;
	flush_ask(&flush, &a);
	turn(1);
	flush_ask(&flush, &b);
	flush_deinit(&flush);
	assert_true(is_done[0] && is_done[1]);
	assert_int_equal(world.n_cancelled, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_flush_serves_all_who_asked_before_it),
		T(who_asks_while_one_is_under_way_waits_for_the_next),
		T(who_is_told_may_ask_again),
		T(who_is_forgotten_hears_nothing),
		T(a_flush_now_does_not_take_the_turns_of_another),
		T(a_flush_now_ends_though_the_kernel_does_not),
		T(the_end_cancels_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
