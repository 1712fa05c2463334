/* SPDX-License-Identifier: Apache-2.0 */
/* Which request is what, with which parameters, and who is refused: no daemon, no socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "http/guard.h"
#include "http/route.h"

static int route(struct route *r, const char *method, const char *target, struct error *error)
{
	static struct uri u;
	bool pprof;
	int status;

	*r = (struct route)ROUTE_INIT;
	*error = (struct error)ERROR_INIT;
	if (uri_parse(&u, target) < 0)
		return -1;
	status = route_parse(r, &u, method, &pprof, error);
	assert_true(status == 0 || error->code != EXIT_CODE_OK);
	return status;
}

static void check_route(const char *target, enum route_kind kind, unsigned seconds)
{
	struct error error;
	struct route r;

	assert_int_equal(route(&r, "GET", target, &error), 0);
	assert_int_equal(r.kind, kind);
	assert_int_equal(r.seconds, seconds);
	route_deinit(&r);
}

static void check_refused(const char *method, const char *target, int status, const char *text)
{
	struct error error;
	struct route r;

	assert_int_equal(route(&r, method, target, &error), status);
	if (text)
		assert_string_equal(error.text, text);
	route_deinit(&r);
}

static void test_seconds_are_read_as_net_http_pprof_reads_them(void **state)
{
	(void)state;
	check_route("/debug/pprof/profile", ROUTE_PROFILE, 30);
	check_route("/debug/pprof/profile?seconds=5", ROUTE_PROFILE, 5);
	check_route("/debug/pprof/profile?seconds=%35", ROUTE_PROFILE, 5);
	check_route("/debug/pprof/profile?seconds=0", ROUTE_PROFILE, 30);
	check_route("/debug/pprof/profile?seconds=-3", ROUTE_PROFILE, 30);
	check_route("/debug/pprof/profile?seconds=x&seconds=7", ROUTE_PROFILE, 30);
	check_route("/debug/pprof/profile?seconds=1.5", ROUTE_PROFILE, 30);
	check_route("/debug/pprof/heap", ROUTE_NAMED, 0);
	check_route("/debug/pprof/heap?seconds=5&gc=1", ROUTE_NAMED, 5);
	check_route("/debug/pprof/heap?seconds=", ROUTE_NAMED, 0);
	check_refused("GET", "/debug/pprof/profile?seconds=86401", 400,
		"profile duration exceeds server's WriteTimeout");
	check_refused("GET", "/debug/pprof/heap?seconds=-1", 400,
		"invalid value for \"seconds\" - must be a positive integer");
	check_refused("GET", "/debug/pprof/heap?seconds=1&debug=1", 400,
		"seconds and debug params are incompatible");
}

static void test_types_are_found_and_unknown_ones_refused(void **state)
{
	struct error error;
	struct route r;

	(void)state;
	assert_int_equal(route(&r, "GET", "/debug/pprof/heap?debug=1", &error), 0);
	assert_string_equal(r.name, "heap");
	assert_true(r.debug);
	assert_true(route_collects(&r));
	route_deinit(&r);
	check_refused("GET", "/debug/pprof/cpu", 404, "Unknown profile");
	check_refused("GET", "/debug/pprof/HEAP", 404, "Unknown profile");
	check_refused("GET", "/debug/pprof/heap/", 404, "Unknown profile");
	check_refused("GET", "/debug/pprof/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 404,
		"Unknown profile");
	check_refused("GET", "/debug/pprof/trace?seconds=1", 404, NULL);
	check_refused("POST", "/debug/pprof/profile", 405, NULL);
	check_refused("DELETE", "/debug/pprof/symbol", 405, NULL);
	check_route("/debug/pprof/symbol?0x1+0x2", ROUTE_SYMBOL, 0);
}

static void check_type(const char *target, enum route_kind kind, const char *type, size_t n_states)
{
	struct error error;
	struct route r;

	assert_int_equal(route(&r, "GET", target, &error), 0);
	assert_int_equal(r.kind, kind);
	assert_string_equal(r.name, type);
	assert_int_equal(r.waits.n_states, n_states);
	assert_true(route_collects(&r) || kind == ROUTE_FLAME);
	route_deinit(&r);
}

static void test_every_type_is_a_path_and_has_a_flame_graph(void **state)
{
	(void)state;
	for (const char *const *type = profile_type_names(); *type; type++) {
		char target[96];

		(void)snprintf(target, sizeof(target), "/debug/pprof/%s?seconds=1", *type);
		if (strcmp(*type, "cpu") != 0)
			check_type(target, ROUTE_NAMED, *type, 0);
		(void)snprintf(target, sizeof(target), "/flame?comm=x&type=%s", *type);
		check_type(target, ROUTE_FLAME, *type, 0);
		(void)snprintf(target, sizeof(target), "/flame/graph?type=%s", *type);
		check_type(target, ROUTE_FLAME_GRAPH, *type, 0);
	}
	check_type("/flame/graph", ROUTE_FLAME_GRAPH, "cpu", 0);
	check_refused("GET", "/flame?type=", 404, "Unknown profile");
	check_refused("GET", "/flame?type=../x", 404, "Unknown profile");
	check_refused("GET", "/flame/graph?type=%3cscript%3e", 404, "Unknown profile");
}

static void test_states_are_of_what_waits(void **state)
{
	(void)state;
	check_type("/debug/pprof/block?state=all", ROUTE_NAMED, "block", 1);
	check_type("/debug/pprof/mutex?state=mutex,rwlock", ROUTE_NAMED, "mutex", 2);
	check_type("/flame/graph?type=wall&state=running", ROUTE_FLAME_GRAPH, "wall", 1);
	/* Of others it is a parameter that nobody looks at, as in net/http/pprof. */
	check_type("/debug/pprof/threadcreate?state=nix", ROUTE_NAMED, "threadcreate", 0);
	check_refused("GET", "/debug/pprof/block?state=mutx", 400, NULL);
	check_refused("GET", "/flame?type=block&state=", 400, NULL);
}

