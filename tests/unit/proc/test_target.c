/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of processes, friendly and hostile; names that are resolved. */
#include "target_fixture.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "base/clock.h"
#include "base/io.h"
#include "bpf/abi.h"

static void a_process_is_read_whole(void **state)
{
	(void)state;
	uint64_t before = clock_monotonic_ns();
	struct read_answer a = read_of(getpid(), true);
	char exe[4096] = "";
	struct stat st;

	assert_int_equal(a.error, 0);
	assert_int_equal(a.info.pid, getpid());
	assert_true(a.info.before_ns >= before && a.info.after_ns >= a.info.before_ns);
	assert_true(a.info.after_ns <= clock_monotonic_ns());
	assert_int_equal(a.info.stat.ppid, getppid());
	assert_int_equal(a.info.status.uid[1], geteuid());
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_string_equal(a.exe, exe);
	assert_false(a.info.exe_deleted);
	assert_false(a.info.other_root);
	assert_int_equal(stat(exe, &st), 0);
	assert_int_equal(a.info.exe_inode, st.st_ino);
	if (major(st.st_dev) != 0) {
		assert_int_equal(a.info.exe_major, major(st.st_dev));
		assert_int_equal(a.info.exe_minor, minor(st.st_dev));
	}
	assert_non_null(a.maps);
	assert_non_null(strstr(a.maps, exe));
	assert_non_null(strstr(a.maps, "[vdso]"));
	free(a.maps);
	a = read_of(getpid(), false);
	assert_null(a.info.maps);
}

static void a_process_that_is_gone_is_not_found(void **state)
{
	(void)state;
	pid_t pid = child_of(NULL, NULL);

	end_child(pid);
	assert_int_equal(read_of(pid, true).error, -ESRCH);
	assert_int_equal(read_of(0, true).error, -ESRCH);
}

