/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the rules by which the helper opens files of targets: mapped binaries, perf maps, separate
 * debug files. The order is always: may this file system be touched; O_PATH; which file is it;
 * regular, small enough, the one that was meant; only then open. Paths are the target's.
 */
#include "proc/target_protocol.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "proc/target_root.h"

static void put_file(
	struct writer *w, struct target_fds *fds, int fd, const struct target_identity *id)
{
	struct target_file f = {
		.fd = -1,
		.size = id->size,
		.mtime_ns = id->mtime_ns,
		.ctime_ns = id->ctime_ns,
		.major = id->sb_major,
		.minor = id->sb_minor,
		.inode = id->sb_inode,
		.owner_uid = id->owner_uid,
		.same_mount_as_root = target_root_is_host_root(id),
	};

	writer_u32(w, 0);
	writer_put(w, &f, sizeof(f));
	fds->fd[fds->n++] = fd;
}

static void put_error(struct writer *w, int r, const struct mount_entry *refused)
{
	writer_u32(w, (uint32_t)r);
	if (r != -EOPNOTSUPP)
		return;
	writer_u32(w, refused->major);
	writer_u32(w, refused->minor);
	writer_cstr(w, refused->type);
}

/* What came of opening: the file (fd consumed), or fd as an error. */
static void put_result(struct writer *w, struct target_fds *fds, int fd,
	const struct target_identity *id, const struct mount_entry *refused)
{
	if (fd < 0)
		put_error(w, fd, refused);
	else
		put_file(w, fds, fd, id);
}

struct wanted_file {
	uint32_t pid;
	uint64_t start, end;
	uint32_t major, minor;
	uint64_t inode;
	const char *path;
};

/* Overlay and btrfs show stat() another device than they show in maps; there the inode alone has to
 * do. */
static bool is_wanted(const struct wanted_file *w, const struct target_identity *id)
{
	if (w->inode == 0)
		return true;
	if (w->inode != id->inode && w->inode != id->sb_inode)
		return false;
	return (w->major == id->major && w->minor == id->minor) ||
	       (w->major == id->sb_major && w->minor == id->sb_minor) ||
	       mount_type_translates_device(id->type);
}

/* From O_PATH to an open file by all rules. fd or -errno. */
static int accept_file(struct target_root *t, int at, const struct wanted_file *wanted,
	struct target_identity *id, struct mount_entry *refused)
{
	_cleanup_close_ int fd = -1;
	int r = target_root_identify(t, at, id);

	if (r == 0)
		r = target_root_allow_file(id, refused);
	if (r < 0)
		return r;
	if (!S_ISREG(id->mode))
		return -EINVAL;
	if (!is_wanted(wanted, id))
		return -ESTALE;
	if (id->size > LIMIT_ELF_BYTES)
		return -EFBIG;
	fd = target_root_reopen(at);
	if (fd < 0)
		return fd;
	/* What was reopened is the inode that O_PATH held; its size is the one of now. */
	r = target_root_identify(t, fd, id);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

static int open_mapped(struct target_root *t, const struct wanted_file *w,
	struct target_identity *id, struct mount_entry *refused)
{
	_cleanup_close_ int at = -1;
	char name[64];

	(void)snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, w->start, w->end);
	at = openat(t->proc, name, O_PATH | O_CLOEXEC);
	return at < 0 ? -errno : accept_file(t, at, w, id, refused);
}

static int open_path(struct target_root *t, const struct wanted_file *w, struct target_identity *id,
	struct mount_entry *refused)
{
	_cleanup_close_ int at = -1;
	int r;

	if (w->path[0] != '/')
		return -ENOENT;
	r = target_root_allow_path(t, w->path, refused);
	if (r < 0)
		return r;
	at = target_root_locate(t, w->path, 0);
	return at < 0 ? at : accept_file(t, at, w, id, refused);
}

static int open_wanted(struct target_root *t, const struct wanted_file *w,
	struct target_identity *id, struct mount_entry *refused)
{
	int r = w->inode != 0 ? target_root_allow_device(t, w->major, w->minor, refused) : 0;

	if (r < 0)
		return r;
	if (w->pid != 0 && w->end > w->start) {
		r = open_mapped(t, w, id, refused);
		/* The mapping is gone or another one by now, or map_files is not ours to use:
		 * there is still the path. What was refused stays refused. */
		if (r >= 0 || r == -EOPNOTSUPP || r == -EFBIG || r == -EINVAL)
			return r;
	}
	return open_path(t, w, id, refused);
}

void target_open_file(struct reader *request, struct writer *w, struct target_fds *fds)
{
	CLEANUP(target_root_deinit) struct target_root t = TARGET_ROOT_INIT;
	struct mount_entry refused = { .type = "" };
	struct target_identity id = { 0 };
	struct wanted_file wanted = { 0 };
	int fd = -ESRCH;

	wanted.pid = reader_u32(request);
	wanted.start = reader_u64(request);
	wanted.end = reader_u64(request);
	wanted.major = reader_u32(request);
	wanted.minor = reader_u32(request);
	wanted.inode = reader_u64(request);
	wanted.path = reader_cstr(request);
	if (request->bad)
		return;
	if (wanted.pid != 0) {
		fd = target_root_init(&t, wanted.pid);
		if (fd == 0)
			fd = open_wanted(&t, &wanted, &id, &refused);
		/* What was opened through a process that has ended meanwhile is the right file
		 * still: it was compared by inode, or it was reached through pinned descriptors. */
	}
	/* A process that has gone, or that went to another root, leaves the path below our own;
	 * only an identity to compare makes that safe for one that lives. */
	if (fd == -ESRCH || (wanted.pid != 0 && wanted.inode != 0 && fd == -ENOENT)) {
		target_root_deinit(&t);
		wanted.pid = 0;
		fd = target_root_init(&t, 0);
		if (fd == 0)
			fd = open_wanted(&t, &wanted, &id, &refused);
	}
	put_result(w, fds, fd, &id, &refused);
}

