// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * A sample of what a CPU is doing, F times a second of every CPU: cpu-clock, or a PMU event.
 * Filters by target first, then takes the kernel and the user stack, sends a small record, and with
 * it the stack where this CPU has not sent it before.
 *
 * Every run is counted once: ran = idle + filtered + stored + sum of dropped. The counters of a CPU
 * are written by that CPU alone; the kernel does not run a perf event program inside of another one
 * on the same CPU, so plain additions do.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "sample.bpf.h"
#include "threads.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct hash_walk {
	const u64 *frames;
	u64 hash;
	u32 n;
};

static long hash_callback(u32 index, void *context)
{
	struct hash_walk *w = context;
	u32 n = w->n, at = index * 8;
	u64 hash = w->hash;

#pragma unroll
	for (u32 i = 0; i < 8; i++)
		if (at + i < n)
			hash = unwind_hash(hash, w->frames[(at + i) & (UNWIND_FRAMES - 1)]);
	w->hash = hash;
	return at + 8 >= n;
}

static __always_inline u64 kernel_frames(
	struct perf_event_context *ctx, struct sample_scratch *s, u64 hash)
{
	long bytes = bpf_get_stack(ctx, s->frames, ABI_KERNEL_FRAMES * 8, 0);
	struct hash_walk w = { .frames = s->frames, .hash = hash };

	if (bytes > 0)
		w.n = (u64)bytes >> 3;
	s->unwind.n = w.n;
	bpf_loop((ABI_KERNEL_FRAMES + 7) / 8, hash_callback, &w, 0);
	return w.hash;
}

/* For `wall`: the CPU time of the thread up to here that nobody has told. */
static __always_inline void charge(struct task_struct *task, const struct control *control,
	u64 attachments, struct sample_record *r, u64 now)
{
	struct thread_state *st;

	r->wait.begin_ns = 0;
	r->wait.unsampled_ns = 0;
	if (!(attachments & control->wall))
		return;
	st = thread_get(task);
	if (!st || st->charged_ns < control->threads_since_ns)
		return;
	r->wait.begin_ns = __sync_lock_test_and_set(&st->charged_ns, now);
	r->wait.unsampled_ns = __sync_lock_test_and_set(&st->unsampled_ns, 0);
}

static __always_inline u32 take(struct perf_event_context *ctx, struct task_struct *task,
	struct control *control, u64 attachments, struct sample_scratch *s, struct set_counters *c,
	u32 cpu, u32 set, u64 began)
{
	struct sample_record *r = (void *)s->record;
	struct unwind_regs regs;
	u64 cs = 0, hash;
	bool in_user = ARCH_REGS_IN_USER(&ctx->regs), is_walked = false, has_regs;
	u32 outcome = sample_begin(r, task, control, attachments, cpu, set, began), n_kernel;

	if (outcome != OUTCOME_STORED)
		return outcome;
	hash = sample_hash(control, r);
	s->unwind.n = 0;
	if (!in_user)
		hash = kernel_frames(ctx, s, hash);
	n_kernel = s->unwind.n;
	hash = unwind_hash(hash, n_kernel); /* the same words, split elsewhere, are another stack */

	s->unwind.reason = TRUNCATE_NO_USER_STACK;
	if (!(task->flags & PF_KTHREAD) && task->mm) {
		has_regs = true;
		if (in_user)
			ARCH_REGS_READ(&ctx->regs, &regs, &s->unwind.leaf, &cs);
		else
			has_regs = sample_entry_regs(s, task, &regs, &cs);
		if (has_regs)
			hash = sample_user(
				s, task, control, &regs, cs, in_user, set, hash, &is_walked);
	}
	if (s->unwind.reason == TRUNCATE_NONE && n_kernel >= ABI_KERNEL_FRAMES)
		s->unwind.reason = TRUNCATE_KERNEL_DEPTH;
	return sample_end(s, control, c, cpu, set, n_kernel, hash, is_walked, began);
}

static __always_inline u32 sample(
	struct perf_event_context *ctx, struct set_counters *c, u32 cpu, u32 set, u64 began)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct control *control = control_get();
	struct sample_scratch *s;
	u64 attachments;
	u32 outcome;

	if (task->pid == 0)
		return OUTCOME_IDLE;
	if (!control)
		return OUTCOME_FILTERED;
	attachments = covering_attachments(control, task);
	if (!(attachments & control->set_attachments[set & (ABI_EVENT_SETS - 1)]))
		return OUTCOME_FILTERED;
	s = sample_enter(cpu, WALK_SAMPLER);
	if (!s)
		return DROP_SCRATCH_BUSY;
	charge(task, control, attachments, (void *)s->record, began);
	outcome = take(ctx, task, control, attachments, s, c, cpu, set, began);
	sample_leave(s, cpu, WALK_SAMPLER);
	return outcome;
}

SEC("perf_event")
int cpu_sample(struct perf_event_context *ctx)
{
	u64 began = bpf_ktime_get_ns();
	u32 cpu = bpf_get_smp_processor_id();
	u64 set = bpf_get_attach_cookie(ctx);
	struct set_counters *c;

	if (set >= ABI_EVENT_SETS || cpu >= cpus)
		return 0;
	c = counters_of(set, cpu);
	if (!c)
		return 0;
	c->ran++;
	sample_count(c, sample(ctx, c, cpu, set, began));
	c->own_ns += bpf_ktime_get_ns() - began;
	return 0;
}
