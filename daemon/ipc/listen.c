/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns making the socket's file: whether a daemon answers there already, taking away what a dead
 * one has left, binding. Removes nothing but a socket that refuses connections.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "ipc/server.h"

/* Whoever floods fills it, and the others wait for all that is before them: short is fair. */
#define BACKLOG	     256
#define LOCK_TRIES   50U
#define LOCK_WAIT_NS 10000000L

static int cannot(struct error *error, int r, const char *what, const char *path)
{
	if (r == -EACCES || r == -EPERM || r == -EROFS)
		return error_set(error, r, EXIT_CODE_DENIED,
			"cannot %s %s: %s; run as root, or choose another place with --socket",
			what, path, strerror(-r));
	return error_set(error, r, EXIT_CODE_FAILED, "cannot %s %s: %s", what, path, strerror(-r));
}

/* Opens the directory, which is made where only its last component is missing. */
static int open_parent(const char *path, struct error *error)
{
	char parent[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	const char *slash = strrchr(path, '/');

	if (slash)
		(void)snprintf(parent, sizeof(parent), "%.*s",
			slash == path ? 1 : (int)(slash - path), path);
	if (mkdir(parent, 0755) == 0) {
		/* Whatever the umask is, every user has to get to the socket. */
		if (chmod(parent, 0755) < 0)
			return cannot(error, -errno, "set the mode of", parent);
	} else if (errno != EEXIST) {
		return cannot(error, -errno, "make the directory", parent);
	}
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cannot(error, -errno, "open the directory", parent) : fd;
}

/* Two daemons that start together take turns. Anybody who may open the directory could hold the
 * lock for ever, so it is not insisted on. */
static void lock_a_while(int dir)
{
	struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return;
		(void)nanosleep(&wait, NULL);
	}
}

/* A killed daemon of which a thread is stuck in the kernel keeps its sockets, but serves nobody. */
static bool is_zombie(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (pid <= 0 || io_read_file(AT_FDCWD, path, 4096, &text, &n) < 0)
		return false;
	const char *paren = strrchr(text, ')');
	return paren && paren[1] == ' ' && (paren[2] == 'Z' || paren[2] == 'X');
}

/* 0: nobody there (any more), or an error. */
static int check_free(const struct sockaddr_un *address, struct error *error)
{
	const char *path = address->sun_path;
	struct ucred cred = { 0 };
	socklen_t n = sizeof(cred);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : cannot(error, -errno, "look at", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(error, -EEXIST, EXIT_CODE_FAILED,
			"%s exists and is not a socket: remove it, or choose another place with "
			"--socket",
			path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cannot(error, -errno, "make a socket for", path);
	int r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n);
	if (r == -ECONNREFUSED || (r == 0 && is_zombie(cred.pid))) {
		if (unlink(path) < 0 && errno != ENOENT)
			return cannot(error, -errno, "remove the stale socket", path);
		return 0;
	}
	/* EAGAIN: its backlog is full. EPROTOTYPE: another kind of socket, and alive. */
	if (r == 0 || r == -EAGAIN || r == -EPROTOTYPE)
		return error_set(error, -EADDRINUSE, EXIT_CODE_FAILED,
			"a daemon answers on %s already: talk to it with profctl, stop it, or "
			"choose another place with --socket",
			path);
	return cannot(error, r, "connect to", path);
}

int ipc_listen(const char *path, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!path[0] || strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -ENAMETOOLONG, EXIT_CODE_USAGE,
			"\"%s\" cannot be a socket's path: it has %zu characters, 1 to %zu are "
			"possible",
			path, strlen(path), sizeof(address.sun_path) - 1);
	(void)strcpy(address.sun_path, path);

	_cleanup_close_ int dir = open_parent(path, error);
	if (dir < 0)
		return dir;
	lock_a_while(dir);
	int r = check_free(&address, error);
	if (r < 0)
		return r;

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cannot(error, -errno, "make a socket for", path);
	mode_t before = umask(0111);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(before);
	if (r < 0)
		return cannot(error, r, "bind", path);
	if (listen(fd, BACKLOG) < 0) {
		r = cannot(error, -errno, "listen on", path);
		(void)unlink(path);
		return r;
	}
	return TAKE_FD(fd);
}
