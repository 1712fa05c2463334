// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * A walk of the daemon over the threads that live. With `seed`, each that is covered gets its
 * state, so that what it does is known from then on; the others have none, and cost a look that
 * finds nothing. Else each wait that goes on is told up to now, with the registers and the stack of
 * the thread, which are read from here as it sleeps; and for `wall` the CPU time that nobody has
 * told.
 *
 * What is told is taken out of the thread's state first, by an atomic exchange: the thread may wake
 * at any moment. Whoever reads the iterator gets one byte for each record, and so may stop after
 * each.
 */
#include "sample.bpf.h"
#include <bpf/bpf_tracing.h>
#include "threads.bpf.h"
#include "waits.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The request; the daemon asks one at a time. */
__u32 flush_seed;
__u64 flush_attachments;

/* ---- whom it covers: of another task than the current one ---- */

static bool is_in_cgroup(struct task_struct *task, u32 level, u64 id)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp), *ancestor;

	if (!cgroup || (u32)BPF_CORE_READ(cgroup, level) < level)
		return false;
	if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
		    (u8 *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
			    level * sizeof(ancestor)))
		return false;
	return BPF_CORE_READ(ancestor, kn, id) == id;
}

static u64 attachments_of(struct control *control, struct task_struct *task)
{
	u64 has =
		control->all | process_attachments(task->tgid, task->group_leader->start_boottime);
	u64 rules = control->cgroup_rules & ~has;

	for (u32 i = 0; i < ABI_ATTACHMENTS; i++) {
		const struct target_rule *rule = &control->rules[i];

		if ((rules >> i & 1) && (has & rule->require) == rule->require &&
			is_in_cgroup(task, rule->cgroup_level, rule->cgroup_id))
			has |= 1ULL << i;
	}
	return has;
}

static void seed(struct control *control, struct task_struct *task)
{
	u64 wanted = control->waits | control->unlocks | control->wall;
	struct thread_state begin = { .owner_uid = OWNER_NOBODY }, *st;
	u64 now = bpf_ktime_get_ns();

	u64 attachments = attachments_of(control, task);

	if ((task->flags & PF_KTHREAD) || !(attachments & wanted)) {
		(void)bpf_task_storage_delete(&threads, task);
		return;
	}
	begin.attachments = attachments;
	begin.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	begin.syscall = SYSCALL_NONE;
	begin.hash_cpu = bpf_get_smp_processor_id();
	if (task->mm)
		begin.owner_uid = identity_owner(task);
	if (task->on_cpu) {
		begin.charged_ns = now;
	} else {
		begin.is_off = 1;
		begin.began_ns = begin.told_ns = now;
		begin.random = bpf_get_prandom_u32();
		begin.flags = task->__state ? WAIT_IS_BLOCKED : 0;
		begin.woken_ns = task->__state ? 0 : now;
		begin.is_stopped = (task->__state & (TASK_STOPPED | TASK_TRACED)) != 0;
	}
	st = bpf_task_storage_get(&threads, task, &begin, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!st)
		__sync_fetch_and_add(&missed_threads, 1);
	else if (st->began_ns < control->threads_since_ns &&
		 st->charged_ns < control->threads_since_ns)
		*st = begin; /* of an earlier time, and nothing has happened since */
}

/* ---- the stack of a thread that sleeps ---- */

static u32 copy_stack(struct sample_scratch *s, struct task_struct *task, struct stack_window *w)
{
	u64 at = w->start;
	u32 bytes = 0;

	for (u32 i = 0; i <= ABI_WINDOW_BYTES / UNWIND_PAGE; i++) {
		u32 part = UNWIND_PAGE - (at & (UNWIND_PAGE - 1));

		if (bytes + part > ABI_WINDOW_BYTES)
			part = ABI_WINDOW_BYTES - bytes;
		asm volatile("" : "+r"(bytes), "+r"(part));
		if (bytes >= ABI_WINDOW_BYTES || part == 0 || part > UNWIND_PAGE)
			break;
		if (at - w->start >= s->first_frame + 16 - w->start && s->first_frame > w->start)
			break;
		if (bpf_copy_from_user_task((u8 *)(w + 1) + bytes, part, (void *)at, task, 0))
			break;
		bytes += part;
		at += part;
	}
	return bytes;
}

