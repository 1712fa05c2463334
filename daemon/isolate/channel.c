/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the framing of helper messages. Both sides distrust the other: a message whose length
 * differs from what its frame says is refused whole, and its descriptors are closed.
 */
#include "isolate/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "base/io.h"

int channel_send(int fd, const struct channel_message *m, const int *fds, size_t n_fds, int flags)
{
	size_t n = sizeof(m->frame) + m->frame.n;
	ssize_t sent = io_send_fds(fd, m, n, fds, n_fds, flags);

	if (sent < 0)
		return (int)sent;
	return (size_t)sent == n ? 0 : -EMSGSIZE;
}

int channel_receive(int fd, struct channel_message *m, int *fds, size_t *ret_n_fds, int flags)
{
	int received[LIMIT_HELPER_FDS];
	size_t n_fds = 0;
	ssize_t n = io_recv_fds(fd, m, sizeof(*m), received, LIMIT_HELPER_FDS, &n_fds, flags);

	if (n <= 0)
		return (int)n;
	if ((size_t)n < sizeof(m->frame) || (size_t)n != sizeof(m->frame) + m->frame.n) {
		for (size_t i = 0; i < n_fds; i++)
			(void)close_fd(received[i]);
		return -EBADMSG;
	}
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = received[i];
	*ret_n_fds = n_fds;
	return 1;
}
