// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Where threads are off the CPU, and who wakes them: the state of each thread (threads.bpf.h) kept
 * by sched_switch, sched_waking and sched_wakeup_new, and a record of each wait that is kept.
 *
 * A wait's stack is taken when it has ended and its length is known, so that only waits that are
 * kept pay: by sched_exit_tp, in the thread itself, which has the CPU again and is still where it
 * waited. Where the kernel has no such place (before Linux 6.16), every wait of a target pays, when
 * it leaves the CPU. The stack of who unlocks is taken while it wakes.
 *
 * The kernel runs these with preemption off. None of them runs inside of another one but
 * waits_waking in an interrupt, where it takes no stack: so one scratch of a CPU does.
 */
#include "sample.bpf.h"
#include <bpf/bpf_tracing.h>
#include "threads.bpf.h"
#include "waits.bpf.h"
#include "waits_before.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 missed_wakings;  /* threads that ran again without one */
__u64 missed_switches; /* threads that were off the CPU, and are so again, with no way on between */

/* Cpu -> the interrupt it is in; 0: none that has a number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} interrupts SEC(".maps");

/* ---- records ---- */

/* The wait that has ended in the current task. */
static __always_inline u32 take_wait(struct sample_scratch *s, struct task_struct *task,
	struct thread_state *st, struct control *control, u64 attachments, const struct wait *wait,
	struct set_counters *c, u32 cpu)
{
	struct sample_record *r = (void *)s->record;
	u32 outcome = sample_begin(r, task, control, attachments, cpu, SET_WAITS, wait->end_ns);
	bool is_walked = false;
	u64 hash;

	if (outcome != OUTCOME_STORED)
		return outcome;
	hash = sample_stack(s, task, control, SET_WAITS, sample_hash(control, r), &is_walked);
	wait_fill(r, st, wait);
	wait_facts(&r->wait, &s->regs, task, st->is_stopped);
	st->owner_uid = r->owner_uid;
	if (attachments & control->wall)
		r->wait.unsampled_ns = __sync_lock_test_and_set(&st->unsampled_ns, 0);
	return sample_end(s, control, c, cpu, SET_WAITS, 0, hash, is_walked, wait->end_ns);
}

/* A wait of the current task is over. It came onto the CPU at wait->end_ns. */
static __always_inline u32 wait_over(struct task_struct *task, struct thread_state *st,
	const struct wait *wait, struct set_counters *c, u32 cpu)
{
	struct control *control = control_get();
	struct sample_scratch *s;
	u64 attachments;
	u32 outcome;

	if (!control || (task->flags & PF_KTHREAD) ||
		!thread_keeps(st->random, wait->whole_ns, wait->threshold_ns))
		return OUTCOME_FILTERED;
	attachments = covering_attachments(control, task);
	if (!(attachments & control->waits))
		return OUTCOME_FILTERED;
	s = sample_enter(cpu, WALK_THREADS);
	if (!s)
		return DROP_SCRATCH_BUSY;
	outcome = take_wait(s, task, st, control, attachments, wait, c, cpu);
	sample_leave(s, cpu, WALK_THREADS);
	pace_kept(cpu, wait->end_ns);
	return outcome;
}

/* The rest of a thread's CPU time, and a new thread's wait for its first CPU: no stack is taken. */
static __always_inline void take_rest(struct task_struct *task, struct thread_state *st,
	const struct wait *wait, struct set_counters *c, u32 cpu)
{
	struct control *control = control_get();
	struct sample_scratch *s;
	struct sample_record *r;
	u64 attachments, hash;
	u32 outcome;

	if (!control || (task->flags & PF_KTHREAD))
		return;
	attachments = covering_attachments(control, task);
	if (!(attachments & control->waits))
		return;
	c->ran++;
	s = sample_enter(cpu, WALK_THREADS);
	if (!s) {
		sample_count(c, DROP_SCRATCH_BUSY);
		return;
	}
	r = (void *)s->record;
	outcome = sample_begin(r, task, control, attachments, cpu, SET_WAITS, wait->end_ns);
	if (outcome == OUTCOME_STORED) {
		/* Its memory may be gone already, and with it what tells whose it is. */
		if (!task->mm)
			r->owner_uid = st->owner_uid;
		hash = unwind_hash(sample_hash(control, r), 0);
		s->unwind.n = 0;
		s->unwind.reason = TRUNCATE_NO_USER_STACK;
		if (st->first_ip && wait->whole_ns) {
			unwind_push(&s->unwind, s->frames, st->first_ip);
			hash = unwind_hash(hash, st->first_ip);
			s->unwind.reason = TRUNCATE_NONE;
		}
		wait_fill(r, st, wait);
		if (attachments & control->wall)
			r->wait.unsampled_ns = __sync_lock_test_and_set(&st->unsampled_ns, 0);
		r->wait.syscall = SYSCALL_NONE;
		r->wait.file = 0;
		r->wait.lock = 0;
		outcome = sample_end(s, control, c, cpu, SET_WAITS, 0, hash, false, wait->end_ns);
	}
	sample_leave(s, cpu, WALK_THREADS);
	sample_count(c, outcome);
}

