/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes are sampled: children, names, executables, cgroups, and rules that require
 * another attachment. The test runs itself as the program that is executed. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static struct seen seen;

/* Processes that a child made and that outlive it end with the test. */
static pid_t grandchild;

/* A child that waits for a byte, then does what `act` does; it is stopped until told. */
struct told {
	pid_t pid;
	int to, from;
};

static struct told child_told(void (*act)(int from))
{
	int to[2], from[2];
	struct told t;

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	t.pid = fork();
	assert_true(t.pid >= 0);
	if (t.pid == 0) {
		char byte;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(to[0], &byte, 1) != 1)
			_exit(1);
		act(from[1]);
		_exit(0);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	t.to = to[1];
	t.from = from[0];
	return t;
}

static void tell(const struct told *t)
{
	assert_int_equal(write(t->to, "x", 1), 1);
}

static void told_end(struct told *t)
{
	child_end(t->pid);
	(void)close(t->to);
	(void)close(t->from);
	if (grandchild)
		(void)kill(grandchild, SIGKILL);
	grandchild = 0;
}

static void exec_self(void)
{
	(void)execl("/proc/self/exe", "spinner", "spin", NULL);
	_exit(1);
}

static void act_exec(int from)
{
	(void)from;
	exec_self();
}

static void act_fork_exec(int from)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_self();
	if (write(from, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	(void)waitpid(pid, NULL, 0);
}

static void act_rename(int from)
{
	(void)from;
	(void)prctl(PR_SET_NAME, "glob-m7-worker");
	spin();
}

static void act_spin(int from)
{
	(void)from;
	spin();
}

static unsigned start(struct kernel **k, uint64_t bits)
{
	unsigned set;

	memset(&seen, 0, sizeof(seen));
	*k = kernel_or_skip(NULL, &seen);
	set = set_of(*k, 999);
	assert_int_equal(kernel_set_attach(*k, set, bits), 0);
	return set;
}

static void the_child_of_a_target_is_sampled_from_fork_through_exec(void **state)
{
	struct told t = child_told(act_fork_exec);
	struct kernel *k;

	(void)state;
	(void)start(&k, 1);
	assert_int_equal(kernel_target_pid(k, (uint32_t)t.pid, 1), 0);
	tell(&t);
	assert_int_equal(read(t.from, &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(kernel_target_of(k, (uint32_t)grandchild), 1);
	run_until(k, &seen, grandchild, 100);
	told_end(&t);
	kernel_free(k);
}

static void no_children_leaves_children_out(void **state)
{
	struct told t = child_told(act_fork_exec);
	struct kernel *k;

	(void)state;
	(void)start(&k, 3);
	kernel_target_no_children(k, 1, true);
	assert_int_equal(kernel_target_pid(k, (uint32_t)t.pid, 3), 0);
	tell(&t);
	assert_int_equal(read(t.from, &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(kernel_target_of(k, (uint32_t)grandchild), 2);
	told_end(&t);
	kernel_free(k);
}

static void a_process_is_no_target_any_more_when_its_number_is_free(void **state)
{
	struct told t = child_told(act_spin);
	struct kernel *k;
	pid_t pid = t.pid;

	(void)state;
	(void)start(&k, 1);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	told_end(&t);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), -ESRCH);
	assert_int_equal(kernel_target_of(k, (uint32_t)pid), 0);
	kernel_free(k);
}

static struct target_rule comm_rule(const char *glob, uint64_t require)
{
	struct target_rule rule = { .kind = RULE_COMM, .require = require };

	(void)snprintf(rule.glob, sizeof(rule.glob), "%s", glob);
	return rule;
}

static void a_process_that_takes_a_matching_name_is_sampled(void **state)
{
	struct told t = child_told(act_rename);
	struct target_rule rule = comm_rule("glob-[l-n]?-*k*", 0), other = comm_rule("glob", 0);
	struct kernel *k;

	(void)state;
	(void)start(&k, 3ULL << 40);
	kernel_target_rule(k, 40, &rule);
	kernel_target_rule(k, 41, &other);
	assert_int_equal(kernel_target_of(k, (uint32_t)t.pid), 0);
	tell(&t);
	run_until(k, &seen, t.pid, 100);
	assert_int_equal(kernel_target_of(k, (uint32_t)t.pid), 1ULL << 40);
	told_end(&t);
	kernel_free(k);
}

static void a_rule_with_require_holds_only_below_what_it_requires(void **state)
{
	struct told in = child_told(act_rename), out = child_told(act_rename);
	struct target_rule rule = comm_rule("glob-*", 1);
	struct kernel *k;

	(void)state;
	(void)start(&k, 2);
	kernel_target_rule(k, 1, &rule);
	assert_int_equal(kernel_target_pid(k, (uint32_t)in.pid, 1), 0);
	tell(&in);
	tell(&out);
	run_until(k, &seen, in.pid, 100);
	run_for(k, out.pid, NS_PER_SEC / 10);
	assert_int_equal(kernel_target_of(k, (uint32_t)in.pid), 3);
	assert_int_equal(kernel_target_of(k, (uint32_t)out.pid), 0);
	assert_int_equal(seen_of(&seen, out.pid), 0);
	told_end(&in);
	told_end(&out);
	kernel_free(k);
}

static void a_process_that_executes_the_file_is_sampled(void **state)
{
	struct told in = child_told(act_exec), out = child_told(act_spin);
	struct target_rule rule = { .kind = RULE_EXE };
	struct kernel *k;
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	rule.inode = st.st_ino;
	rule.dev = major(st.st_dev) << 20 | minor(st.st_dev);
	(void)start(&k, 1);
	seen.watch_pid = (uint32_t)in.pid;
	kernel_target_rule(k, 0, &rule);
	tell(&in);
	tell(&out);
	run_until(k, &seen, in.pid, 100);
	run_for(k, out.pid, NS_PER_SEC / 10);
	assert_int_equal(kernel_target_of(k, (uint32_t)in.pid), 1);
	assert_int_equal(kernel_target_of(k, (uint32_t)out.pid), 0);
	assert_int_equal(seen_of(&seen, out.pid), 0);
	/* The sideband told of the same exec and of the mappings that it made. */
	assert_int_equal(seen.watch_execs, 1);
	assert_string_equal(seen.last_comm_text, "exe");
	assert_true(seen.maps_of_child >= 3);
	told_end(&in);
	drain_all(k);
	assert_int_equal(seen.watch_exits, 1);
	told_end(&out);
	kernel_free(k);
}

static const char *cgroup_mount(void)
{
	size_t n;
	const struct kernel_feature *f = kernel_features(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].name, "cgroup2") == 0)
			return f[i].present ? f[i].detail : NULL;
	return NULL;
}

static void a_process_in_the_cgroup_is_sampled_as_long_as_it_is_in_it(void **state)
{
	struct told t = child_told(act_spin);
	struct target_rule rule = { .kind = RULE_CGROUP, .cgroup_level = 1 };
	char folder[256], procs[300];
	struct kernel *k;
	struct stat st;
	uint64_t had;
	FILE *f = NULL;

	(void)state;
	if (!cgroup_mount()) {
		told_end(&t);
		skip();
	}
	(void)snprintf(folder, sizeof(folder), "%s/profd-test-%d", cgroup_mount(), getpid());
	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", folder);
	if (mkdir(folder, 0755) < 0 || stat(folder, &st) < 0 || !(f = fopen(procs, "w"))) {
		told_end(&t);
		(void)rmdir(folder);
		skip();
	}
	rule.cgroup_id = st.st_ino;
	(void)start(&k, 1ULL << 5);
	kernel_target_rule(k, 5, &rule);
	tell(&t);
	run_for(k, t.pid, NS_PER_SEC / 20);
	assert_int_equal(seen_of(&seen, t.pid), 0);
	assert_true(fprintf(f, "%d", t.pid) > 0);
	assert_int_equal(fclose(f), 0);
	run_until(k, &seen, t.pid, 100);
	kernel_target_rule(k, 5, NULL);
	drain_all(k);
	had = seen_of(&seen, t.pid);
	run_for(k, t.pid, NS_PER_SEC / 20);
	assert_int_equal(seen_of(&seen, t.pid), had);
	told_end(&t);
	kernel_free(k);
	for (int i = 0; i < 100 && rmdir(folder) < 0; i++)
		sleep_ms(20);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_child_of_a_target_is_sampled_from_fork_through_exec),
		cmocka_unit_test(no_children_leaves_children_out),
		cmocka_unit_test(a_process_is_no_target_any_more_when_its_number_is_free),
		cmocka_unit_test(a_process_that_takes_a_matching_name_is_sampled),
		cmocka_unit_test(a_rule_with_require_holds_only_below_what_it_requires),
		cmocka_unit_test(a_process_that_executes_the_file_is_sampled),
		cmocka_unit_test(a_process_in_the_cgroup_is_sampled_as_long_as_it_is_in_it),
	};

	if (argc > 1 && strcmp(argv[1], "spin") == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		spin();
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