/* ---- perf maps ---- */

static int open_perf_map(
	struct target_root *t, struct target_identity *id, struct mount_entry *refused)
{
	_cleanup_close_ int at = -1, fd = -1;
	_cleanup_free_ char *text = NULL;
	struct status_fields status;
	char path[64];
	size_t n;
	int r = target_root_read(t, "status", 64 * KIB, &text, &n);

	if (r == 0)
		r = status_parse(text, n, &status);
	if (r < 0)
		return r;
	(void)snprintf(
		path, sizeof(path), "/tmp/perf-%u.map", status.ns_pid ? status.ns_pid : t->pid);
	r = target_root_allow_path(t, path, refused);
	if (r < 0)
		return r;
	at = target_root_locate(t, path, RESOLVE_NO_SYMLINKS);
	if (at < 0)
		return at;
	r = target_root_identify(t, at, id);
	if (r == 0)
		r = target_root_allow_file(id, refused);
	if (r < 0)
		return r;
	if (!S_ISREG(id->mode) || id->n_links != 1)
		return -EINVAL;
	/* /tmp is everybody's: another user must not name this one's code. */
	if (id->owner_uid != status.uid[1] && id->owner_uid != 0)
		return -EACCES;
	fd = target_root_reopen(at);
	if (fd < 0)
		return fd;
	r = target_root_identify(t, fd, id);
	if (r == 0 && id->size > LIMIT_PERF_MAP_BYTES)
		r = -EFBIG;
	if (r == 0)
		r = target_root_verify(t);
	return r < 0 ? r : TAKE_FD(fd);
}

void target_open_perf_map_file(struct reader *request, struct writer *w, struct target_fds *fds)
{
	CLEANUP(target_root_deinit) struct target_root t = TARGET_ROOT_INIT;
	struct mount_entry refused = { .type = "" };
	struct target_identity id = { 0 };
	uint32_t pid = reader_u32(request);
	int fd;

	if (request->bad)
		return;
	fd = pid == 0 ? -ESRCH : target_root_init(&t, pid);
	if (fd == 0)
		fd = open_perf_map(&t, &id, &refused);
	put_result(w, fds, fd, &id, &refused);
}

/* ---- separate debug files ---- */

/* Opens a candidate below our own root and keeps it when it is a regular file of root's. */
static void try_debug(
	struct target_root *own, const char *path, uint64_t resolve, struct target_fds *fds)
{
	_cleanup_close_ int at = -1;
	struct target_identity id;
	struct mount_entry refused;
	int fd;

	if (fds->n >= TARGET_DEBUG_FILES || target_root_allow_path(own, path, &refused) < 0)
		return;
	at = target_root_locate(own, path, resolve);
	if (at < 0 || target_root_identify(own, at, &id) < 0 ||
		target_root_allow_file(&id, &refused) < 0 || !S_ISREG(id.mode) ||
		id.owner_uid != 0 || id.size > LIMIT_ELF_BYTES)
		return;
	fd = target_root_reopen(at);
	if (fd >= 0)
		fds->fd[fds->n++] = fd;
}

static bool is_build_id(const char *hex)
{
	size_t n = strlen(hex);

	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)hex[i]) && !(hex[i] >= 'a' && hex[i] <= 'f'))
			return false;
	return n > 2 && n <= 64 && n % 2 == 0;
}

static bool is_plain_name(const char *name)
{
	return name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static void try_debuglink(
	struct target_root *own, const char *binary, const char *name, struct target_fds *fds)
{
	const char *slash = strrchr(binary, '/');
	int n = slash ? (int)(slash - binary) : 0;
	char path[2 * LIMIT_PATH];

	if (binary[0] != '/' || n >= LIMIT_PATH)
		return;
	/* Beside the binary, where its owner may have put a link to anything: none is followed. */
	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", n, binary, name) < sizeof(path) &&
		strcmp(path, binary) != 0)
		try_debug(own, path, RESOLVE_NO_SYMLINKS, fds);
	if ((size_t)snprintf(path, sizeof(path), "%.*s/.debug/%s", n, binary, name) < sizeof(path))
		try_debug(own, path, RESOLVE_NO_SYMLINKS, fds);
	if ((size_t)snprintf(path, sizeof(path), "/usr/lib/debug%.*s/%s", n, binary, name) <
		sizeof(path))
		try_debug(own, path, 0, fds);
}

void target_open_debug_files(struct reader *request, struct writer *w, struct target_fds *fds)
{
	CLEANUP(target_root_deinit) struct target_root own = TARGET_ROOT_INIT;
	(void)reader_u32(request); /* the process: its own root is not searched */
	const char *build_id = reader_cstr(request), *link = reader_cstr(request),
		   *binary = reader_cstr(request);
	char path[128];
	int r;

	if (request->bad)
		return;
	r = target_root_init(&own, 0);
	if (r == 0 && is_build_id(build_id)) {
		(void)snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug",
			build_id, build_id + 2);
		try_debug(&own, path, 0, fds);
	}
	if (r == 0 && is_plain_name(link))
		try_debuglink(&own, binary, link, fds);
	writer_u32(w, (uint32_t)r);
}
