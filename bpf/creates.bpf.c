// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Who makes threads: a record of each new thread, with the stack of the one that made it.
 */
#include "sample.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The current task has made a thread of its own process. */
static __always_inline u32 take(struct task_struct *task, struct task_struct *thread,
	struct set_counters *c, u32 cpu, u64 now)
{
	struct control *control = control_get();
	struct sample_scratch *s;
	struct sample_record *r;
	bool is_walked = false;
	u64 attachments, hash;
	u32 outcome;

	if (!control)
		return OUTCOME_FILTERED;
	attachments = covering_attachments(control, task);
	if (!(attachments & control->creates))
		return OUTCOME_FILTERED;
	s = sample_enter(cpu, WALK_THREADS);
	if (!s)
		return DROP_SCRATCH_BUSY;
	r = (void *)s->record;
	outcome = sample_begin(r, task, control, attachments, cpu, SET_CREATES, now);
	if (outcome == OUTCOME_STORED) {
		hash = sample_stack(
			s, task, control, SET_CREATES, sample_hash(control, r), &is_walked);
		r->wait.waker_tid = identity_pid(thread);
		outcome = sample_end(s, control, c, cpu, SET_CREATES, 0, hash, is_walked, now);
	}
	sample_leave(s, cpu, WALK_THREADS);
	return outcome;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(creates_thread, struct task_struct *parent, struct task_struct *child)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct set_counters *c = counters_of(SET_CREATES, cpu);
	u64 now = bpf_ktime_get_ns();

	if (!c || parent->tgid != child->tgid || (parent->flags & PF_KTHREAD) || !parent->mm)
		return 0;
	c->ran++;
	sample_count(c, take(bpf_get_current_task_btf(), child, c, cpu, now));
	c->own_ns += bpf_ktime_get_ns() - now;
	return 0;
}