/* Puts registers and stack behind the record. Its size; 0: none. */
static u32 put_window(struct sample_scratch *s, struct task_struct *task)
{
	struct sample_record *r = (void *)s->record;
	struct stack_window *w = (void *)(s->frames + 1);
	struct unwind_regs regs;
	u64 cs;

	if (!task->mm || !sample_entry_regs(s, task, &regs, &cs) || (u16)cs == USER32_CS)
		return 0;
	s->frames[0] = regs.ip;
	s->first_frame = task->mm->start_stack;
	w->ip = regs.ip;
	w->sp = regs.sp;
	w->bp = regs.bp;
	for (u32 i = 0; i < 16; i++)
		w->registers[i] = s->unwind.leaf.registers[i];
	w->code[0] = w->code[1] = 0;
	(void)bpf_copy_from_user_task(w->code, sizeof(w->code), (void *)(w->ip - 8), task, 0);
	w->start = w->sp & ~7ULL;
	w->pad = 0;
	w->bytes = copy_stack(s, task, w) & ~7U;
	r->kind = RECORD_WINDOW;
	r->has_stack = 1;
	r->n_user = 1;
	r->truncated = TRUNCATE_NO_TABLE_YET;
	return sizeof(*w) + w->bytes;
}

static u32 submit_flushed(struct sample_scratch *s, u32 window)
{
	struct sample_record *r = (void *)s->record;
	u32 cpu = r->cpu, bytes;
	void *ring = bpf_map_lookup_elem(&rings, &cpu);

	bytes = sizeof(*r) + r->n_user * 8 + window;
	if (!ring || bytes > sizeof(s->record) + 8 + sizeof(struct stack_window) + ABI_WINDOW_BYTES)
		return DROP_RING_FULL;
	r->size = bytes;
	return bpf_ringbuf_output(ring, r, bytes, BPF_RB_NO_WAKEUP) ? DROP_RING_FULL
								    : OUTCOME_STORED;
}

/* What the record says besides its wait. */
static u32 fill(struct sample_scratch *s, struct task_struct *task, struct control *control,
	u64 attachments, u64 now)
{
	struct sample_record *r = (void *)s->record;
	u32 outcome = sample_begin(
		r, task, control, attachments, bpf_get_smp_processor_id(), SET_WAITS, now);

	r->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), task->comm);
	r->n_kernel = 0;
	r->n_user = 0;
	r->has_stack = 1;
	r->truncated = TRUNCATE_NO_USER_STACK;
	return outcome;
}

static u64 hash_of(const struct sample_record *r, const struct control *control, u64 ip)
{
	u64 hash = unwind_hash(sample_hash(control, r), 0);

	if (r->n_user)
		hash = unwind_hash(hash, ip);
	return unwind_hash_end(unwind_hash(hash, r->truncated));
}

/* The CPU time of the thread that nobody has told, up to now. */
static u64 take_charge(struct thread_state *st, u64 since, u64 now)
{
	u64 charged = *(volatile u64 *)&st->charged_ns, ns = 0;

	if (charged >= since && charged < now &&
		__sync_val_compare_and_swap(&st->charged_ns, charged, now) == charged)
		ns = now - charged;
	return ns + __sync_lock_test_and_set(&st->unsampled_ns, 0);
}

/* Who holds a mutex of glibc, as it says; of another lock anything. Whoever reads it asks whether
 * there is such a thread: pthread_mutex_t has __lock, __count and __owner. */
