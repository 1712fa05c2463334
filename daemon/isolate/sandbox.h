/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox of symbolizer and encoder: no capabilities, nobody's uid where we are root, no new
 * privileges, rlimits, Landlock without a rule, seccomp that kills on everything but reading handed
 * fds, memory and answering. What the kernel lacks (Landlock before 5.13) is skipped and reported.
 */
#ifndef PROFD_ISOLATE_SANDBOX_H
#define PROFD_ISOLATE_SANDBOX_H

#include "isolate/helper.h"

enum sandbox_part { SANDBOX_SECCOMP = 1, SANDBOX_LANDLOCK = 2, SANDBOX_UID = 4, SANDBOX_CAPS = 8 };

/* Enters the sandbox of the role for good; *ret_parts says which parts hold. 0 or -errno: then the
 * process must exit. HELPER_TARGET keeps its capabilities and gets no_new_privs and rlimits only.
 */
int sandbox_enter(enum helper_role role, unsigned *ret_parts);

#endif
