/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a descriptor that a peer sent is. Neither question can block: no file system is asked, only
 * the kernel's own name of the file, and its fdinfo once it is known to be a pidfd.
 */
#ifndef PROFD_SESSION_PIDFD_H
#define PROFD_SESSION_PIDFD_H

#include <stdbool.h>
#include <stdint.h>

bool pidfd_is(int fd);
/* The process behind a pidfd, in our PID namespace. 0, -EINVAL (not a pidfd), -ESRCH (gone, or it
 * has no number here), other -errno. */
int pidfd_pid(int fd, uint32_t *ret);

#endif
