/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the question "who is at the other end of this socket", answered by the kernel only.
 * Credentials are those of connect(2), and stay those when the peer changes its own; its pid is
 * never a proof of anything and serves the log and, where the kernel offers no better way, finding
 * the peer's user namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "session/authz.h"
#include "session/group_file.h"
#include "session/pidfd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#ifndef PIDFD_GET_USER_NAMESPACE
#define PIDFD_GET_USER_NAMESPACE _IO(0xFF, 9) /* Linux 6.11 */
#endif

#define PEER_GROUPS_MAX 65536U /* NGROUPS_MAX of the kernel */

static int has_group(int sock, gid_t gid, bool *ret)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t n = 0;

	*ret = false;
	/* Asked with no room, the kernel says how much it needs. */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &n) == 0)
		return 0;
	if (errno == ENODATA)
		return 0;
	if (errno != ERANGE || n > PEER_GROUPS_MAX * sizeof(gid_t))
		return -errno;
	groups = malloc(n);
	if (!groups)
		return -ENOMEM;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
		return -errno;
	for (size_t i = 0; i < n / sizeof(gid_t); i++)
		if (groups[i] == gid)
			*ret = true;
	return 0;
}

/* A pidfd of the peer: of the very process that connected, or of whoever has its pid now. */
static int peer_pidfd(int sock, pid_t pid)
{
	int fd = -1;
	socklen_t n = sizeof(fd);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &n) == 0)
		return fd;
	if (errno != ENOPROTOOPT && errno != EINVAL)
		return -errno;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -errno : fd;
}

static bool still_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static int user_ns_of(int pidfd, struct stat *ret)
{
	char path[64];
	uint32_t pid;

	_cleanup_close_ int ns = ioctl(pidfd, PIDFD_GET_USER_NAMESPACE, 0);
	if (ns >= 0)
		return fstat(ns, ret) < 0 ? -errno : 0;
	int r = pidfd_pid(pidfd, &pid);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%u/ns/user", pid);
	if (stat(path, ret) < 0)
		return -errno;
	/* Only now it is sure that the path spoke of the process behind the pidfd. */
	return still_alive(pidfd) ? 0 : -ESRCH;
}

/* 1 the same, 0 another one, or -errno: not known. */
static int same_user_ns(int sock, pid_t pid)
{
	struct stat own, theirs;

	if (stat("/proc/self/ns/user", &own) < 0)
		return -errno;
	_cleanup_close_ int pidfd = peer_pidfd(sock, pid);
	if (pidfd < 0)
		return pidfd;
	int r = user_ns_of(pidfd, &theirs);
	if (r < 0)
		return r;
	return own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

int peer_from_socket(int sock, struct peer *ret)
{
	static struct group_lookup profd_group = GROUP_LOOKUP_INIT("/etc/group", "profd");
	struct ucred cred;
	socklen_t n = sizeof(cred);
	bool in_group = false;
	gid_t gid;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	if (group_lookup_gid(&profd_group, &gid) == 0) {
		int r = has_group(sock, gid, &in_group);
		if (r < 0)
			return r;
		in_group = in_group || cred.gid == gid;
	}
	int same = same_user_ns(sock, cred.pid);
	*ret = (struct peer){
		.uid = cred.uid,
		.gid = cred.gid,
		.pid = cred.pid,
		.in_group = in_group,
		.same_user_ns = same < 0 ? cred.uid == 0 : same > 0,
	};
	return 0;
}
