/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * A sample from its beginning to its place in the ring, for every program that takes one: who is
 * covered, whose it is, its user stack, the record. Each object has a scratch of its own, so that
 * a sampler's interrupt may come while another program puts a record together; the other maps are
 * the sampler's.
 *
 * Every run is counted once, by its outcome, in the counters of its set and CPU.
 */
#ifndef PROFD_BPF_SAMPLE_H
#define PROFD_BPF_SAMPLE_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "identity.h"
#include "maps.bpf.h"
#include "unwind.h"

const volatile __u32 cpus = 1;		  /* numbers are below this */
const volatile __u32 ring_wake_bytes = 1; /* wake the daemon when a ring holds more */

/* Set * cpus + cpu -> counters; read by the daemon through mmap, never evicted. Bound: sets and
 * possible CPUs, set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ABI_SETS);
	__type(key, u32);
	__type(value, struct set_counters);
} counters SEC(".maps");

/* Cpu -> where a sample is put together. Bound: possible CPUs, set by the loader. An ARRAY by CPU,
 * as a PERCPU_ARRAY value must stay below 32 KiB. */
struct sample_scratch {
	u32 busy;
	u32 pad;
	struct user_regs regs;
	struct unwind_regs first; /* where the user part starts */
	u64 first_frame; /* where the stack of the main thread began; above it are strings */
	struct unwind_scratch unwind;
	/* A sample_record, then its frames: as one array, as a flexible member must be the last.
	 * Behind the frames a stack_window, its bytes, and a page that no read gets to. */
	u64 record[sizeof(struct sample_record) / 8];
	u64 frames[UNWIND_FRAMES];
	u64 window[(sizeof(struct stack_window) + ABI_WINDOW_BYTES + UNWIND_PAGE) / 8];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sample_scratch);
} scratch SEC(".maps");

/* Cpu -> whether a walk is under way. Bound: possible CPUs, set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct walk_state);
} walks SEC(".maps");

/* Cpu -> hashes of stacks that this CPU has sent: direct-mapped, the last writer wins, so a stack
 * may be sent again but is never taken for sent. A new stack_seed empties it in effect. */
struct sent_filter {
	u64 hash[ABI_FILTER_SLOTS];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sent_filter);
} sent SEC(".maps");

/* Cpu -> its ring; made by the loader for each possible CPU. One for each CPU, so that a stack is
 * always before the records that only name it, and no two CPUs meet on a lock. */
struct cpu_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct cpu_ring);
} rings SEC(".maps");

enum outcome { OUTCOME_STORED = DROP_COUNT, OUTCOME_IDLE, OUTCOME_FILTERED };

struct cgroup_walk {
	struct control *control;
	u64 candidates, attachments, found;
};

static long cgroup_callback(u32 index, void *context)
{
	struct cgroup_walk *w = context;
	const struct target_rule *rule = &w->control->rules[index & (ABI_ATTACHMENTS - 1)];
	u64 bit = 1ULL << (index & (ABI_ATTACHMENTS - 1));

	if (!(w->candidates & bit) || (w->attachments & rule->require) != rule->require)
		return 0;
	if (bpf_get_current_ancestor_cgroup_id(rule->cgroup_level) == rule->cgroup_id)
		w->found |= bit;
	w->candidates &= ~bit;
	return w->candidates == 0;
}

/* Attachments of `candidates` whose cgroup rule holds for the current task. */
static __always_inline u64 cgroup_attachments(
	struct control *control, u64 candidates, u64 attachments)
{
	struct cgroup_walk w = {
		.control = control, .candidates = candidates, .attachments = attachments
	};

	bpf_loop(ABI_ATTACHMENTS, cgroup_callback, &w, 0);
	return w.found;
}

/* All attachments that cover the current process. */
static __always_inline u64 covering_attachments(struct control *control, struct task_struct *task)
{
	u64 rules = control->cgroup_rules;
	u64 mask =
		control->all | process_attachments(task->tgid, task->group_leader->start_boottime);

	return rules ? mask | cgroup_attachments(control, rules, mask) : mask;
}

static __always_inline u8 covering_sets(const struct control *control, u64 attachments)
{
	u8 sets = 0;

	for (u32 i = 0; i < ABI_EVENT_SETS; i++)
		if (control->set_attachments[i] & attachments)
			sets |= 1U << i;
	return sets;
}

