/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing descriptors that are not what a peer should have sent. close(2) asks a FUSE file system,
 * and waits as long as that likes; so it is done by a thread that nobody waits for.
 */
#ifndef PROFD_IPC_DISPOSE_H
#define PROFD_IPC_DISPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DISPOSE_THREADS 16U

/* False: descriptors of this uid must not be received now, because earlier ones are still not
 * closed. */
bool dispose_ready(uid_t uid);
/* Consumes fds; only after dispose_ready(uid). */
void dispose_fds(uid_t uid, const int *fds, size_t n);

#endif
