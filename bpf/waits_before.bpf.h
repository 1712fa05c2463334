/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * Waits on a kernel without sched_exit_tp: the stack is taken when the thread leaves the CPU, and
 * sent where it has not been; the record follows when the thread comes back, in the ring of the CPU
 * that it left, so that it is behind its stack.
 *
 * No window of the stack comes with it: what has no table yet is cut, and says so.
 */
#ifndef PROFD_BPF_WAITS_BEFORE_H
#define PROFD_BPF_WAITS_BEFORE_H

#include "waits.bpf.h"

/* The stack alone, unless this CPU has sent it. */
static __always_inline bool send_stack(struct sample_scratch *s, u32 cpu)
{
	struct sample_record *r = (void *)s->record;
	struct sent_filter *filter = bpf_map_lookup_elem(&sent, &cpu);
	void *ring = bpf_map_lookup_elem(&rings, &cpu);
	u32 n = s->unwind.n & (UNWIND_FRAMES - 1);
	u64 *slot;

	if (!filter || !ring)
		return false;
	slot = &filter->hash[r->stack_hash >> 50 & (ABI_FILTER_SLOTS - 1)];
	if (*slot == r->stack_hash)
		return true;
	r->kind = RECORD_STACK;
	r->has_stack = 1;
	r->size = sizeof(*r) + n * 8;
	if (bpf_ringbuf_output(ring, r, sizeof(*r) + n * 8, BPF_RB_NO_WAKEUP))
		return false;
	*slot = r->stack_hash;
	return true;
}

/* The current task leaves the CPU: its stack, and what else can be said of it only now. */
static __always_inline void before_off(struct task_struct *task, struct thread_state *st,
	const struct control *control, u64 attachments, u8 flags, u64 now)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct sample_scratch *s;
	struct sample_record *r;
	bool is_walked = false;
	u64 hash;

	st->hash = 0;
	st->attachments = 0;
	s = sample_enter(cpu, WALK_THREADS);
	if (!s)
		return;
	r = (void *)s->record;
	if (sample_begin(r, task, control, attachments, cpu, SET_WAITS, now) == OUTCOME_STORED) {
		hash = sample_stack(
			s, task, control, SET_WAITS, sample_hash(control, r), &is_walked);
		r->stack_hash = unwind_hash_end(unwind_hash(hash, s->unwind.reason));
		r->n_kernel = 0;
		r->n_user = s->unwind.n;
		r->truncated = s->unwind.reason;
		r->wait.flags = flags;
		wait_facts(&r->wait, &s->regs, task, st->is_stopped);
		if (send_stack(s, cpu)) {
			st->hash = r->stack_hash;
			st->hash_cpu = cpu;
			st->n_user = r->n_user;
			st->truncated = r->truncated;
			st->syscall = r->wait.syscall;
			st->file = r->wait.file;
			st->lock = r->wait.lock;
			st->flags = r->wait.flags;
			st->attachments = attachments;
			st->cgroup_id = r->cgroup_id;
			st->owner_uid = r->owner_uid;
		}
	}
	sample_leave(s, cpu, WALK_THREADS);
}

/* `task`, which is not the current one, comes back. */
static __always_inline u32 before_on(struct task_struct *task, struct thread_state *st,
	const struct control *control, const struct wait *wait, struct set_counters *c)
{
	u32 cpu = bpf_get_smp_processor_id(), ring_cpu = st->hash_cpu, outcome, reason;
	u64 flags = BPF_RB_NO_WAKEUP;
	struct sample_scratch *s;
	struct sample_record *r;
	void *ring;
	u64 hash;

	if (!(st->attachments & control->waits) ||
		!thread_keeps(st->random, wait->whole_ns, wait->threshold_ns))
		return OUTCOME_FILTERED;
	ring = bpf_map_lookup_elem(&rings, &ring_cpu);
	s = sample_enter(cpu, WALK_THREADS);
	if (!s || !ring)
		return DROP_SCRATCH_BUSY;
	r = (void *)s->record;
	outcome = sample_begin(r, task, control, st->attachments, cpu, SET_WAITS, wait->end_ns);
	if (outcome == OUTCOME_STORED) {
		wait_fill(r, st, wait);
		r->stack_hash = st->hash;
		r->cgroup_id = st->cgroup_id;
		r->owner_uid = st->owner_uid;
		bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), task->comm);
		r->n_kernel = 0;
		r->n_user = st->n_user;
		r->truncated = reason = st->truncated;
		r->has_stack = 0;
		if (!st->hash) {
			r->n_user = 0;
			r->truncated = reason = TRUNCATE_BEGAN_BEFORE;
			r->has_stack = 1;
			hash = unwind_hash(sample_hash(control, r), 0);
			r->stack_hash = unwind_hash_end(unwind_hash(hash, reason));
		}
		r->size = sizeof(*r);
		r->wait.syscall = st->syscall;
		r->wait.file = st->file;
		r->wait.lock = st->lock;
		if (st->lock && !(r->wait.flags & WAIT_IS_INTERRUPT))
			r->wait.owner = st->waker_tid;
		if (st->attachments & control->wall)
			r->wait.unsampled_ns = __sync_lock_test_and_set(&st->unsampled_ns, 0);
		if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > ring_wake_bytes)
			flags = BPF_RB_FORCE_WAKEUP;
		/* The bound must be seen on the very register that is the index. */
		asm volatile("" : "+r"(reason));
		if (bpf_ringbuf_output(ring, r, sizeof(*r), flags)) {
			outcome = DROP_RING_FULL;
		} else if (reason < TRUNCATE_COUNT) {
			c->truncated[reason]++;
			c->user_frames += r->n_user;
		}
	}
	sample_leave(s, cpu, WALK_THREADS);
	pace_kept(cpu, wait->end_ns);
	return outcome;
}

#endif