/* In exec, the registers are still those of the old program when its memory has gone already. */
static __always_inline bool stack_is_gone(struct task_struct *task, const struct unwind_regs *regs)
{
	u64 word;

	return bpf_core_field_exists(task->in_execve) && BPF_CORE_READ_BITFIELD(task, in_execve) &&
	       bpf_probe_read_user(&word, sizeof(word), (void *)regs->sp);
}

/* The registers that the task came into the kernel with: false where there are none. */
static __always_inline bool sample_entry_regs(
	struct sample_scratch *s, struct task_struct *task, struct unwind_regs *ret, u64 *ret_cs)
{
	if (bpf_probe_read_kernel(&s->regs, sizeof(s->regs), (void *)bpf_task_pt_regs(task)))
		return false;
	ARCH_REGS_READ(&s->regs, ret, &s->unwind.leaf, ret_cs);
	/* Workers of io_uring and vhost have a mm, and no user registers. */
	return ret->ip != 0;
}

static __always_inline u32 submit(
	struct sample_scratch *s, struct set_counters *c, u32 cpu, u64 began)
{
	struct sample_record *r = (void *)s->record;
	struct sent_filter *filter = bpf_map_lookup_elem(&sent, &cpu);
	void *ring = bpf_map_lookup_elem(&rings, &cpu);
	u64 flags = BPF_RB_NO_WAKEUP, *slot;
	u32 n = 0;

	if (!filter || !ring)
		return DROP_RING_FULL;
	slot = &filter->hash[r->stack_hash >> 50 & (ABI_FILTER_SLOTS - 1)];
	r->has_stack = *slot != r->stack_hash;
	if (r->has_stack)
		n = s->unwind.n & (UNWIND_FRAMES - 1);
	r->size = sizeof(*r) + n * 8;
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > ring_wake_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	r->own_ns = bpf_ktime_get_ns() - began;
	if (bpf_ringbuf_output(ring, r, sizeof(*r) + n * 8, flags))
		return DROP_RING_FULL;
	if (r->has_stack) {
		*slot = r->stack_hash;
		c->stacks_sent++;
	}
	return OUTCOME_STORED;
}

struct window_walk {
	struct sample_scratch *scratch;
	u64 at;
	u32 bytes, left;
};

/* The window is behind the frames. */
static __always_inline struct stack_window *window_of(struct sample_scratch *s)
{
	return (void *)(s->frames + (s->unwind.n & (UNWIND_FRAMES - 1)));
}

/* To the end of each page, so that the end of the stack costs none before it. */
static long window_callback(u32 index, void *context)
{
	struct window_walk *c = context;
	struct stack_window *w = window_of(c->scratch);
	u64 at = c->at;
	u32 bytes = c->bytes, part = UNWIND_PAGE - (at & (UNWIND_PAGE - 1));

	if (part > c->left)
		part = c->left;
	asm volatile("" : "+r"(bytes), "+r"(part));
	if (bytes >= ABI_WINDOW_BYTES || part == 0 || part > UNWIND_PAGE)
		return 1;
	if (!bpf_probe_read_user((u8 *)(w + 1) + bytes, part, (void *)at))
		c->bytes = bytes + part;
	else if (bytes)
		return 1;
	else
		w->start = at + part; /* the stack is about to grow */
	c->left -= part;
	c->at = at + part;
	return 0;
}

/* Puts registers and stack behind the frames. How many bytes of the stack there are. */
__noinline u32 window_copy(struct sample_scratch *s)
{
	struct window_walk c = { .scratch = s, .left = ABI_WINDOW_BYTES };
	struct stack_window *w;
	u64 up;

	if (!s)
		return 0;
	w = window_of(s);
	w->ip = s->first.ip;
	w->sp = s->first.sp;
	w->bp = s->first.bp;
	for (u32 i = 0; i < 16; i++)
		w->registers[i] = s->unwind.leaf.registers[i];
	/* Leaves zeroes where it cannot be read. */
	bpf_probe_read_user(w->code, sizeof(w->code), (void *)(w->ip - 8));
	c.at = w->start = w->sp & ~7ULL;
	up = s->first_frame - c.at;
	if (up < ABI_WINDOW_BYTES - 16)
		c.left = (up + 16) & ~7ULL;
	bpf_loop(ABI_WINDOW_BYTES / UNWIND_PAGE + 1, window_callback, &c, 0);
	w->bytes = c.bytes > ABI_WINDOW_BYTES ? 0 : c.bytes;
	w->pad = 0;
	return w->bytes;
}

