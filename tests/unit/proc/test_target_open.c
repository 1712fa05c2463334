/* SPDX-License-Identifier: Apache-2.0 */
/* Files of targets: which are opened, which are refused, and what never answers. */
#include "target_fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

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
		T(a_file_is_opened_by_its_path_and_identity),
		T(a_replaced_binary_is_stale),
		T(a_deleted_binary_is_opened_through_its_mapping),
		T(a_fifo_or_device_is_no_binary),
		T(a_huge_file_is_refused),
		T(a_link_does_not_lead_out_of_the_targets_root),
		T(a_perf_map_must_be_the_targets_own_plain_file),
		T(debug_files_beside_the_binary_are_roots_and_no_links),
		T(a_file_system_that_never_answers_costs_its_deadline_only),
	};

	if (argc == 3 && !strcmp(argv[1], "--helper"))
		return helper_main(argv[2], serves);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