static void test_a_process_in_the_path_is_the_only_target(void **state)
{
	struct error error;
	struct route r;

	(void)state;
	assert_int_equal(route(&r, "GET", "/proc/123/debug/pprof/cmdline", &error), 0);
	assert_int_equal(r.kind, ROUTE_CMDLINE);
	assert_int_equal(r.target.n_pids, 1);
	assert_int_equal(r.target.pids[0], 123);
	route_deinit(&r);
	assert_int_equal(route(&r, "GET", "/proc/123/debug/pprof", &error), 0);
	assert_string_equal(r.location, "/proc/123/debug/pprof/");
	route_deinit(&r);
	check_refused("GET", "/proc/123/debug/pprof/profile?comm=x", 400, NULL);
	for (const char *const *t = (const char *const[]){ "/proc/0/debug/pprof/",
		     "/proc/self/debug/pprof/", "/proc/1x/debug/pprof/", "/proc/01/debug/pprof/",
		     "/proc/99999999999999999999/debug/pprof/", "/proc/1", "/proc/1/flame", NULL };
		*t; t++)
		check_refused("GET", *t, 404, NULL);
}

static void test_selectors_add_up(void **state)
{
	struct error error;
	struct route r;

	(void)state;
	assert_int_equal(
		route(&r, "GET",
			"/debug/pprof/?pid=1,2&pid=3&comm=a+b%2a&unit=x.service&exe=/bin/y",
			&error),
		0);
	assert_int_equal(r.target.n_pids, 3);
	assert_string_equal(r.target.comms[0], "a b*");
	assert_string_equal(r.target.units[0], "x.service");
	assert_string_equal(r.target.exes[0], "/bin/y");
	route_deinit(&r);
	check_refused("GET", "/debug/pprof/profile?pid=0", 400, NULL);
	check_refused("GET", "/debug/pprof/profile?exe=relative", 400, NULL);
	check_refused("GET", "/debug/pprof/cmdline", 400, NULL);
	check_refused("GET", "/debug/pprof/cmdline?pid=1,2", 400, NULL);
}

static void test_targets_that_are_no_plain_path_are_refused(void **state)
{
	static struct uri u;
	char text[HTTP_URI_BYTES + 2];

	(void)state;
	for (const char *const *t = (const char *const[]){ "", "debug", "*", "http://x/", "/a b",
		     "/%", "/%2", "/%zz", "/%00", "/a?x=%0d%0a", "/a#b", "/\x1b[2J", NULL };
		*t; t++)
		assert_int_equal(uri_parse(&u, *t), -EINVAL);
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	text[HTTP_URI_BYTES] = 0;
	assert_int_equal(uri_parse(&u, text), -E2BIG);
	text[HTTP_URI_BYTES - 1] = 0;
	assert_int_equal(uri_parse(&u, text), 0);
	for (size_t i = 2; i < HTTP_URI_BYTES - 1; i++)
		text[i] = i % 2 ? 'a' : '&';
	text[1] = '?';
	assert_int_equal(uri_parse(&u, text), -E2BIG);
	check_refused("GET", "/debug/../debug/pprof/", 404, NULL);
	check_refused("GET", "//debug/pprof/", 404, NULL);
}

static void test_only_this_machines_names_are_answered(void **state)
{
	(void)state;
	for (const char *const *t = (const char *const[]){ "localhost", "LocalHost:6060",
		     "127.0.0.1:1", "[::1]", "[::1]:6060", "own.example:6060", NULL };
		*t; t++)
		assert_true(guard_host(*t, "own.example"));
	for (const char *const *t = (const char *const[]){ "", "evil", "localhost.evil",
		     "127.0.0.1.", "localhost:6060.evil", "localhost@evil", "[::1", "[::1]x",
		     "[::2]", "own.exampl", ":", "127.0.0.11", NULL };
		*t; t++)
		assert_false(guard_host(*t, "own.example"));
	assert_false(guard_host(NULL, NULL));
}

static void test_other_sites_pages_are_refused(void **state)
{
	(void)state;
	assert_true(guard_site("localhost:1", NULL, NULL));
	assert_true(guard_site("localhost:1", "http://localhost:1", "same-origin"));
	assert_true(guard_site("localhost:1", NULL, "none"));
	assert_false(guard_site("localhost:1", "http://localhost:2", NULL));
	assert_false(guard_site("localhost:1", "http://localhost:1.evil", NULL));
	assert_false(guard_site("localhost:1", "https://localhost:1", NULL));
	assert_false(guard_site("localhost:1", "null", NULL));
	assert_false(guard_site(NULL, "http://", NULL));
	assert_false(guard_site("localhost:1", NULL, "cross-site"));
	assert_false(guard_site("localhost:1", NULL, "same-site"));
	assert_false(guard_site("localhost:1", NULL, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seconds_are_read_as_net_http_pprof_reads_them),
		cmocka_unit_test(test_types_are_found_and_unknown_ones_refused),
		cmocka_unit_test(test_every_type_is_a_path_and_has_a_flame_graph),
		cmocka_unit_test(test_states_are_of_what_waits),
		cmocka_unit_test(test_a_process_in_the_path_is_the_only_target),
		cmocka_unit_test(test_selectors_add_up),
		cmocka_unit_test(test_targets_that_are_no_plain_path_are_refused),
		cmocka_unit_test(test_only_this_machines_names_are_answered),
		cmocka_unit_test(test_other_sites_pages_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