/* Could more be known of the user part later? */
static __always_inline bool wants_window(
	const struct control *control, const struct unwind_scratch *s, u32 set)
{
	if (control->pointer_sets >> (set & 15) & 1)
		return false;
	return (control->window_sets >> (set & 15) & 1) || !s->is_listed || s->is_pending ||
	       s->reason == TRUNCATE_NO_MAPPING;
}

/* A sample whose user part is to be walked again. OUTCOME_FILTERED: a quarter of the ring is not
 * for them, as a sample with what is known now is better than none. */
static __always_inline u32 submit_window(
	struct sample_scratch *s, struct set_counters *c, u32 cpu, u64 began)
{
	struct sample_record *r = (void *)s->record;
	void *ring = bpf_map_lookup_elem(&rings, &cpu);
	u32 bytes = window_copy(s), n = s->unwind.n & (UNWIND_FRAMES - 1), size;
	u64 flags = BPF_RB_NO_WAKEUP, used;

	if (!ring || bytes > ABI_WINDOW_BYTES)
		return OUTCOME_FILTERED;
	size = sizeof(*r) + n * 8 + sizeof(struct stack_window) + bytes;
	used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	if (used + size > ring_wake_bytes + ring_wake_bytes / 2)
		return OUTCOME_FILTERED;
	r->kind = RECORD_WINDOW;
	r->has_stack = 1;
	r->size = size;
	if (used > ring_wake_bytes / 2)
		flags = BPF_RB_FORCE_WAKEUP;
	r->own_ns = bpf_ktime_get_ns() - began;
	if (bpf_ringbuf_output(ring, r, size, flags))
		return DROP_RING_FULL;
	c->windows++;
	return OUTCOME_STORED;
}

/* How the user part was walked. Every frame had its rule looked up once, but the last one of a
 * stack that is too deep. */
static __always_inline void count_rules(
	const struct unwind_scratch *s, struct set_counters *c, u32 n_user)
{
	if (!n_user || s->reason == TRUNCATE_COMPAT)
		return;
	if (!s->is_listed) {
		c->stacks_without_tables++;
		return;
	}
	c->rule_searches += s->searches;
	c->rule_hits += n_user > s->searches ? n_user - s->searches : 0;
	c->pointer_frames += s->pointers;
}

/* ---- a sample, step by step ---- */

static __always_inline struct set_counters *counters_of(u32 set, u32 cpu)
{
	u32 key = set * cpus + cpu;

	return bpf_map_lookup_elem(&counters, &key);
}

/* Who and when. 0, or why there is no sample. */
static __always_inline u32 sample_begin(struct sample_record *r, struct task_struct *task,
	const struct control *control, u64 attachments, u32 cpu, u32 set, u64 now_ns)
{
	r->kind = RECORD_SAMPLE;
	r->time_ns = now_ns;
	r->tid = identity_pid(task);
	r->tgid = identity_pid(task->group_leader);
	if (!r->tid || !r->tgid)
		return DROP_PID_NAMESPACE;
	r->start_ns = task->group_leader->start_boottime;
	r->exec_id = task->self_exec_id;
	r->cgroup_id = bpf_get_current_cgroup_id();
	r->owner_uid = identity_owner(task);
	r->cpu = cpu;
	r->event_set = set;
	r->attachments = attachments;
	r->covering_sets = covering_sets(control, attachments);
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	return OUTCOME_STORED;
}

/* What the hash of its stack begins with. */
static __always_inline u64 sample_hash(const struct control *control, const struct sample_record *r)
{
	u64 hash = unwind_hash(control->stack_seed, r->tgid);

	hash = unwind_hash(hash, r->start_ns);
	return unwind_hash(hash, r->exec_id);
}

/* The user part, from `regs` on, behind the n kernel frames that are there. *ret_walked: it was
 * walked, so that a window would help where it is not whole. */
