/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the helper's hold on one process and the steps of opening a file safely: which file system
 * is it, is it a regular file, is it the one that was meant. Everything up to the reopen uses
 * O_PATH and what the kernel knows without asking the file system, because a file system may never
 * answer.
 */
#include "proc/target_root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

#define MOUNTS_BYTES (4 * MIB)

/* A leader that has ended before its threads has neither memory nor root to show: then those of a
 * thread stand for the process. */
static void find_living_thread(struct target_root *t)
{
	char root[8];
	int tasks;
	struct dirent *e;

	if (readlinkat(t->proc, "root", root, sizeof(root)) >= 0 || errno != ENOENT)
		return;
	tasks = openat(t->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = tasks >= 0 ? fdopendir(tasks) : NULL;
	if (!d)
		close_fd(tasks);
	while (d && t->leader < 0 && (e = readdir(d))) {
		int thread = openat(tasks, e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (e->d_name[0] != '.' && thread >= 0 &&
			readlinkat(thread, "root", root, sizeof(root)) >= 0) {
			t->leader = t->proc;
			t->proc = TAKE_FD(thread);
		}
		close_fd(thread);
	}
	if (d)
		closedir(d);
}

int target_root_init(struct target_root *t, uint32_t pid)
{
	char path[32];

	*t = (struct target_root)TARGET_ROOT_INIT;
	t->pid = pid;
	if (pid == 0) {
		t->proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		t->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return t->proc < 0 || t->root < 0 ? -errno : 0;
	}
	t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (t->pidfd < 0)
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	(void)snprintf(path, sizeof(path), "/proc/%u", pid);
	t->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->proc < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	find_living_thread(t);
	return target_root_verify(t);
}

void target_root_deinit(struct target_root *t)
{
	t->root = close_fd(t->root);
	t->leader = close_fd(t->leader);
	t->proc = close_fd(t->proc);
	t->pidfd = close_fd(t->pidfd);
	free(t->mounts);
	t->mounts = NULL;
}

int target_root_verify(const struct target_root *t)
{
	struct pollfd p = { .fd = t->pidfd, .events = POLLIN };

	if (t->pidfd < 0)
		return 0;
	return poll(&p, 1, 0) == 0 ? 0 : -ESRCH;
}

int target_root_read(
	const struct target_root *t, const char *name, size_t max, char **ret, size_t *ret_n)
{
	bool of_leader = !strcmp(name, "stat") || !strcmp(name, "status") || !strcmp(name, "comm");
	int place = of_leader && t->leader >= 0 ? t->leader : t->proc;
	_cleanup_close_ int fd = openat(place, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t n = 0, allocated = 0;

	if (fd < 0)
		return -errno;
	while (n < max) {
		ssize_t got;

		if (n == allocated) {
			allocated = MIN(MAX(2 * allocated, (size_t)4096), max);
			char *grown = realloc(data, allocated + 1);
			if (!grown)
				return -ENOMEM;
			data = grown;
		}
		got = read(fd, data + n, allocated - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	data[n] = '\0';
	*ret = TAKE_PTR(data);
	*ret_n = n;
	return 0;
}

int target_root_link(const struct target_root *t, const char *name, char *out, size_t n)
{
	ssize_t got = readlinkat(t->proc, name, out, n - 1);

	if (got < 0)
		return -errno;
	out[got] = '\0';
	return 0;
}

/* ---- file systems ---- */

static int need_mounts(struct target_root *t)
{
	return t->mounts ? 0
			 : target_root_read(t, "mountinfo", MOUNTS_BYTES, &t->mounts, &t->mounts_n);
}

/* profd's own root file system is where profd itself runs from: whatever its type, it answers. */
static bool is_own_root(uint32_t major, uint32_t minor)
{
	struct stat st;

	return stat("/", &st) == 0 && major(st.st_dev) == major && minor(st.st_dev) == minor;
}

static int allow(const struct mount_entry *e, struct mount_entry *ret)
{
	if (!mount_type_refused(e->type) || is_own_root(e->major, e->minor))
		return 0;
	*ret = *e;
	return -EOPNOTSUPP;
}

int target_root_allow_device(
	struct target_root *t, uint32_t major, uint32_t minor, struct mount_entry *ret)
{
	struct mount_entry e;
	int r = need_mounts(t);

	if (r < 0)
		return r;
	/* A device that is mounted nowhere in sight is judged by the file itself, later. */
	if (!mounts_find_device(t->mounts, t->mounts_n, major, minor, &e))
		return 0;
	return allow(&e, ret);
}

int target_root_allow_path(struct target_root *t, const char *path, struct mount_entry *ret)
{
	struct mount_entry e;
	int r = need_mounts(t);

	if (r < 0)
		return r;
	if (!mounts_refused_above(t->mounts, t->mounts_n, path, &e))
		return 0;
	return allow(&e, ret);
}

int target_root_allow_file(const struct target_identity *id, struct mount_entry *ret)
{
	struct mount_entry e = { .id = id->mount_id, .major = id->sb_major, .minor = id->sb_minor };

	if (id->type[0] != '\0') {
		(void)snprintf(e.type, sizeof(e.type), "%s", id->type);
		return allow(&e, ret);
	}
	/* No mount in sight has it (the layers of an overlay are such). A block device answers. */
	if (id->major != 0)
		return 0;
	(void)snprintf(e.type, sizeof(e.type), "unknown file system");
	e.major = id->major;
	e.minor = id->minor;
	*ret = e;
	return -EOPNOTSUPP;
}

/* ---- files ---- */

/* "ino:" of fdinfo (Linux 5.15) is the inode as the kernel has it, whatever stat says of it. */
static uint64_t inode_of_fd(int fd, uint64_t fallback)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *at;
	uint64_t v;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (io_read_file(AT_FDCWD, path, 4096, &text, &n) < 0)
		return fallback;
	at = strstr(text, "\nino:");
	return at && sscanf(at, "\nino: %" SCNu64, &v) == 1 ? v : fallback;
}

int target_root_identify(struct target_root *t, int fd, struct target_identity *ret)
{
	struct statx s = { 0 };
	struct mount_entry e;
	int r;

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		    STATX_BASIC_STATS | STATX_MNT_ID, &s) < 0)
		return -errno;
	r = need_mounts(t);
	if (r < 0)
		return r;
	*ret = (struct target_identity){
		.mount_id = s.stx_mnt_id,
		.major = s.stx_dev_major,
		.minor = s.stx_dev_minor,
		.sb_major = s.stx_dev_major,
		.sb_minor = s.stx_dev_minor,
		.inode = s.stx_ino,
		.sb_inode = s.stx_ino,
		.size = s.stx_size,
		.mtime_ns = (uint64_t)s.stx_mtime.tv_sec * NS_PER_SEC + s.stx_mtime.tv_nsec,
		.ctime_ns = (uint64_t)s.stx_ctime.tv_sec * NS_PER_SEC + s.stx_ctime.tv_nsec,
		.mode = s.stx_mode,
		.n_links = s.stx_nlink,
		.owner_uid = s.stx_uid,
	};
	if (mounts_find_id(t->mounts, t->mounts_n, s.stx_mnt_id, &e)) {
		ret->sb_major = e.major;
		ret->sb_minor = e.minor;
		ret->sb_inode = inode_of_fd(fd, s.stx_ino);
	} else if (!mounts_find_device(t->mounts, t->mounts_n, ret->major, ret->minor, &e)) {
		return 0;
	}
	(void)snprintf(ret->type, sizeof(ret->type), "%s", e.type);
	return 0;
}

int target_root_locate(struct target_root *t, const char *path, uint64_t resolve)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };
	int fd;

	if (t->root < 0)
		t->root = openat(t->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0)
		return -errno;
	do {
		fd = (int)syscall(SYS_openat2, t->root, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR)); /* a rename on the way */
	return fd < 0 ? -errno : fd;
}

int target_root_reopen(int fd)
{
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static uint64_t mount_of(const char *path)
{
	struct statx s = { 0 };

	if (syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MNT_ID, &s) < 0)
		return 0;
	return s.stx_mnt_id;
}

bool target_root_is_host_root(const struct target_identity *id)
{
	return id->mount_id != 0 &&
	       (id->mount_id == mount_of("/") || id->mount_id == mount_of("/proc/1/root/"));
}