/* ---- on and off the CPU ---- */

/* A time before the state of threads was kept, or kept again. */
static __always_inline bool is_void(u64 ns)
{
	const struct control *control = control_get();

	return !control || ns < control->threads_since_ns;
}

/* A thread has the CPU again. Its wait, or false: there is none that is known. */
static __always_inline bool thread_on(struct thread_state *st, u64 now, struct wait *ret)
{
	st->charged_ns = now;
	if (!st->is_off)
		return false;
	st->is_off = 0;
	if (is_void(st->began_ns))
		return false;
	if (!st->woken_ns)
		__sync_fetch_and_add(&missed_wakings, 1);
	ret->end_ns = now;
	ret->whole_ns = now - st->began_ns;
	ret->begin_ns = __sync_lock_test_and_set(&st->told_ns, 0);
	/* The daemon's flush may have told a little more than there was. */
	if (ret->begin_ns > now)
		ret->begin_ns = now;
	ret->threshold_ns = pace_threshold(bpf_get_smp_processor_id());
	ret->is_first = false;
	return true;
}

static __always_inline void count_wait(struct set_counters *c, u32 outcome, u64 began)
{
	c->ran++;
	sample_count(c, outcome);
	/* A clock costs as much as what is done for a wait that is not kept. */
	if (outcome != OUTCOME_FILTERED)
		c->own_ns += bpf_ktime_get_ns() - began;
	else if (c->ran % COST_EVERY == 0)
		c->own_ns += COST_EVERY * (bpf_ktime_get_ns() - began);
}

/* The current task leaves the CPU. */
static __always_inline void thread_off(
	struct task_struct *task, struct thread_state *st, bool preempt, u32 state, u64 now)
{
	u64 charged = __sync_lock_test_and_set(&st->charged_ns, 0);
	u32 cpu = bpf_get_smp_processor_id();
	struct set_counters *c = counters_of(SET_WAITS, cpu);
	bool is_blocked = !preempt && state != 0;

	/* Some kernels do not always say of a switch whom it is to. */
	if (st->is_off && !is_void(st->began_ns))
		__sync_fetch_and_add(&missed_switches, 1);
	if (!is_void(charged) && charged < now)
		__sync_fetch_and_add(&st->unsampled_ns, now - charged);
	if (c && (st->first_ns || (state & TASK_DEAD))) {
		struct wait first = {
			.begin_ns = st->first_end_ns - st->first_ns,
			.end_ns = st->first_ns ? st->first_end_ns : now,
			.whole_ns = st->first_ns,
			.is_first = st->first_ns != 0,
		};

		if (!st->first_ns)
			first.begin_ns = now;
		take_rest(task, st, &first, c, cpu);
		st->first_ns = 0;
	}
	st->flags = is_blocked ? WAIT_IS_BLOCKED : 0;
	st->is_stopped = (state & (TASK_STOPPED | TASK_TRACED)) != 0;
	st->waker_tid = 0;
	st->waker[0] = 0;
	st->random = bpf_get_prandom_u32();
	st->woken_ns = is_blocked ? 0 : now;
	st->began_ns = now;
	st->told_ns = now;
	st->is_off = 1;
}

