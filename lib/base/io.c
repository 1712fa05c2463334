/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns whole reads and writes, memfds and descriptors over sockets. Does not decide where a path
 * may lead: that is the caller's. Files and peers are hostile: every read has a maximum, and no
 * descriptor that a peer sent stays open unseen.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define FDS_MAX 8U

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int io_write_full(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t written = write(fd, at, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		if (written == 0)
			return -EIO;
		at += written;
		n -= (size_t)written;
	}
	return 0;
}

/* One read(2) that restarts. */
static ssize_t read_some(int fd, void *p, size_t n)
{
	ssize_t got;

	do {
		got = read(fd, p, MIN(n, (size_t)INT_MAX));
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int io_read_fd(int fd, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_free_ char *data = NULL;
	size_t n = 0, allocated = 0;

	for (;;) {
		char beyond, *at = &beyond;
		size_t room = 1;
		ssize_t got;

		if (n < max) {
			if (n == allocated) {
				size_t wanted = MIN(MAX(2 * allocated, (size_t)4096), max);
				char *grown = realloc(data, wanted + 1);

				if (!grown)
					return -ENOMEM;
				data = grown;
				allocated = wanted;
			}
			at = data + n;
			room = allocated - n;
		}
		got = read_some(fd, at, room);
		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		if (at == &beyond)
			return -EFBIG;
		n += (size_t)got;
	}
	if (!data) {
		data = malloc(1);
		if (!data)
			return -ENOMEM;
	}
	data[n] = '\0';
	*ret = TAKE_PTR(data);
	*ret_n = n;
	return 0;
}

int io_read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = -1;

	do {
		fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	return io_read_fd(fd, max, ret, ret_n);
}

int io_memfd(const char *name)
{
	/* vm.memfd_noexec=2 (Linux 6.3) refuses memfds that could become executable; an older
	 * kernel refuses the flag. */
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int io_memfd_seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

int io_regular_size(int fd, size_t max, size_t *ret_n)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0)
		return -EINVAL;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	*ret_n = (size_t)st.st_size;
	return 0;
}

ssize_t io_send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds, int flags)
{
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)p, .iov_len = n };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n_fds > FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *c;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do {
		sent = sendmsg(sock, &message, flags | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

ssize_t io_recv_fds(
	int sock, void *p, size_t n, int *ret_fds, size_t max_fds, size_t *ret_n_fds, int flags)
{
	/* The kernel closes what does not fit; credentials may come along (SO_PASSCRED). */
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	size_t n_fds = 0;
	ssize_t got;

	do {
		got = recvmsg(sock, &message, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (message.msg_flags & MSG_TRUNC)
		max_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		size_t here;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n_fds < max_fds)
				ret_fds[n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
	if (message.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (ret_n_fds)
		*ret_n_fds = n_fds;
	return got;
}
