/* SPDX-License-Identifier: Apache-2.0 */
/* Targets from the wire: what is taken, what is refused with which words, what they match. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "session/target.h"
#include "wire/profd.pb-c.h"

static int sleeper(pid_t *ret)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	*ret = pid;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void refused(Profd__V1__Target *w, int code, enum exit_code exit_code, const char *words)
{
	struct target_spec t = { .n_pids = 99 };
	struct error error = ERROR_INIT;

	assert_int_equal(target_spec_from_wire(&t, w, NULL, 0, &error), code);
	assert_int_equal(error.code, exit_code);
	if (!strstr(error.text, words))
		fail_msg("\"%s\" says nothing of \"%s\"", error.text, words);
	/* Outputs are as they were. */
	assert_int_equal(t.n_pids, 99);
}

static void a_pidfd_decides_which_process_is_meant(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	struct target_spec t;
	pid_t a, b;
	int fds[2] = { sleeper(&a), sleeper(&b) };

	(void)state;
	/* The numbers are what another PID namespace calls them. */
	w.pids = (uint32_t[]){ 7, 3 };
	w.n_pids = w.n_pidfds = 2;
	assert_int_equal(target_spec_from_wire(&t, &w, fds, 2, NULL), 0);
	assert_int_equal(t.n_pids, 2);
	assert_int_equal(t.pids[0].pid, MIN(a, b));
	assert_int_equal(t.pids[1].pid, MAX(a, b));
	assert_true(t.pids[0].pidfd >= 0 && fcntl(t.pids[0].pidfd, F_GETFD) >= 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
	int held = t.pids[0].pidfd;
	target_spec_deinit(&t);
	assert_int_equal(fcntl(held, F_GETFD), -1);
	end(a);
	end(b);
}

static void a_process_that_ended_is_no_target(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	struct target_spec t;
	struct error error = ERROR_INIT;
	pid_t pid;
	int fd = sleeper(&pid);

	(void)state;
	end(pid);
	w.pids = (uint32_t[]){ 1234 };
	w.n_pids = w.n_pidfds = 1;
	assert_int_equal(target_spec_from_wire(&t, &w, &fd, 1, &error), -ESRCH);
	assert_int_equal(error.code, EXIT_CODE_NO_TARGET);
	assert_string_equal(error.text, "no process 1234");
	assert_int_equal(fd, -1);

	w.n_pidfds = 0;
	w.pids = (uint32_t[]){ 0x7ffffff0 };
	refused(&w, -ESRCH, EXIT_CODE_NO_TARGET, "no process 2147483632");
	w.pids = (uint32_t[]){ 0 };
	refused(&w, -EINVAL, EXIT_CODE_USAGE, "0 is not a process id");
	w.pids = (uint32_t[]){ 0xffffffff };
	refused(&w, -EINVAL, EXIT_CODE_USAGE, "4294967295 is not a process id");
}

static void a_number_alone_is_pinned_at_once(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	struct target_spec t;

	(void)state;
	w.pids = (uint32_t[]){ (uint32_t)getpid(), (uint32_t)getppid(), (uint32_t)getpid() };
	w.n_pids = 3;
	w.below_pids = (uint32_t[]){ 1 };
	w.n_below_pids = 1;
	assert_int_equal(target_spec_from_wire(&t, &w, NULL, 0, NULL), 0);
	assert_int_equal(t.n_pids, 2);
	assert_true(t.pids[0].pid < t.pids[1].pid);
	assert_true(t.pids[0].pidfd >= 0 && t.pids[1].pidfd >= 0);
	assert_int_equal(t.n_below, 1);
	assert_int_equal(t.below[0].pid, 1);
	target_spec_deinit(&t);
}

static void pidfds_held_by_one_target_are_bounded(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	struct target_spec t;
	uint32_t pids[TARGET_MAX_PIDFDS + 8];
	pid_t children[ARRAY_SIZE(pids)];
	size_t held = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		close(sleeper(&children[i]));
		pids[i] = (uint32_t)children[i];
	}
	w.pids = pids;
	w.n_pids = ARRAY_SIZE(pids);
	w.below_pids = pids;
	w.n_below_pids = 4;
	assert_int_equal(target_spec_from_wire(&t, &w, NULL, 0, NULL), 0);
	assert_int_equal(t.n_pids, ARRAY_SIZE(pids));
	for (size_t i = 0; i < t.n_pids; i++)
		held += t.pids[i].pidfd >= 0;
	for (size_t i = 0; i < t.n_below; i++)
		held += t.below[i].pidfd >= 0;
	assert_int_equal(held, TARGET_MAX_PIDFDS);
	target_spec_deinit(&t);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		end(children[i]);
}