static __always_inline u64 sample_user(struct sample_scratch *s, struct task_struct *task,
	const struct control *control, const struct unwind_regs *regs, u64 cs, bool in_user,
	u32 set, u64 hash, bool *ret_walked)
{
	const struct sample_record *r = (void *)s->record;
	/* Nobody's list is that of number 0. */
	u64 unlisted = control->pointer_sets | control->window_sets;
	u32 listed = unlisted >> (set & 15) & 1 ? 0 : task->tgid;

	if ((u16)cs == USER32_CS) {
		unwind_push(&s->unwind, s->frames, regs->ip);
		s->unwind.reason = TRUNCATE_COMPAT;
		return unwind_hash(hash, regs->ip);
	}
	if (!in_user && stack_is_gone(task, regs)) {
		s->unwind.reason = TRUNCATE_EXEC;
		return hash;
	}
	*ret_walked = true;
	s->first = *regs;
	s->first_frame = task->mm->start_stack;
	return unwind_user(&s->unwind, s->frames, regs, listed, r->start_ns, hash);
}

/* The user stack of the current task, which is in the kernel. */
static __always_inline u64 sample_stack(struct sample_scratch *s, struct task_struct *task,
	const struct control *control, u32 set, u64 hash, bool *ret_walked)
{
	struct unwind_regs regs;
	u64 cs;

	s->unwind.n = 0;
	s->unwind.reason = TRUNCATE_NO_USER_STACK;
	hash = unwind_hash(hash, 0);
	if (task->mm && sample_entry_regs(s, task, &regs, &cs))
		hash = sample_user(s, task, control, &regs, cs, false, set, hash, ret_walked);
	return hash;
}

/* The stack is as it will be: into the ring with it. */
static __always_inline u32 sample_end(struct sample_scratch *s, const struct control *control,
	struct set_counters *c, u32 cpu, u32 set, u32 n_kernel, u64 hash, bool is_walked, u64 began)
{
	struct sample_record *r = (void *)s->record;
	u32 outcome;

	/* The same frames may be all there is, or what could be had. */
	r->stack_hash = unwind_hash_end(unwind_hash(hash, s->unwind.reason));
	r->n_kernel = n_kernel;
	r->n_user = s->unwind.n - n_kernel;
	r->truncated = s->unwind.reason;

	outcome = is_walked && wants_window(control, &s->unwind, set)
			  ? submit_window(s, c, cpu, began)
			  : OUTCOME_FILTERED;
	if (outcome == OUTCOME_FILTERED)
		outcome = submit(s, c, cpu, began);
	if (outcome == OUTCOME_STORED) {
		u32 reason = s->unwind.reason;

		if (reason < TRUNCATE_COUNT)
			c->truncated[reason]++;
		c->kernel_frames += n_kernel;
		c->user_frames += r->n_user;
		count_rules(&s->unwind, c, r->n_user);
	}
	return outcome;
}

/* The scratch of this CPU, and its walk begun; NULL: in use. */
static __always_inline struct sample_scratch *sample_enter(u32 cpu, enum walk_context context)
{
	struct sample_scratch *s = bpf_map_lookup_elem(&scratch, &cpu);
	struct walk_state *walk = bpf_map_lookup_elem(&walks, &cpu);

	if (!s || !walk || s->busy)
		return NULL;
	s->busy = 1;
	/* Pairs with grace_passed(): what the daemon took away stays until this is even again. */
	*(volatile u64 *)&walk->sequence[context] += 1;
	barrier();
	return s;
}

static __always_inline void sample_leave(
	struct sample_scratch *s, u32 cpu, enum walk_context context)
{
	struct walk_state *walk = bpf_map_lookup_elem(&walks, &cpu);

	barrier();
	if (walk)
		*(volatile u64 *)&walk->sequence[context] += 1;
	s->busy = 0;
}

static __always_inline void sample_count(struct set_counters *c, u32 outcome)
{
	if (outcome < DROP_COUNT)
		c->dropped[outcome]++;
	else if (outcome == OUTCOME_STORED)
		c->stored++;
	else if (outcome == OUTCOME_IDLE)
		c->idle++;
	else
		c->filtered++;
}

#endif
