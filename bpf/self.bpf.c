// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Tells the daemon which namespaces it lives in, as the kernel numbers them; run once by
 * BPF_PROG_TEST_RUN in the daemon's own context. /proc shows the inode, not the depth.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "upid.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u32 found_pid_level, found_pid_ns, found_user_ns;

SEC("raw_tp")
int self(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 level, ns;
	u64 pid;
	s32 nr;

	if (!upid_level(task, &pid, &level) || !upid_read(pid, level, &nr, &ns))
		return 1;
	found_pid_level = level;
	found_pid_ns = ns;
	found_user_ns = task->real_cred->user_ns->ns.inum;
	return 0;
}
