/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns putting a whole file in the place of another: written without a name (O_TMPFILE) where the
 * file system can, synced, named, renamed. Invariant: whenever this is interrupted, `path` is
 * either what it was or all of the new one. The folder may be one that others can write to: names
 * are random and never followed.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/limits.h"

#define NAME_TRIES 16U

struct replacement {
	const char *path;
	char folder[LIMIT_PATH];
	char name[LIMIT_PATH + 32]; /* of the new file before it is renamed */
	bool named;
	int fd;
};

static int open_again(const char *path, int flags, mode_t mode)
{
	int fd;

	do {
		fd = open(path, flags, mode);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static void choose_name(struct replacement *f)
{
	uint64_t random = 0;

	(void)!getrandom(&random, sizeof(random), 0);
	snprintf(f->name, sizeof(f->name), "%s/.profd-%016llx", f->folder,
		(unsigned long long)random);
}

static int open_new(struct replacement *f)
{
	f->fd = open_again(f->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (f->fd >= 0 || (f->fd != -EOPNOTSUPP && f->fd != -EISDIR && f->fd != -EINVAL))
		return f->fd;
	for (unsigned int i = 0; i < NAME_TRIES; i++) {
		choose_name(f);
		f->fd = open_again(f->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (f->fd >= 0)
			f->named = true;
		if (f->fd != -EEXIST)
			return f->fd;
	}
	return -EEXIST;
}

/* Gives the nameless file a name: the final one where that is free. True in *ret_done then. */
static int give_name(struct replacement *f, bool *ret_done)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW) == 0) {
		*ret_done = true;
		return 0;
	}
	for (unsigned int i = 0; i < NAME_TRIES && errno == EEXIST; i++) {
		choose_name(f);
		if (linkat(AT_FDCWD, self, AT_FDCWD, f->name, AT_SYMLINK_FOLLOW) == 0) {
			f->named = true;
			*ret_done = false;
			return 0;
		}
	}
	return -errno;
}

/* Renames the new file over path; the one that was there becomes PATH.old. */
static int rename_keeping(struct replacement *f)
{
	char old[LIMIT_PATH + 8];

	snprintf(old, sizeof(old), "%s.old", f->path);
	if (renameat2(AT_FDCWD, f->name, AT_FDCWD, f->path, RENAME_EXCHANGE) == 0) {
		int r;

		if (rename(f->name, old) == 0)
			return 0;
		r = -errno;
		(void)renameat2(AT_FDCWD, f->name, AT_FDCWD, f->path, RENAME_EXCHANGE);
		return r;
	}
	if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* Nothing to keep, or a file system that cannot exchange. */
	if (errno != ENOENT && rename(f->path, old) < 0 && errno != ENOENT)
		return -errno;
	return rename(f->name, f->path) < 0 ? -errno : 0;
}

static int replace(struct replacement *f, const void *p, size_t n, bool keep_old)
{
	bool done = false;
	int r = open_new(f);

	if (r < 0)
		return r;
	r = io_write_full(f->fd, p, n);
	if (r < 0)
		return r;
	if (fsync(f->fd) < 0 && errno != EINVAL)
		return -errno;
	if (!f->named) {
		r = give_name(f, &done);
		if (r < 0 || done)
			return r;
	}
	if (keep_old)
		r = rename_keeping(f);
	else
		r = rename(f->name, f->path) < 0 ? -errno : 0;
	if (r == 0)
		f->named = false;
	return r;
}

/* Devices, pipes and sockets are written to. O_CREAT lets the kernel apply its rules for pipes of
 * others in sticky folders (fs.protected_fifos). */
static int write_through(const char *path, const void *p, size_t n)
{
	_cleanup_close_ int fd = open_again(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);

	return fd < 0 ? fd : io_write_full(fd, p, n);
}

int io_replace_file(const char *path, const void *p, size_t n, bool keep_old)
{
	struct replacement f = { .path = path, .fd = -1 };
	const char *slash = strrchr(path, '/');
	size_t folder_n = slash ? MAX((size_t)(slash - path), (size_t)1) : 1;
	struct stat st;
	int r;

	if (!*path)
		return -ENOENT;
	if (strlen(path) >= LIMIT_PATH)
		return -ENAMETOOLONG;
	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
		if (!S_ISREG(st.st_mode))
			return write_through(path, p, n);
	}
	snprintf(f.folder, sizeof(f.folder), "%.*s", (int)folder_n, slash ? path : ".");
	r = replace(&f, p, n, keep_old);
	if (r < 0 && f.named)
		(void)unlink(f.name);
	f.fd = close_fd(f.fd);
	return r;
}
