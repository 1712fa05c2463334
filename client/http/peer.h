/* SPDX-License-Identifier: Apache-2.0 */
/* Which user is at the other end of a connection, as the kernel says. */
#ifndef PROFCTL_HTTP_PEER_H
#define PROFCTL_HTTP_PEER_H

#include <stdint.h>

/* The owner of the peer's socket: of a Unix socket by SO_PEERCRED, of a TCP connection of this
 * machine by sock_diag(7). 0, -ENOENT (not of this machine, or closed again), or -errno. */
int peer_uid(int fd, uint32_t *ret_uid);

#endif
