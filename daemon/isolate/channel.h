/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between the daemon and a helper: one SOCK_SEQPACKET message is a frame and `n`
 * bytes. A request's status is 0; a reply's is what serve returned. The first message of a helper
 * is a hello (job 0), sent once its sandbox holds.
 */
#ifndef PROFD_ISOLATE_CHANNEL_H
#define PROFD_ISOLATE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/limits.h"

#define CHANNEL_FD 3 /* of a helper */

enum channel_flag {
	CHANNEL_LAST = 1, /* the helper ends after this reply: it has used its CPU time */
};

struct channel_frame {
	uint64_t job;
	int32_t status;
	uint32_t n;
	uint32_t flags;
	uint32_t pad;
};
_Static_assert(sizeof(struct channel_frame) == 24, "both ends are one binary, but of one layout");

struct channel_message {
	struct channel_frame frame;
	uint8_t bytes[LIMIT_HELPER_MESSAGE];
};

/* Sends m->frame and its bytes in one message. 0 or -errno (-EAGAIN with MSG_DONTWAIT). */
int channel_send(int fd, const struct channel_message *m, const int *fds, size_t n_fds, int flags);
/* Receives one message. 1, 0 at the end, -EBADMSG where frame and length disagree, or -errno; the
 * descriptors are the caller's on 1 only. fds has room for LIMIT_HELPER_FDS. */
int channel_receive(int fd, struct channel_message *m, int *fds, size_t *ret_n_fds, int flags);

#endif
