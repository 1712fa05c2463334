/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target I/O with real helpers on real processes, friendly and hostile. The test program is its own
 * helper (`--helper target`) and its own targets (forked children).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "bpf/abi.h"
#include "proc/target.h"

static const helper_serve_fn serves[HELPER_ROLES] = { [HELPER_TARGET] = target_serve };
static sd_event *event;
static struct target_io *io;
static char dir[64];
static char quarantined[128];

static void on_quarantine(void *userdata, const char *what, const char *why)
{
	(void)userdata, (void)why;
	(void)snprintf(quarantined, sizeof(quarantined), "%s", what);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/profd-test-XXXXXX");
	quarantined[0] = '\0';
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0 || sd_event_new(&event) < 0 ||
		target_io_new(&io, event) < 0)
		return -1;
	target_io_on_quarantine(io, on_quarantine, NULL);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	io = target_io_free(io);
	event = sd_event_unref(event);
	(void)snprintf(command, sizeof(command), "rm -rf --one-file-system %s", dir);
	return system(command) == 0 ? 0 : -1;
}

static void run_until(const bool *done)
{
	while (!*done)
		assert_true(sd_event_run(event, 20 * 1000 * 1000) > 0);
}

static const char *in_dir(const char *name)
{
	static char path[16][128];
	static unsigned next;
	char *p = path[next++ % 16];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
}

/* ---- children ---- */

/* A child that does what it is told and then waits to be killed. */
static pid_t child_of(void (*prepare)(void *), void *userdata)
{
	int ready[2];
	char c = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prepare)
			prepare(userdata);
		/* A change of uid has cleared it. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- reading ---- */

struct read_answer {
	bool done;
	int error;
	struct target_process_info info;
	char comm[64], exe[4096], cgroup[4096], cmdline[256], *maps;
};

static void on_read(void *userdata, int error, const struct target_process_info *info)
{
	struct read_answer *a = userdata;

	a->done = true;
	a->error = error;
	if (error < 0)
		return;
	a->info = *info;
	(void)snprintf(a->comm, sizeof(a->comm), "%s", info->comm);
	(void)snprintf(a->exe, sizeof(a->exe), "%s", info->exe);
	(void)snprintf(a->cgroup, sizeof(a->cgroup), "%s", info->cgroup);
	memcpy(a->cmdline, info->cmdline, MIN(info->cmdline_n, sizeof(a->cmdline)));
	a->maps = info->maps ? strndup(info->maps, info->maps_n) : NULL;
}

static struct read_answer read_of(pid_t pid, bool with_maps)
{
	struct read_answer a = { .done = false };

	assert_int_equal(target_read(io, (uint32_t)pid, with_maps, on_read, &a), 0);
	run_until(&a.done);
	return a;
}

