/* SPDX-License-Identifier: Apache-2.0 */
/* What top asks the daemon for, and when: a daemon that counts. */
#include "fake_daemon.h"
#include "base/clock.h"
#include "client/load.h"
#include "live/feed.h"

#define INTERVAL_MS 50
#define LONG_MS	    60000 /* far beyond what a loaded machine needs */

struct fixture {
	struct fake *fake;
	struct attach_options options;
	struct feed *feed;
	pid_t listener;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->fake = fake_new();
	fake_start(x->fake);
	x->options = (struct attach_options)ATTACH_OPTIONS_INIT;
	x->options.types.names[x->options.types.n++] = "cpu";
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	feed_free(x->feed);
	attach_options_deinit(&x->options);
	fake_free(x->fake);
	free(x);
	return 0;
}

static void start(struct fixture *x)
{
	struct error error = ERROR_INIT;

	if (feed_new(&x->feed, &x->options, INTERVAL_MS * NS_PER_MS, &error) < 0)
		fail_msg("%s", error.text);
}

/* Waits for the next portion and gives its error's code. */
static enum exit_code take(struct fixture *x, bool *ret_empty)
{
	struct pollfd p = { .fd = feed_fd(x->feed), .events = POLLIN };
	struct portion portion;

	do
		assert_int_equal(poll(&p, 1, LONG_MS), 1);
	while (!feed_take(x->feed, &portion));
	*ret_empty = !portion.profile;
	profile_free(portion.profile);
	return portion.error.code;
}

static void an_interval_is_at_most_one_dump(void **state)
{
	struct fixture *x = *state;
	uint64_t start_ns, intervals;
	uint32_t before, n;
	bool empty;

	start(x);
	start_ns = clock_monotonic_ns();
	before = x->fake->n_dump;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(take(x, &empty), EXIT_CODE_OK);
		assert_false(empty);
	}
	n = x->fake->n_dump - before;
	intervals = (clock_monotonic_ns() - start_ns) / (INTERVAL_MS * NS_PER_MS);
	assert_in_range(n, 4, intervals + 1);
	assert_int_equal(x->fake->n_connections, 1);
	assert_int_equal(x->fake->seconds_ns, 0);
}

static void nothing_is_asked_for_in_a_pause(void **state)
{
	struct fixture *x = *state;
	struct portion portion;
	uint32_t before;
	bool empty;

	start(x);
	assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	feed_pause(x->feed, true);
	before = x->fake->n_dump;
	poll(NULL, 0, 20 * INTERVAL_MS);
	/* One may have been under way when the pause began. */
	assert_in_range(x->fake->n_dump, before, before + 1);
	assert_false(feed_take(x->feed, &portion));
	feed_pause(x->feed, false);
	assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	assert_true(x->fake->n_dump > before);
}

static void no_portion_comes_once_it_is_paused(void **state)
{
	struct fixture *x = *state;
	struct portion portion;
	bool empty;

	start(x);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(take(x, &empty), EXIT_CODE_OK);
		poll(NULL, 0, (int)(i * INTERVAL_MS / 10));
		feed_pause(x->feed, true);
		assert_false(feed_take(x->feed, &portion));
		poll(NULL, 0, 2);
		assert_false(feed_take(x->feed, &portion));
		feed_pause(x->feed, false);
	}
}

/* The daemon shows an attachment of other words: it is not relied on. */
static void what_nothing_covers_is_attached_until_it_ends(void **state)
{
	struct fixture *x = *state;
	struct error error = ERROR_INIT;
	char pid[16];
	bool empty;

	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(target_args_option(&x->options.target, OPTION_PID, pid, &error), 1);
	x->fake->fail_dump_code = EXIT_CODE_EMPTY;
	strcpy(x->fake->fail_text, "nothing");
	start(x);
	assert_int_equal(x->fake->n_attach, 1);
	assert_true(x->fake->until_disconnect);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(take(x, &empty), EXIT_CODE_OK);
		assert_true(empty);
	}
	assert_int_equal(x->fake->n_attach, 1);
}

