/* SPDX-License-Identifier: Apache-2.0 */
/* Small I/O helpers: whole reads and writes, memfds, fds over sockets. All restart on EINTR. */
#ifndef PROFD_BASE_IO_H
#define PROFD_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes all of it. 0 or -errno. */
int io_write_full(int fd, const void *p, size_t n);
/* Reads to the end of file, at most max bytes (-EFBIG beyond). The result is NUL-terminated (not
 * counted) and the caller's to free. dirfd/path as openat(2), O_CLOEXEC|O_NOFOLLOW not implied. */
int io_read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n);
int io_read_fd(int fd, size_t max, char **ret, size_t *ret_n);

/* A memfd that allows sealing, close-on-exec. fd or -errno. */
int io_memfd(const char *name);
/* Seals against shrinking, growing, writing and more seals. 0 or -errno. */
int io_memfd_seal(int fd);
/* fstat says regular file or memfd of at most max bytes; *ret_n its size. 0, -EFBIG, -EINVAL. */
int io_regular_size(int fd, size_t max, size_t *ret_n);

/* Sends one message with n_fds descriptors (at most 8) over a Unix socket, MSG_NOSIGNAL, one
 * sendmsg: the bytes sent or -errno. */
ssize_t io_send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds, int flags);
/* One recvmsg; the descriptors that arrive are close-on-exec and the caller's; those beyond max_fds
 * are closed. Bytes read (0: end) or -errno; -EMSGSIZE for a truncated datagram. */
ssize_t io_recv_fds(
	int sock, void *p, size_t n, int *ret_fds, size_t max_fds, size_t *ret_n_fds, int flags);

/* Writes p to a new file that replaces `path` only when whole. An existing one is kept as PATH.old
 * with keep_old. 0 or -errno; nothing is left behind on failure. A device, pipe or socket of that
 * name is written to instead. */
int io_replace_file(const char *path, const void *p, size_t n, bool keep_old);

/* Copies s to out (n bytes with NUL), with control characters, invalid UTF-8 and terminal escapes
 * replaced by '?', so that it is safe to show. Returns out. */
const char *io_printable(const char *s, char *out, size_t n);

#endif