static void many_mappings_come_through(void **state)
{
	(void)state;
	size_t n = 3000, page = 4096;
	char *area = mmap(NULL, 2 * n * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(area != MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(mprotect(area + 2 * i * page, page, PROT_READ | PROT_WRITE), 0);
	struct read_answer a = read_of(getpid(), true);
	assert_int_equal(a.error, 0);
	assert_true(a.info.maps_n > 64 * 1024);
	assert_non_null(strstr(a.maps, "[vdso]"));
	free(a.maps);
	munmap(area, 2 * n * page);
}

static void drop_to_1500(void *userdata)
{
	(void)userdata;
	/* A change of uid makes a process undumpable; a plain user's is dumpable from its start. */
	if (setresgid(1500, 1500, 1500) < 0 || setresuid(1500, 1500, 1500) < 0 ||
		prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(1);
}

static void drop_to_1500_undumpable(void *userdata)
{
	drop_to_1500(userdata);
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		_exit(1);
}

static void drop_to_1500_with_a_saved_uid(void *userdata)
{
	(void)userdata;
	if (setresgid(1500, 1500, 1500) < 0 || setresuid(1500, 1500, 1501) < 0 ||
		prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(1);
}

static void drop_to_1500_with_another_group(void *userdata)
{
	(void)userdata;
	if (setresgid(1500, 1500, 0) < 0 || setresuid(1500, 1500, 1500) < 0 ||
		prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(1);
}

static void drop_to_1500_but_a_capability(void *userdata)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { .permitted = 1U << CAP_CHOWN } };

	(void)userdata;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresgid(1500, 1500, 1500) < 0 ||
		setresuid(1500, 1500, 1500) < 0 || syscall(SYS_capset, &h, d) < 0 ||
		prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(1);
}

static void a_process_belongs_to_the_one_it_is_of_in_every_respect(void **state)
{
	(void)state;
	static const struct {
		void (*prepare)(void *);
		uint32_t owner;
	} cases[] = {
		{ drop_to_1500, 1500 },
		{ drop_to_1500_undumpable, OWNER_NOBODY },
		{ drop_to_1500_with_a_saved_uid, OWNER_NOBODY },
		{ drop_to_1500_with_another_group, OWNER_NOBODY },
		{ drop_to_1500_but_a_capability, OWNER_NOBODY },
	};

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid = child_of(cases[i].prepare, NULL);
		struct read_answer a = read_of(pid, false);

		assert_int_equal(a.error, 0);
		assert_int_equal(a.info.owner_uid, cases[i].owner);
		end_child(pid);
	}
}

struct scan_answer {
	bool done, self, kernel;
	int error;
	unsigned n;
};

static void on_scan(void *userdata, int error, const struct target_process_info *info)
{
	struct scan_answer *a = userdata;

	assert_int_equal(error, 0);
	a->n++;
	a->self |= info->pid == (uint32_t)getpid();
	a->kernel |= info->exe[0] == '\0' && info->stat.ppid == 2;
	assert_null(info->maps);
}

static void on_scanned(void *userdata, int error)
{
	struct scan_answer *a = userdata;

	a->done = true;
	a->error = error;
}

static void a_scan_finds_processes_but_no_kernel_threads(void **state)
{
	(void)state;
	struct scan_answer a = { .done = false };

	assert_int_equal(target_scan(io, on_scan, on_scanned, &a), 0);
	run_until(&a.done);
	assert_int_equal(a.error, 0);
	assert_true(a.self && !a.kernel && a.n > 1);
}

/* ---- resolving ---- */

struct resolve_answer {
	bool done;
	int error;
	struct target_resolved r;
	char path[4096];
};

static void on_resolve(void *userdata, int error, const struct target_resolved *r)
{
	struct resolve_answer *a = userdata;

	a->done = true;
	a->error = error;
	if (error < 0)
		return;
	a->r = *r;
	(void)snprintf(a->path, sizeof(a->path), "%s", r->path);
}

static struct resolve_answer resolve(enum target_resolve_kind kind, const char *name)
{
	struct resolve_answer a = { .done = false };

	assert_int_equal(target_resolve(io, kind, name, on_resolve, &a), 0);
	run_until(&a.done);
	return a;
}

static void an_executable_is_resolved_to_what_its_process_shows(void **state)
{
	(void)state;
	struct read_answer self = read_of(getpid(), false);
	struct resolve_answer a = resolve(TARGET_RESOLVE_EXE, self.exe);

	assert_int_equal(a.error, 0);
	assert_int_equal(a.r.inode, self.info.exe_inode);
	assert_int_equal(a.r.major, self.info.exe_major);
	assert_int_equal(a.r.minor, self.info.exe_minor);
	assert_int_equal(resolve(TARGET_RESOLVE_EXE, "/nonexistent/x").error, -ENOENT);
	assert_int_equal(resolve(TARGET_RESOLVE_EXE, "relative").error, -EINVAL);
	assert_int_equal(resolve(TARGET_RESOLVE_EXE, "/tmp").error, -EISDIR);
}

/* Where cgroup v2 is mounted; "" where it is not. */
static const char *cgroup_mount(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char probe[128];

		(void)snprintf(probe, sizeof(probe), "%s/cgroup.controllers", places[i]);
		if (access(probe, F_OK) == 0)
			return places[i];
	}
	return "";
}

static void units_and_cgroups_are_found_in_the_tree(void **state)
{
	(void)state;
	char slice[128], unit[192], procs[256], pid_text[16];
	struct stat st;

	if (cgroup_mount()[0] == '\0' || geteuid() != 0)
		skip();
	(void)snprintf(slice, sizeof(slice), "%s/profd-test.slice", cgroup_mount());
	(void)snprintf(unit, sizeof(unit), "%s/profd-test-unit.service", slice);
	if (mkdir(slice, 0755) < 0 || mkdir(unit, 0755) < 0)
		skip();
	assert_int_equal(stat(unit, &st), 0);
	pid_t pid = child_of(NULL, NULL);
	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", unit);
	(void)snprintf(pid_text, sizeof(pid_text), "%d", pid);
	_cleanup_close_ int fd = open(procs, O_WRONLY | O_CLOEXEC);
	bool moved = fd >= 0 && io_write_full(fd, pid_text, strlen(pid_text)) == 0;

	struct resolve_answer a = resolve(TARGET_RESOLVE_UNIT, "profd-test-unit");
	assert_int_equal(a.error, 0);
	assert_string_equal(a.path, "/profd-test.slice/profd-test-unit.service");
	assert_int_equal(a.r.cgroup_id, st.st_ino);
	assert_int_equal(a.r.cgroup_level, 2);
	a = resolve(TARGET_RESOLVE_UNIT, "profd-test.slice");
	assert_int_equal(a.r.cgroup_level, 1);
	a = resolve(TARGET_RESOLVE_CGROUP, unit);
	assert_int_equal(a.r.cgroup_id, st.st_ino);
	a = resolve(TARGET_RESOLVE_CGROUP, "profd-test.slice/profd-test-unit.service/");
	assert_int_equal(a.r.cgroup_id, st.st_ino);
	assert_int_equal(resolve(TARGET_RESOLVE_UNIT, "profd-no-such").error, -ENOENT);
	assert_int_equal(resolve(TARGET_RESOLVE_CGROUP, "/../etc").error, -ENOENT);
	if (moved) {
		struct read_answer r = read_of(pid, false);
		assert_int_equal(r.info.cgroup_id, st.st_ino);
		assert_string_equal(r.cgroup, "/profd-test.slice/profd-test-unit.service");
	}
	end_child(pid);
	assert_int_equal(rmdir(unit), 0);
	assert_int_equal(rmdir(slice), 0);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_process_is_read_whole),
		T(a_process_that_is_gone_is_not_found),
		T(many_mappings_come_through),
		T(a_process_belongs_to_the_one_it_is_of_in_every_respect),
		T(a_scan_finds_processes_but_no_kernel_threads),
		T(an_executable_is_resolved_to_what_its_process_shows),
		T(units_and_cgroups_are_found_in_the_tree),
	};

	if (argc == 3 && !strcmp(argv[1], "--helper"))
		return helper_main(argv[2], serves);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