static u32 owner_of(struct task_struct *task, u64 lock)
{
	u32 owner = 0;

	(void)bpf_copy_from_user_task(&owner, sizeof(owner), (void *)(lock + 8), task, 0);
	return owner;
}

static u32 tell(struct sample_scratch *s, struct task_struct *task, struct thread_state *st,
	struct control *control, u64 attachments)
{
	struct sample_record *r = (void *)s->record;
	u64 now = bpf_ktime_get_ns(), told = *(volatile u64 *)&st->told_ns, charge = 0;
	struct wait wait = { .begin_ns = now, .end_ns = now };
	u32 window = 0, outcome;
	bool is_off = st->is_off && told >= control->threads_since_ns && told < now &&
		      !(st->flags & WAIT_IS_NEW);

	wait.threshold_ns = control->threshold_ns;
	if (is_off) {
		wait.begin_ns = told;
		wait.whole_ns = now - st->began_ns;
		is_off = thread_keeps(st->random, wait.whole_ns, wait.threshold_ns);
	}
	if (is_off)
		is_off = __sync_val_compare_and_swap(&st->told_ns, told, now) == told;
	if (attachments & control->wall)
		charge = take_charge(st, control->threads_since_ns, now);
	if (!is_off && !charge)
		return OUTCOME_FILTERED;
	outcome = fill(s, task, control, attachments, now);
	if (outcome == OUTCOME_STORED) {
		if (is_off)
			window = put_window(s, task);
		r->stack_hash = hash_of(r, control, s->frames[0]);
		if (!is_off)
			wait.begin_ns = now;
		wait_fill(r, st, &wait);
		if (is_off) {
			r->wait.woken_ns = st->woken_ns;
			wait_facts(&r->wait, &s->regs, task, st->is_stopped);
			if (r->wait.lock && !r->wait.owner)
				r->wait.owner = owner_of(task, r->wait.lock);
		} else {
			r->wait.syscall = SYSCALL_NONE;
			r->wait.file = 0;
			r->wait.lock = 0;
		}
		r->wait.flags |= WAIT_IS_UNDER_WAY;
		r->wait.unsampled_ns = charge;
		outcome = submit_flushed(s, window);
	}
	if (outcome != OUTCOME_STORED) {
		if (is_off)
			(void)__sync_val_compare_and_swap(&st->told_ns, now, told);
		__sync_fetch_and_add(&st->unsampled_ns, charge);
	}
	return outcome;
}

SEC("iter.s/task")
int flush(struct bpf_iter__task *ctx)
{
	struct control *control = control_get();
	struct task_struct *task = ctx->task;
	struct sample_scratch *s;
	struct thread_state *st;
	struct set_counters *c;
	u64 attachments;
	u32 zero = 0, outcome;

	if (!task || !control)
		return 0;
	if (flush_seed) {
		seed(control, task);
		return 0;
	}
	if (task->flags & PF_KTHREAD)
		return 0;
	st = thread_get(task);
	s = bpf_map_lookup_elem(&scratch, &zero);
	c = counters_of(SET_WAITS, bpf_get_smp_processor_id());
	if (!st || !s || !c)
		return 0;
	attachments = attachments_of(control, task);
	if (!(attachments & flush_attachments & control->waits))
		return 0;
	outcome = tell(s, task, st, control, attachments);
	if (outcome == OUTCOME_FILTERED)
		return 0;
	__sync_fetch_and_add(&c->ran, 1);
	if (outcome == OUTCOME_STORED) {
		u8 reason = ((struct sample_record *)s->record)->truncated;

		__sync_fetch_and_add(&c->stored, 1);
		if (reason < TRUNCATE_COUNT)
			__sync_fetch_and_add(&c->truncated[reason], 1);
	} else if (outcome < DROP_COUNT)
		__sync_fetch_and_add(&c->dropped[outcome], 1);
	bpf_seq_write(ctx->meta->seq, "+", 1);
	return 0;
}