static void a_descriptor_that_is_no_pidfd_is_refused_and_closed(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	struct target_spec t;
	struct error error = ERROR_INIT;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), number = fd;

	(void)state;
	w.pids = (uint32_t[]){ 1 };
	w.n_pids = w.n_pidfds = 1;
	assert_int_equal(target_spec_from_wire(&t, &w, &fd, 1, &error), -EINVAL);
	assert_non_null(strstr(error.text, "not a pidfd"));
	assert_int_equal(fcntl(number, F_GETFD), -1);
}

static void counts_that_do_not_fit_are_refused(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	static uint32_t many[LIMIT_PIDS + 1];
	char *names[TARGET_MAX_PATTERNS + 1];

	(void)state;
	w.pids = many;
	w.n_pids = LIMIT_PIDS + 1;
	refused(&w, -EINVAL, EXIT_CODE_USAGE, "4097 processes in one target, at most 4096");
	w.n_pids = LIMIT_PIDS;
	w.below_pids = many;
	w.n_below_pids = 1;
	refused(&w, -EINVAL, EXIT_CODE_USAGE, "4097 processes");
	w.n_below_pids = 0;
	w.n_pids = 3;
	w.n_pidfds = 2;
	refused(&w, -EINVAL, EXIT_CODE_USAGE,
		"2 and 0 pidfds announced for 3 and 0 processes, 0 came");
	w.n_pidfds = 3;
	refused(&w, -EINVAL, EXIT_CODE_USAGE, "0 came");
	w.n_pids = w.n_pidfds = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		names[i] = (char *)"x";
	w.comms = names;
	w.n_comms = ARRAY_SIZE(names);
	refused(&w, -EINVAL, EXIT_CODE_USAGE, "65 times --comm, at most 64");
}

static void one_string(char *text, int kind, const char *words)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;

	w.comms = w.exes = w.cgroups = w.units = &text;
	w.n_comms = kind == 0;
	w.n_exes = kind == 1;
	w.n_cgroups = kind == 2;
	w.n_units = kind == 3;
	refused(&w, -EINVAL, EXIT_CODE_USAGE, words);
}

static void strings_that_cannot_be_meant_are_refused_with_the_reason(void **state)
{
	char longer[LIMIT_PATH + 2];

	(void)state;
	longer[0] = '/';
	memset(longer + 1, 'a', LIMIT_PATH);
	longer[LIMIT_PATH + 1] = '\0';
	for (int kind = 0; kind < 4; kind++) {
		one_string((char *)"", kind, "is empty");
		one_string((char *)"/a\nb", kind, "\"/a?b\" has control characters");
		one_string((char *)"\x1b[31m", kind, "has control characters");
	}
	one_string((char *)"relative/path", 1, "--exe: \"relative/path\" is not an absolute path");
	one_string(longer, 1, "is longer than 4095");
	one_string(longer, 2, "is longer than 4095");
	one_string(longer + LIMIT_PATH - 63, 0, "is longer than 63");
	one_string((char *)"a-name-longer-than-15", 0, "a comm has at most 15 characters");
	one_string((char *)"/system.slice/../user.slice", 2, "has a \"..\" in it");
	one_string((char *)"a/b.service", 3, "is not a unit name");
	one_string(longer + LIMIT_PATH - 299, 3, "is longer than 255");
}

static struct target_spec from(Profd__V1__Target *w)
{
	struct target_spec t;

	assert_int_equal(target_spec_from_wire(&t, w, NULL, 0, NULL), 0);
	return t;
}

static void formats_as(Profd__V1__Target *w, const char *want)
{
	struct target_spec t = from(w);
	_cleanup_free_ char *text = target_spec_format(&t);

	assert_string_equal(text, want);
	target_spec_deinit(&t);
}

