/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * Who a task is: its numbers in profd's PID namespace, and the one user whom its credentials name.
 * The knobs are set before loading, from what self.bpf.c found about the daemon itself.
 */
#ifndef PROFD_BPF_IDENTITY_H
#define PROFD_BPF_IDENTITY_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"
#include "upid.h"

const volatile __u32 self_pid_level = 0; /* depth of profd's PID namespace */
const volatile __u32 self_pid_ns = 0;	 /* its inode; tested below level 0 only */
const volatile __u32 self_user_ns = 0;	 /* inode of profd's user namespace */

#define MM_DUMPABLE_MASK 3 /* MMF_DUMPABLE_MASK */
#define MM_DUMPABLE_USER 1 /* SUID_DUMP_USER: ptrace by the same user is allowed */

/* The task's number in profd's PID namespace, 0 where it has none. */
static __always_inline u32 identity_pid(const struct task_struct *task)
{
	u64 pid;
	u32 level, ns;
	s32 nr;

	if (self_pid_level == 0)
		return task->pid;
	if (!upid_level(task, &pid, &level) || level < self_pid_level)
		return 0;
	return upid_read(pid, self_pid_level, &nr, &ns) && ns == self_pid_ns ? nr : 0;
}

static __always_inline u64 identity_mm_flags(struct mm_struct *mm)
{
	struct mm_struct___bitmap *bitmap = (void *)mm;

	if (bpf_core_field_exists(bitmap->flags.__mm_flags))
		return bitmap->flags.__mm_flags[0];
	return mm->flags;
}

/* The one uid that real, effective, saved and fs uid agree on, when the gids agree as well, the
 * process is dumpable, holds no capability and lives in profd's user namespace: what
 * PTRACE_MODE_READ_REALCREDS would ask of that user. Else OWNER_NOBODY. */
static __always_inline u32 identity_owner(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	const struct cred *cred = task->real_cred;
	u32 uid = cred->uid.val, gid = cred->gid.val;
	u64 capabilities;

	if (!mm || (identity_mm_flags(mm) & MM_DUMPABLE_MASK) != MM_DUMPABLE_USER)
		return OWNER_NOBODY;
	if (cred->euid.val != uid || cred->suid.val != uid || cred->fsuid.val != uid)
		return OWNER_NOBODY;
	if (cred->egid.val != gid || cred->sgid.val != gid || cred->fsgid.val != gid)
		return OWNER_NOBODY;
	if (bpf_probe_read_kernel(&capabilities, sizeof(capabilities),
		    (const u8 *)cred + bpf_core_field_offset(struct cred, cap_permitted)) ||
		capabilities)
		return OWNER_NOBODY;
	if (cred->user_ns->ns.inum != self_user_ns)
		return OWNER_NOBODY;
	return uid;
}

#endif
