// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Stops a thread of the awaited process where a sample finds it, once its stack was walked there:
 * by the walk of the sampling program, over the lists and the tables of a profd that runs.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "unwind.h"
#include "stops.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SIGNAL_STOP 19

__u32 awaited; /* process; 0: none */
__u32 left;    /* samples of it to let pass */
struct stop stop;

/* For one walk at a time. */
struct stop_scratch {
	struct unwind_scratch unwind;
	u64 frames[UNWIND_FRAMES];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stop_scratch);
} walk_scratch SEC(".maps");

/* The sampling program's: what the daemon takes away stays while a value is odd. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct walk_state);
} walks SEC(".maps");

static __always_inline void take(
	struct perf_event_context *ctx, struct task_struct *task, struct stop_scratch *s)
{
	struct unwind_regs regs;
	u64 cs;

	ARCH_REGS_READ(&ctx->regs, &regs, &s->unwind.leaf, &cs);
	s->unwind.n = 0;
	unwind_user(
		&s->unwind, s->frames, &regs, task->tgid, task->group_leader->start_boottime, 0);
	stop.tid = task->pid;
	stop.n = s->unwind.n;
	stop.reason = s->unwind.reason;
	bpf_probe_read_kernel(stop.frames, sizeof(stop.frames), s->frames);
}

SEC("perf_event")
int stop_at_sample(struct perf_event_context *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct walk_state *walk;
	struct stop_scratch *s;

	if (!awaited || awaited != task->tgid || !ARCH_REGS_IN_USER(&ctx->regs))
		return 0;
	if (left) {
		left--;
		return 0;
	}
	s = bpf_map_lookup_elem(&walk_scratch, &zero);
	walk = bpf_map_lookup_elem(&walks, &cpu);
	if (!s || !walk || __sync_lock_test_and_set(&awaited, 0) != task->tgid)
		return 0;
	*(volatile u64 *)&walk->sequence += 1;
	barrier();
	take(ctx, task, s);
	barrier();
	*(volatile u64 *)&walk->sequence += 1;
	bpf_send_signal_thread(SIGNAL_STOP);
	__sync_lock_test_and_set(&stop.is_taken, 1);
	return 0;
}