/* To attach the same target for another type would end what is collected of it. */
static void an_own_attachment_of_another_type_is_left_alone(void **state)
{
	struct fixture *x = *state;
	struct error error = ERROR_INIT;
	char pid[16];
	bool empty;

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(x->fake->attached_target, sizeof(x->fake->attached_target), "--pid %s", pid);
	assert_int_equal(target_args_option(&x->options.target, OPTION_PID, pid, &error), 1);
	x->options.types.names[0] = "block";
	assert_int_equal(wait_args_threshold(&x->options.waits, "0", &error), 1);
	/* Who may not see all looks whether something comes, and nothing does. */
	x->fake->fail_dump_code = EXIT_CODE_EMPTY;
	strcpy(x->fake->fail_text, "nothing");
	start(x);
	x->fake->fail_dump_code = 0;
	assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	while (x->fake->seconds_ns == 0)
		assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	assert_int_equal(x->fake->n_attach, 0);
	assert_int_equal(x->fake->seconds_ns, INTERVAL_MS * NS_PER_MS);
	assert_true(x->fake->threshold_all);
	assert_string_equal(x->fake->type, "block");
}

static void what_is_seen_is_not_attached_again_until_it_is_gone(void **state)
{
	struct fixture *x = *state;
	bool empty = false;

	start(x);
	assert_int_equal(x->fake->n_attach, 0);
	assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	strcpy(x->fake->fail_text, "nothing");
	x->fake->fail_dump_code = EXIT_CODE_EMPTY;
	while (!empty)
		assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	assert_int_equal(x->fake->n_attach, 1);
	assert_true(x->fake->all);
}

/* The process that listens, as the kernel says: fake->process is written by both sides of a fork.
 */
static pid_t listener_of(const struct fake *f)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { .pid = 0 };
	socklen_t n = sizeof(peer);

	strcpy(address.sun_path, f->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n), 0);
	assert_true(peer.pid > 1 && peer.pid != getpid());
	return peer.pid;
}

/* The daemon stands still with a dump under way when the pause begins. */
static void pause_in_the_middle_of_a_dump(struct fixture *x)
{
	bool empty;

	x->listener = listener_of(x->fake);
	assert_int_equal(take(x, &empty), EXIT_CODE_OK);
	assert_int_equal(kill(x->listener, SIGSTOP), 0);
	poll(NULL, 0, 10 * INTERVAL_MS);
	feed_pause(x->feed, true);
}

static void what_was_on_its_way_when_it_was_paused_is_dropped(void **state)
{
	struct fixture *x = *state;
	struct portion portion;

	start(x);
	pause_in_the_middle_of_a_dump(x);
	assert_int_equal(kill(x->listener, SIGCONT), 0);
	poll(NULL, 0, 10 * INTERVAL_MS);
	assert_false(feed_take(x->feed, &portion));
}

static void an_error_is_told_in_a_pause_and_is_the_last(void **state)
{
	struct fixture *x = *state;
	struct pollfd p = { .events = POLLIN };
	struct portion portion;
	bool empty;

	start(x);
	p.fd = feed_fd(x->feed);
	pause_in_the_middle_of_a_dump(x);
	x->fake->hang_up_on_dump = true;
	assert_int_equal(kill(x->listener, SIGCONT), 0);
	/* On a machine so loaded that no dump was under way, the next one is it. */
	if (poll(&p, 1, 100 * INTERVAL_MS) == 0)
		feed_pause(x->feed, false);
	assert_int_equal(take(x, &empty), EXIT_CODE_NO_DAEMON);
	assert_true(empty);
	feed_pause(x->feed, false);
	poll(NULL, 0, 10 * INTERVAL_MS);
	assert_false(feed_take(x->feed, &portion));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_interval_is_at_most_one_dump, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_asked_for_in_a_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(
			no_portion_comes_once_it_is_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_nothing_covers_is_attached_until_it_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_own_attachment_of_another_type_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_seen_is_not_attached_again_until_it_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_on_its_way_when_it_was_paused_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_error_is_told_in_a_pause_and_is_the_last, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
