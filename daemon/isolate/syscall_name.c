/* SPDX-License-Identifier: Apache-2.0 */
/* Names of system calls (syscall_name.h). Owns nothing. */
#include "isolate/syscall_name.h"
#include <limits.h>
#include <seccomp.h>
#include <stddef.h>

char *syscall_name(uint32_t number)
{
	return number <= INT_MAX ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number)
				 : NULL;
}