static void a_process_is_read_whole(void **state)
{
	(void)state;
	uint64_t before = clock_monotonic_ns();
	struct read_answer a = read_of(getpid(), true);
	char exe[4096] = "", line[64];
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
	(void)snprintf(line, sizeof(line), "%" PRIx64 "-", (uint64_t)0);
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

/* ---- opening ---- */

struct open_answer {
	bool done;
	int error;
	struct target_file file;
	char text[32];
};

static void on_open(void *userdata, int error, struct target_file *file)
{
	struct open_answer *a = userdata;

	a->done = true;
	a->error = error;
	if (error < 0) {
		assert_null(file);
		return;
	}
	a->file = *file;
	if (pread(file->fd, a->text, sizeof(a->text) - 1, 0) < 0)
		a->text[0] = '\0';
	assert_int_equal(fcntl(file->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
}

static struct open_answer open_of(const struct target_open_request *req)
{
	struct open_answer a = { .done = false };
	int r = target_open(io, req, on_open, &a);

	if (r < 0)
		return (struct open_answer){ .error = r };
	run_until(&a.done);
	return a;
}

/* A request for what the path is now. */
static struct target_open_request request_for(pid_t pid, const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (struct target_open_request){ .pid = (uint32_t)pid,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.inode = st.st_ino,
		.path = path };
}

static void a_file_is_opened_by_its_path_and_identity(void **state)
{
	(void)state;
	const char *path = in_dir("binary");
	write_text(path, "hello");
	struct target_open_request req = request_for(getpid(), path);
	struct open_answer a = open_of(&req);
	struct stat st;

	assert_int_equal(a.error, 0);
	assert_string_equal(a.text, "hello");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(a.file.size, 5);
	assert_int_equal(a.file.inode, st.st_ino);
	assert_int_equal(a.file.owner_uid, geteuid());
	assert_int_equal(a.file.mtime_ns,
		(uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec);
	req.pid = 0;
	assert_int_equal(open_of(&req).error, 0);
	req.inode++;
	assert_int_equal(open_of(&req).error, -ESTALE);
}

static void a_replaced_binary_is_stale(void **state)
{
	(void)state;
	const char *path = in_dir("binary");
	write_text(path, "old");
	struct target_open_request req = request_for(getpid(), path);

	/* The old one stays open, so that its inode number is not used again. */
	_cleanup_close_ int old = open(path, O_RDONLY | O_CLOEXEC);
	write_text(in_dir("new"), "new");
	assert_int_equal(rename(in_dir("new"), path), 0);
	assert_true(old >= 0);
	assert_int_equal(open_of(&req).error, -ESTALE);
}

static void a_deleted_binary_is_opened_through_its_mapping(void **state)
{
	(void)state;
	const char *path = in_dir("binary");
	write_text(path, "mapped");
	struct target_open_request req = request_for(getpid(), path);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(unlink(path), 0);
	req.start = (uint64_t)(uintptr_t)p;
	req.end = req.start + 4096;
	struct open_answer a = open_of(&req);
	if (a.error == -ENOENT && geteuid() != 0)
		skip(); /* map_files asks for CAP_CHECKPOINT_RESTORE */
	assert_int_equal(a.error, 0);
	assert_string_equal(a.text, "mapped");
	munmap(p, 4096);
	assert_int_equal(open_of(&req).error, -ENOENT);
}

static void a_fifo_or_device_is_no_binary(void **state)
{
	(void)state;
	const char *path = in_dir("fifo");
	assert_int_equal(mkfifo(path, 0644), 0);
	struct target_open_request req = request_for(getpid(), path);

	assert_int_equal(open_of(&req).error, -EINVAL);
	req = request_for(getpid(), "/dev/zero");
	assert_int_equal(open_of(&req).error, -EINVAL);
	req = request_for(getpid(), dir);
	assert_int_equal(open_of(&req).error, -EINVAL);
	req = (struct target_open_request){ .pid = (uint32_t)getpid(), .path = in_dir("none") };
	assert_int_equal(open_of(&req).error, -ENOENT);
}

static void a_huge_file_is_refused(void **state)
{
	(void)state;
	const char *path = in_dir("huge");
	write_text(path, "");
	if (truncate(path, (off_t)LIMIT_ELF_BYTES + 1) < 0)
		skip();
	struct target_open_request req = request_for(getpid(), path);
	assert_int_equal(open_of(&req).error, -EFBIG);
}

static void enter_chroot(void *userdata)
{
	(void)userdata;
	if (chroot(dir) < 0 || chdir("/") < 0)
		_exit(1);
}

static void a_link_does_not_lead_out_of_the_targets_root(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(in_dir("etc"), 0755), 0);
	write_text(in_dir("etc/secret"), "inside");
	write_text("/tmp/profd-test-secret", "outside");
	assert_int_equal(symlink("/tmp/profd-test-secret", in_dir("absolute")), 0);
	assert_int_equal(symlink("../../../../../tmp/profd-test-secret", in_dir("dots")), 0);
	assert_int_equal(symlink("/etc/secret", in_dir("inner")), 0);
	assert_int_equal(symlink("/proc/self/exe", in_dir("magic")), 0);
	pid_t pid = child_of(enter_chroot, NULL);
	struct target_open_request req = { .pid = (uint32_t)pid };

	req.path = "/absolute";
	assert_int_equal(open_of(&req).error, -ENOENT);
	req.path = "/dots";
	assert_int_equal(open_of(&req).error, -ENOENT);
	req.path = "/../../../../../../tmp/profd-test-secret";
	assert_int_equal(open_of(&req).error, -ENOENT);
	req.path = "/inner";
	struct open_answer a = open_of(&req);
	assert_int_equal(a.error, 0);
	assert_string_equal(a.text, "inside");
	assert_true(read_of(pid, false).info.other_root);
	end_child(pid);
	assert_int_equal(unlink("/tmp/profd-test-secret"), 0);
}

/* ---- perf maps ---- */

static struct open_answer perf_map_of(pid_t pid)
{
	struct open_answer a = { .done = false };

	assert_int_equal(target_open_perf_map(io, (uint32_t)pid, on_open, &a), 0);
	run_until(&a.done);
	return a;
}

static void a_perf_map_must_be_the_targets_own_plain_file(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(in_dir("tmp"), 0777), 0);
	pid_t pid = child_of(enter_chroot, NULL);
	char name[64];
	(void)snprintf(name, sizeof(name), "tmp/perf-%d.map", pid);
	const char *path = in_dir(name);

	assert_int_equal(perf_map_of(pid).error, -ENOENT);
	write_text(path, "1000 10 f\n");
	struct open_answer a = perf_map_of(pid);
	assert_int_equal(a.error, 0);
	assert_string_equal(a.text, "1000 10 f\n");
	/* of another user */
	assert_int_equal(chown(path, 1500, 1500), 0);
	assert_int_equal(perf_map_of(pid).error, -EACCES);
	assert_int_equal(chown(path, 0, 0), 0);
	/* with a second name */
	assert_int_equal(link(path, in_dir("tmp/second")), 0);
	assert_int_equal(perf_map_of(pid).error, -EINVAL);
	assert_int_equal(unlink(in_dir("tmp/second")), 0);
	/* too large */
	assert_int_equal(truncate(path, (off_t)LIMIT_PERF_MAP_BYTES + 1), 0);
	assert_int_equal(perf_map_of(pid).error, -EFBIG);
	/* a link */
	assert_int_equal(rename(path, in_dir("tmp/elsewhere")), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(perf_map_of(pid).error, -ELOOP);
	/* a pipe */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(perf_map_of(pid).error, -EINVAL);
	end_child(pid);
	assert_int_equal(perf_map_of(pid).error, -ESRCH);
}

/* ---- separate debug files ---- */

struct debug_answer {
	bool done;
	int error;
	size_t n;
	char text[4][16];
};

static void on_debug(void *userdata, int error, int *fds, size_t n)
{
	struct debug_answer *a = userdata;

	a->done = true;
	a->error = error;
	a->n = n;
	for (size_t i = 0; i < MIN(n, (size_t)4); i++)
		assert_true(pread(fds[i], a->text[i], 15, 0) > 0);
}

static struct debug_answer debug_of(const char *link, const char *binary)
{
	struct debug_answer a = { .done = false };

	assert_int_equal(target_open_debug(io, "", link, binary, 0, on_debug, &a), 0);
	run_until(&a.done);
	assert_int_equal(a.error, 0);
	return a;
}

static void debug_files_beside_the_binary_are_roots_and_no_links(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	const char *binary = in_dir("binary");
	write_text(binary, "binary");
	write_text(in_dir("binary.debug"), "beside");
	assert_int_equal(mkdir(in_dir(".debug"), 0755), 0);
	write_text(in_dir(".debug/binary.debug"), "below");
	struct debug_answer a = debug_of("binary.debug", binary);
	assert_int_equal(a.n, 2);
	assert_string_equal(a.text[0], "beside");
	assert_string_equal(a.text[1], "below");
	assert_int_equal(chown(in_dir("binary.debug"), 1500, 1500), 0);
	assert_int_equal(rename(in_dir(".debug/binary.debug"), in_dir("real")), 0);
	assert_int_equal(symlink("../real", in_dir(".debug/binary.debug")), 0);
	assert_int_equal(debug_of("binary.debug", binary).n, 0);
	/* A name that leads elsewhere is none. */
	write_text(in_dir("x"), "x");
	assert_int_equal(debug_of("../x", in_dir(".debug/binary")).n, 0);
	assert_int_equal(debug_of("binary", binary).n, 0);
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

/* ---- a file system on which nobody answers ---- */

/* Mounts FUSE and never reads a request. The connection's fd, or -1 where that is not possible
 * here. */
static int mount_mute(const char *point)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];

	if (fd < 0)
		return -1;
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("mute", point, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		return close_fd(fd);
	return fd;
}

static void a_file_system_that_never_answers_costs_its_deadline_only(void **state)
{
	(void)state;
	const char *point = in_dir("mute"), *way = in_dir("way"), *good = in_dir("good");
	char below[160], through[160];
	assert_int_equal(mkdir(point, 0755), 0);
	int fuse = mount_mute(point);
	if (fuse < 0)
		skip(); /* no /dev/fuse, or no right to mount */
	assert_int_equal(symlink(point, way), 0);
	write_text(good, "good");
	(void)snprintf(below, sizeof(below), "%s/lib.so", point);
	(void)snprintf(through, sizeof(through), "%s/lib.so", way);

	/* Where the path shows it, it is refused without a touch, and told. */
	struct target_open_request req = { .pid = (uint32_t)getpid(), .path = below };
	assert_int_equal(open_of(&req).error, -EOPNOTSUPP);
	assert_non_null(strstr(quarantined, "fuse at 0:"));
	/* Where it does not, the helper hangs and is abandoned; the device is left alone then. */
	req = (struct target_open_request){
		.pid = (uint32_t)getpid(), .major = 9, .minor = 9, .inode = 1, .path = through
	};
	assert_int_equal(open_of(&req).error, -ETIMEDOUT);
	assert_string_equal(quarantined, "device at 9:9");
	assert_int_equal(target_open(io, &req, on_open, NULL), -ETIMEDOUT);
	req = request_for(getpid(), good);
	assert_int_equal(open_of(&req).error, 0);
	/* The end of the connection ends what still waits for it. */
	close(fuse);
	assert_int_equal(umount2(point, MNT_DETACH), 0);
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
		T(a_file_is_opened_by_its_path_and_identity),
		T(a_replaced_binary_is_stale),
		T(a_deleted_binary_is_opened_through_its_mapping),
		T(a_fifo_or_device_is_no_binary),
		T(a_huge_file_is_refused),
		T(a_link_does_not_lead_out_of_the_targets_root),
		T(a_perf_map_must_be_the_targets_own_plain_file),
		T(debug_files_beside_the_binary_are_roots_and_no_links),
		T(an_executable_is_resolved_to_what_its_process_shows),
		T(units_and_cgroups_are_found_in_the_tree),
		T(a_file_system_that_never_answers_costs_its_deadline_only),
	};

	if (argc == 3 && !strcmp(argv[1], "--helper"))
		return helper_main(argv[2], serves);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