static void a_target_is_written_as_the_user_would(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT;
	char want[128];

	(void)state;
	formats_as(&w, "");
	w.all = true;
	formats_as(&w, "--all");
	w.all = false;
	w.pids = (uint32_t[]){ (uint32_t)getpid(), 1 };
	w.n_pids = 2;
	w.no_children = true;
	(void)snprintf(want, sizeof(want), "--pid 1,%d --no-children", getpid());
	formats_as(&w, want);
	w.n_pids = 0;
	w.no_children = false;
	w.comms = (char *[]){ (char *)"post*", (char *)"it's" };
	w.n_comms = 2;
	w.exes = (char *[]){ (char *)"/bin/x" };
	w.n_exes = 1;
	w.cgroups = (char *[]){ (char *)"/sys/fs/cgroup//a/./b/", (char *)"a",
		(char *)"/sys/fs/cgroup" };
	w.n_cgroups = 3;
	w.units = (char *[]){ (char *)"nginx" };
	w.n_units = 1;
	w.below_pids = (uint32_t[]){ 1 };
	w.n_below_pids = 1;
	formats_as(&w, "--comm 'post*' --comm 'it'\\''s' --exe /bin/x --cgroup /a/b --cgroup /a "
		       "--cgroup / --unit nginx --below 1");
}

static void order_and_doubles_do_not_make_another_target(void **state)
{
	Profd__V1__Target w = PROFD__V1__TARGET__INIT, v = PROFD__V1__TARGET__INIT;

	(void)state;
	w.comms = (char *[]){ (char *)"a", (char *)"b" };
	w.n_comms = 2;
	w.pids = (uint32_t[]){ (uint32_t)getpid(), 1 };
	w.n_pids = 2;
	v.comms = (char *[]){ (char *)"b", (char *)"a", (char *)"b" };
	v.n_comms = 3;
	v.pids = (uint32_t[]){ 1, (uint32_t)getpid(), 1 };
	v.n_pids = 3;
	struct target_spec a = from(&w), b = from(&v);
	assert_true(target_spec_equal(&a, &b));
	assert_true(target_spec_equal(&b, &a));
	target_spec_deinit(&b);

	/* What does make another: each part. */
	for (int part = 0; part < 6; part++) {
		Profd__V1__Target other = w;
		if (part == 0)
			other.n_comms = 1;
		else if (part == 1)
			other.n_pids = 1;
		else if (part == 2)
			other.all = true;
		else if (part == 3)
			other.no_children = true;
		else if (part == 4) {
			other.units = w.comms;
			other.n_units = 1;
		} else {
			other.below_pids = w.pids;
			other.n_below_pids = 1;
		}
		b = from(&other);
		assert_false(target_spec_equal(&a, &b));
		assert_false(target_spec_equal(&b, &a));
		target_spec_deinit(&b);
	}
	target_spec_deinit(&a);
}

static bool child_of_42(void *userdata, uint32_t pid)
{
	(void)userdata;
	return pid == 42;
}

static bool matches(const struct target_spec *t, uint32_t pid, const char *comm, const char *exe,
	const char *cgroup)
{
	struct target_candidate c = { .pid = pid,
		.comm = comm,
		.exe = exe,
		.cgroup = cgroup,
		.descends = pid == 43 ? child_of_42 : NULL };

	return target_spec_matches(t, &c);
}

static void strings_match_as_the_commands_say(void **state)
{
	struct target_spec comm = { .comms = { (char *)"wor?er*" }, .n_comms = 1 };
	struct target_spec exe = { .exes = { (char *)"/bin/a*" }, .n_exes = 1 };
	struct target_spec group = { .cgroups = { (char *)"/a/b" }, .n_cgroups = 1 };
	struct target_spec root = { .cgroups = { (char *)"/" }, .n_cgroups = 1 };

	(void)state;
	assert_true(matches(&comm, 1, "worker", "", "/"));
	assert_true(matches(&comm, 1, "worxer/3", "", "/"));
	assert_false(matches(&comm, 1, "aworker", "", "/"));
	assert_false(matches(&comm, 1, NULL, NULL, NULL));
	assert_true(matches(&exe, 1, "", "/bin/a*", "/"));
	assert_false(matches(&exe, 1, "", "/bin/ab", "/"));
	assert_true(matches(&group, 1, "", "", "/a/b"));
	assert_true(matches(&group, 1, "", "", "/a/b/c"));
	assert_false(matches(&group, 1, "", "", "/a/bc"));
	assert_false(matches(&group, 1, "", "", "/a"));
	assert_false(matches(&group, 1, "", "", "/x/a/b"));
	assert_true(matches(&root, 1, "", "", "/a"));
	assert_false(matches(&root, 1, "", "", ""));
}

