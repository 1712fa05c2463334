// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Marks one process with attachments, and says which it has: a task iterator that the daemon opens
 * for the one pid. The kernel translates the number from the daemon's PID namespace, and start time
 * and entry come from the same task, so a reused pid cannot be marked.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The request and its answer; the daemon asks one at a time. */
__u64 mark_add;	  /* attachments to add; 0: only ask */
__u64 mark_has;	  /* what the process has now */
__u32 mark_tgid;  /* kernel's number of it; 0: no such process */
__s32 mark_error; /* of the insert */

SEC("iter/task")
int mark(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct target_process entry = {};
	u32 tgid;

	if (!task || task->pid != task->tgid)
		return 0;
	tgid = task->tgid;
	entry.start_ns = task->start_boottime;
	entry.attachments = process_attachments(tgid, entry.start_ns) | mark_add;
	if (mark_add)
		mark_error = bpf_map_update_elem(&processes, &tgid, &entry, BPF_ANY);
	mark_has = entry.attachments;
	mark_tgid = tgid;
	return 0;
}
