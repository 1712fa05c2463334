/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd hears, on a notification socket of our own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/cleanup.h"
#include "service/cost.h"
#include "service/notify.h"

static int manager = -1;

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(sa_family_t);
	char name[64];

	(void)state;
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* Autobind: an abstract name nobody else has. */
	if (manager < 0 || bind(manager, (struct sockaddr *)&address, n) < 0)
		return -1;
	n = sizeof(address);
	if (getsockname(manager, (struct sockaddr *)&address, &n) < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "@%.*s", (int)(n - sizeof(sa_family_t) - 1),
		address.sun_path + 1);
	(void)unsetenv("WATCHDOG_PID");
	return setenv("NOTIFY_SOCKET", name, 1);
}

static int teardown(void **state)
{
	(void)state;
	manager = close_fd(manager);
	(void)unsetenv("NOTIFY_SOCKET");
	return unsetenv("WATCHDOG_USEC");
}

/* The next message, "" when there is none. */
static const char *heard(void)
{
	static char text[1024];
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void readiness_status_and_stopping_are_told(void **state)
{
	(void)state;
	notify_ready("2 CPUs");
	assert_string_equal(heard(), "READY=1\nSTATUS=2 CPUs");
	notify_status("%d samples", 3);
	assert_string_equal(heard(), "STATUS=3 samples");
	notify_stopping();
	assert_string_equal(heard(), "STOPPING=1");
}

static void a_status_cannot_carry_another_assignment(void **state)
{
	(void)state;
	notify_status("%s", "name\nREADY=1");
	assert_string_equal(heard(), "STATUS=name?READY=1");
}

static void without_a_watchdog_there_is_none(void **state)
{
	struct notify_watchdog *w = (void *)1;
	sd_event *event = NULL;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(notify_watchdog_new(&w, event, NULL, NULL), 0);
	assert_null(w);
	assert_null(notify_watchdog_free(w));
	sd_event_unref(event);
}

struct liveness {
	bool answer;
	unsigned asked;
};

static bool alive(void *userdata)
{
	struct liveness *l = userdata;

	l->asked++;
	return l->answer;
}

static void run_until_asked(sd_event *event, struct liveness *l, unsigned times)
{
	for (l->asked = 0; l->asked < times;)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
}

static void the_watchdog_is_fed_only_while_alive(void **state)
{
	struct liveness l = { .answer = true };
	struct notify_watchdog *w = NULL;
	sd_event *event = NULL;

	(void)state;
	assert_int_equal(setenv("WATCHDOG_USEC", "20000", 1), 0);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(notify_watchdog_new(&w, event, alive, &l), 0);
	assert_non_null(w);
	assert_string_equal(heard(), "");

	run_until_asked(event, &l, 2);
	assert_string_equal(heard(), "WATCHDOG=1");
	assert_string_equal(heard(), "WATCHDOG=1");
	assert_string_equal(heard(), "");

	l.answer = false;
	run_until_asked(event, &l, 3);
	assert_string_equal(heard(), "");

	l.answer = true;
	run_until_asked(event, &l, 1);
	assert_string_equal(heard(), "WATCHDOG=1");

	assert_null(notify_watchdog_free(w));
	sd_event_unref(event);
}

static void outside_of_a_unit_nothing_is_inherited(void **state)
{
	(void)state;
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	assert_int_equal(notify_listen_fd(), -1);
}

/* Fd 3 is free: cmocka opens none, and the parent of a test leaves none. */
static void pass_as_fd_3(int fd)
{
	char pid[24];

	if (fd != 3) {
		assert_int_equal(dup2(fd, 3), 3);
		(void)close_fd(fd);
	}
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_int_equal(setenv("LISTEN_PID", pid, 1), 0);
	assert_int_equal(setenv("LISTEN_FDS", "1", 1), 0);
}

static void the_activated_socket_is_taken(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pass_as_fd_3(fd);
	assert_int_equal(notify_listen_fd(), 3);
	assert_null(getenv("LISTEN_FDS"));
	(void)close(3);
}

static void what_is_no_listening_socket_is_closed(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (fds[1] == 3) {
		fds[1] = dup(3);
		assert_true(fds[1] >= 0);
	}
	pass_as_fd_3(fds[0]);
	assert_int_equal(notify_listen_fd(), -1);
	assert_int_equal(close(3), -1);
	assert_int_equal(errno, EBADF);
	(void)close(fds[1]);
}

static void cost_grows_with_what_is_used(void **state)
{
	struct cost before, after;
	volatile uint64_t sum = 0;
	size_t n = 32 << 20;
	char *p;

	(void)state;
	cost_self(&before);
	p = malloc(n);
	assert_non_null(p);
	memset(p, 1, n);
	do {
		for (size_t i = 0; i < n; i += 64)
			sum = sum + (uint64_t)p[i];
		cost_self(&after);
	} while (after.cpu_ns == before.cpu_ns);
	assert_true(after.cpu_ns > before.cpu_ns);
	assert_true(after.rss_bytes >= before.rss_bytes + n / 2);
	free(p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(readiness_status_and_stopping_are_told),
		T(a_status_cannot_carry_another_assignment),
		T(without_a_watchdog_there_is_none),
		T(the_watchdog_is_fed_only_while_alive),
		cmocka_unit_test(outside_of_a_unit_nothing_is_inherited),
		cmocka_unit_test(the_activated_socket_is_taken),
		cmocka_unit_test(what_is_no_listening_socket_is_closed),
		cmocka_unit_test(cost_grows_with_what_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
