/* SPDX-License-Identifier: Apache-2.0 */
/* What system calls are called: the table of libseccomp, which the filters are written in. */
#ifndef PROFD_ISOLATE_SYSCALL_NAME_H
#define PROFD_ISOLATE_SYSCALL_NAME_H

#include <stdint.h>

/* Of this machine's architecture; the caller's to free. NULL: there is none of that number, or no
 * memory. */
char *syscall_name(uint32_t number);

#endif
