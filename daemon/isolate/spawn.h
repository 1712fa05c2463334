/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a fresh exec of the running image as `--helper ROLE`. */
#ifndef PROFD_ISOLATE_SPAWN_H
#define PROFD_ISOLATE_SPAWN_H

#include <sys/types.h>
#include "isolate/helper.h"

/* The role's word on the command line, and back (HELPER_ROLES: no such role). */
const char *helper_role_name(enum helper_role role);
enum helper_role helper_role_parse(const char *name);

/* Opens the running image for later spawns, so that a binary replaced on disk does no harm. Once
 * per process; 0 or -errno. */
int spawn_prepare(void);

/* Starts a helper. *ret_channel (non-blocking, close-on-exec) and *ret_pidfd are the caller's; the
 * child is to be reaped by *ret_pid. Blocks only until the exec, which reads nothing but our own
 * image. */
int spawn_helper(enum helper_role role, pid_t *ret_pid, int *ret_pidfd, int *ret_channel);

#endif
