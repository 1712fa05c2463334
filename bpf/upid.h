/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * A task's number at one depth of its PID namespaces. By plain addresses: the index is not known to
 * the verifier, and Linux 6.1 allows no such arithmetic on a typed pointer.
 */
#ifndef PROFD_BPF_UPID_H
#define PROFD_BPF_UPID_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* How deep the namespace of the task is, and the address of its struct pid. False for a task that
 * is being released. */
static __always_inline bool upid_level(const struct task_struct *task, u64 *ret_pid, u32 *ret_level)
{
	u64 pid;

	if (bpf_core_read(&pid, sizeof(pid), &task->thread_pid) || !pid)
		return false;
	*ret_pid = pid;
	return !bpf_probe_read_kernel(ret_level, sizeof(*ret_level),
		(const void *)(pid + bpf_core_field_offset(struct pid, level)));
}

/* The number at a level that is not below the task's own, and the inode of that namespace. */
static __always_inline bool upid_read(u64 pid, u32 level, s32 *ret_nr, u32 *ret_ns)
{
	u64 upid = pid + bpf_core_field_offset(struct pid, numbers) +
		   (u64)level * bpf_core_type_size(struct upid);
	struct pid_namespace *ns;

	if (bpf_probe_read_kernel(ret_nr, sizeof(*ret_nr),
		    (const void *)(upid + bpf_core_field_offset(struct upid, nr))))
		return false;
	if (bpf_probe_read_kernel(
		    &ns, sizeof(ns), (const void *)(upid + bpf_core_field_offset(struct upid, ns))))
		return false;
	return !bpf_core_read(ret_ns, sizeof(*ret_ns), &ns->ns.inum);
}

#endif