/* A new thread comes onto its first CPU, by another way than those that were there before. */
static __always_inline void thread_first(struct task_struct *next, u64 now)
{
	struct thread_state *st = thread_get(next);

	if (!st || !(st->flags & WAIT_IS_NEW) || !st->is_off)
		return;
	st->is_off = 0;
	st->told_ns = 0;
	st->charged_ns = now;
	st->first_ns = now - st->began_ns;
	st->first_end_ns = now;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(waits_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	unsigned int prev_state)
{
	struct thread_state *st = thread_get(prev);

	if (st)
		thread_off(prev, st, preempt, prev_state, bpf_ktime_get_ns());
	if (!(next->nvcsw + next->nivcsw))
		thread_first(next, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sched_exit_tp")
int BPF_PROG(waits_exit, bool is_switch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 cpu = bpf_get_smp_processor_id();
	struct set_counters *c;
	struct thread_state *st;
	struct wait wait;
	u64 now;

	if (!is_switch)
		return 0;
	st = thread_get(task);
	c = counters_of(SET_WAITS, cpu);
	if (!st || !c)
		return 0;
	now = bpf_ktime_get_ns();
	if (thread_on(st, now, &wait))
		count_wait(c, wait_over(task, st, &wait, c, cpu), now);
	return 0;
}

/* In place of the two before, where there is no sched_exit_tp. */
SEC("tp_btf/sched_switch")
int BPF_PROG(waits_switch_before, bool preempt, struct task_struct *prev, struct task_struct *next,
	unsigned int prev_state)
{
	struct set_counters *c = counters_of(SET_WAITS, bpf_get_smp_processor_id());
	struct control *control = control_get();
	struct thread_state *st = thread_get(prev);
	struct wait wait;
	u64 now, attachments;
	u8 flags = preempt || !prev_state ? 0 : WAIT_IS_BLOCKED;

	if (!c || !control)
		return 0;
	if (st) {
		now = bpf_ktime_get_ns();
		thread_off(prev, st, preempt, prev_state, now);
		attachments = covering_attachments(control, prev);
		if ((attachments & control->waits) && !(prev_state & TASK_DEAD) &&
			!(prev->flags & PF_KTHREAD))
			before_off(prev, st, control, attachments, flags, now);
	}
	if (!(next->nvcsw + next->nivcsw))
		thread_first(next, bpf_ktime_get_ns());
	st = thread_get(next);
	if (!st)
		return 0;
	now = bpf_ktime_get_ns();
	if (thread_on(st, now, &wait))
		count_wait(c, before_on(next, st, control, &wait, c), now);
	return 0;
}

/* ---- woken ---- */

#define KERNEL_STACK 32768 /* not less than any kernel's; nothing else is that near */

/* Does the current task itself run, or an interrupt on its CPU? The arguments of a tracepoint lie
 * on the stack that is in use. Interrupts have another one, except where they came out of user
 * mode: then the task is in no system call. */
static __always_inline bool is_task_itself(void *context, struct task_struct *task)
{
	const struct user_regs *regs = (void *)bpf_task_pt_regs(task);
	u64 at = (u64)context, syscall;

	/* Two pointers make a number, one would stay a pointer. */
	asm volatile("%[at] -= %[task]" : [at] "+r"(at) : [task] "r"(task));
	at += bpf_get_current_task() - (u64)BPF_CORE_READ(task, stack);
	if (at >= KERNEL_STACK)
		return false;
	if (task->flags & PF_KTHREAD)
		return true;
	return !bpf_probe_read_kernel(&syscall, sizeof(syscall), &regs->orig_ax) &&
	       syscall < SYSCALL_STOPPED;
}

/* The current task wakes `p`, which waits for a futex. */
static __always_inline u32 take_unlock(struct task_struct *p, struct thread_state *st,
	struct control *control, u64 now, struct set_counters *c, u32 cpu)
{
	struct wait wait = { .end_ns = now,
		.begin_ns = st->began_ns,
		.whole_ns = now - st->began_ns,
		.threshold_ns = pace_threshold(cpu) };
	struct task_struct *task = bpf_get_current_task_btf();
	struct sample_scratch *s;
	struct sample_record *r;
	u64 attachments, hash, lock;
	bool is_walked = false;
	u32 outcome;

	if ((task->flags & PF_KTHREAD) ||
		!thread_keeps(st->random, wait.whole_ns, wait.threshold_ns))
		return OUTCOME_FILTERED;
	attachments = covering_attachments(control, task);
	if (!(attachments & control->unlocks) || !futex_of(p, &lock))
		return OUTCOME_FILTERED;
	s = sample_enter(cpu, WALK_THREADS);
	if (!s)
		return DROP_SCRATCH_BUSY;
	r = (void *)s->record;
	outcome = sample_begin(r, task, control, attachments, cpu, SET_UNLOCKS, now);
	if (outcome == OUTCOME_STORED) {
		hash = sample_stack(
			s, task, control, SET_UNLOCKS, sample_hash(control, r), &is_walked);
		wait_fill(r, st, &wait);
		r->wait.woken_ns = now;
		r->wait.waker_tid = identity_pid(p);
		r->wait.waker[0] = 0;
		r->wait.unsampled_ns = 0;
		r->wait.syscall = s->regs.orig_ax;
		r->wait.file = 0;
		r->wait.lock = lock;
		outcome = sample_end(s, control, c, cpu, SET_UNLOCKS, 0, hash, is_walked, now);
	}
	sample_leave(s, cpu, WALK_THREADS);
	pace_kept(cpu, now);
	return outcome;
}

static __always_inline void unlocks(struct task_struct *p, struct thread_state *st, u64 now)
{
	struct control *control = control_get();
	u32 cpu = bpf_get_smp_processor_id();
	struct set_counters *c = counters_of(SET_UNLOCKS, cpu);

	if (!control || !control->unlocks || !c || !(st->flags & WAIT_IS_BLOCKED))
		return;
	c->ran++;
	sample_count(c, take_unlock(p, st, control, now, c, cpu));
	c->own_ns += bpf_ktime_get_ns() - now;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(waits_waking, struct task_struct *p)
{
	struct thread_state *st = thread_get(p);
	struct task_struct *task;
	u32 cpu, *interrupt;
	u64 now;

	if (!st || !st->is_off || st->woken_ns || is_void(st->began_ns))
		return 0;
	now = bpf_ktime_get_ns();
	task = bpf_get_current_task_btf();
	if (!is_task_itself(ctx, task)) {
		cpu = bpf_get_smp_processor_id();
		interrupt = bpf_map_lookup_elem(&interrupts, &cpu);
		st->waker_tid = interrupt ? *interrupt : 0;
		st->flags |= WAIT_IS_INTERRUPT;
	} else {
		st->waker_tid = identity_pid(task);
		bpf_get_current_comm(st->waker, sizeof(st->waker));
		unlocks(p, st, now);
	}
	st->woken_ns = now;
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(waits_irq, int irq)
{
	u32 cpu = bpf_get_smp_processor_id(), *interrupt = bpf_map_lookup_elem(&interrupts, &cpu);

	if (interrupt)
		*interrupt = irq;
	return 0;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(waits_irq_end, int irq)
{
	u32 cpu = bpf_get_smp_processor_id(), *interrupt = bpf_map_lookup_elem(&interrupts, &cpu);

	if (interrupt)
		*interrupt = 0;
	return 0;
}

/* ---- new threads ---- */

/* Is a thread covered whose cgroups are those of the current task? */
static __always_inline bool is_covered(struct task_struct *task)
{
	struct control *control = control_get();

	return control && (covering_attachments(control, task) &
				  (control->waits | control->unlocks | control->wall));
}

/* Before it can run. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(waits_fork, struct task_struct *parent, struct task_struct *child)
{
	struct thread_state begin = { .is_off = 1, .flags = WAIT_IS_NEW };
	struct user_regs *regs = (void *)bpf_task_pt_regs(child);

	if (!is_covered(child))
		return 0;
	begin.began_ns = begin.told_ns = begin.woken_ns = bpf_ktime_get_ns();
	begin.owner_uid = OWNER_NOBODY;
	bpf_probe_read_kernel(&begin.first_ip, sizeof(begin.first_ip), &regs->ip);
	if (!bpf_task_storage_get(&threads, child, &begin, BPF_LOCAL_STORAGE_GET_F_CREATE))
		__sync_fetch_and_add(&missed_threads, 1);
	return 0;
}

/* The current thread may have become a target; follow.bpf.c, which is there before, has seen it. */
static __always_inline void begin_current(struct task_struct *task)
{
	struct thread_state begin = { .owner_uid = OWNER_NOBODY };

	if (task != bpf_get_current_task_btf() || thread_get(task) || !is_covered(task))
		return;
	begin.charged_ns = bpf_ktime_get_ns();
	if (!bpf_task_storage_get(&threads, task, &begin, BPF_LOCAL_STORAGE_GET_F_CREATE))
		__sync_fetch_and_add(&missed_threads, 1);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(waits_exec, struct task_struct *task)
{
	begin_current(task);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(waits_rename, struct task_struct *task)
{
	begin_current(task);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(waits_wakeup_new, struct task_struct *p)
{
	struct thread_state *st = thread_get(p);

	if (st)
		st->began_ns = st->told_ns = st->woken_ns = bpf_ktime_get_ns();
	return 0;
}

/* ---- locks of the kernel ---- */

SEC("tp_btf/contention_begin")
int BPF_PROG(waits_lock, void *lock, unsigned int flags)
{
	struct thread_state *st;

	if (flags & LCB_F_SPIN)
		return 0;
	st = thread_get(bpf_get_current_task_btf());
	if (st)
		st->kernel_lock = (u64)lock;
	return 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(waits_lock_end, void *lock)
{
	struct thread_state *st = thread_get(bpf_get_current_task_btf());

	if (st && st->kernel_lock == (u64)lock)
		st->kernel_lock = 0;
	return 0;
}
