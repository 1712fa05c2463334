// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Tells the daemon which namespaces it lives in, as the kernel numbers them; run once by
 * BPF_PROG_TEST_RUN in the daemon's own context. /proc shows the inode, not the depth.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u32 found_pid_level, found_pid_ns, found_user_ns;

SEC("raw_tp")
int self(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct pid *pid = task->thread_pid;
	struct pid_namespace *ns;
	u32 level;

	if (!pid)
		return 1;
	level = pid->level;
	if (bpf_probe_read_kernel(&ns, sizeof(ns),
		    (const u8 *)pid + bpf_core_field_offset(struct pid, numbers) +
			    (u64)level * bpf_core_type_size(struct upid) +
			    bpf_core_field_offset(struct upid, ns)))
		return 1;
	found_pid_level = level;
	found_pid_ns = BPF_CORE_READ(ns, ns.inum);
	found_user_ns = task->real_cred->user_ns->ns.inum;
	return 0;
}