static void a_unit_is_the_system_managers_and_not_a_name_below_it(void **state)
{
	struct target_spec name = { .units = { (char *)"nginx" }, .n_units = 1 };
	struct target_spec full = { .units = { (char *)"nginx.service" }, .n_units = 1 };
	struct target_spec slice = { .units = { (char *)"system.slice" }, .n_units = 1 };

	(void)state;
	assert_true(matches(&name, 1, "", "", "/system.slice/nginx.service"));
	assert_true(matches(&full, 1, "", "", "/system.slice/nginx.service/workers"));
	assert_true(matches(&name, 1, "", "", "/a.slice/a-b.slice/nginx.service"));
	assert_false(matches(&name, 1, "", "", "/system.slice/nginx.service.d"));
	assert_false(matches(&name, 1, "", "", "/system.slice/xnginx.service"));
	assert_false(matches(
		&full, 1, "", "", "/user.slice/user-1000.slice/user@1000.service/nginx.service"));
	assert_true(matches(&slice, 1, "", "", "/system.slice/any.service"));
	assert_false(matches(&slice, 1, "", "", "/user.slice/x.scope/system.slice"));
	assert_false(matches(&name, 1, "", "", ""));
}

static void children_follow_unless_asked_not_to(void **state)
{
	struct target_pid p = { .pid = 42, .pidfd = -1 };
	struct target_spec t = { .pids = &p, .n_pids = 1 };

	(void)state;
	assert_true(matches(&t, 42, "", "", ""));
	assert_true(matches(&t, 43, "", "", ""));
	assert_false(matches(&t, 44, "", "", ""));
	t.no_children = true;
	assert_true(matches(&t, 42, "", "", ""));
	assert_false(matches(&t, 43, "", "", ""));
}

static void below_narrows_what_the_rest_says(void **state)
{
	struct target_pid p = { .pid = 42, .pidfd = -1 };
	struct target_spec t = {
		.below = &p, .n_below = 1, .comms = { (char *)"a" }, .n_comms = 1
	};

	(void)state;
	assert_true(matches(&t, 43, "a", "", ""));
	assert_false(matches(&t, 43, "b", "", ""));
	assert_false(matches(&t, 44, "a", "", ""));
	t.n_comms = 0;
	assert_true(matches(&t, 43, "b", "", ""));
	assert_true(matches(&t, 42, "b", "", ""));
	assert_false(matches(&t, 44, "b", "", ""));
	t.all = true;
	assert_false(matches(&t, 44, "b", "", ""));
}

static void an_empty_target_matches_nothing_and_all_everything(void **state)
{
	struct target_spec none = { 0 }, all = { .all = true };

	(void)state;
	assert_true(target_spec_empty(&none));
	assert_false(target_spec_empty(&all));
	assert_false(matches(&none, 1, "a", "/a", "/"));
	assert_true(matches(&all, 1, "a", "/a", "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pidfd_decides_which_process_is_meant),
		cmocka_unit_test(a_process_that_ended_is_no_target),
		cmocka_unit_test(a_number_alone_is_pinned_at_once),
		cmocka_unit_test(pidfds_held_by_one_target_are_bounded),
		cmocka_unit_test(a_descriptor_that_is_no_pidfd_is_refused_and_closed),
		cmocka_unit_test(counts_that_do_not_fit_are_refused),
		cmocka_unit_test(strings_that_cannot_be_meant_are_refused_with_the_reason),
		cmocka_unit_test(a_target_is_written_as_the_user_would),
		cmocka_unit_test(order_and_doubles_do_not_make_another_target),
		cmocka_unit_test(strings_match_as_the_commands_say),
		cmocka_unit_test(a_unit_is_the_system_managers_and_not_a_name_below_it),
		cmocka_unit_test(children_follow_unless_asked_not_to),
		cmocka_unit_test(below_narrows_what_the_rest_says),
		cmocka_unit_test(an_empty_target_matches_nothing_and_all_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
