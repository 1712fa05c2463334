/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * What a record says of a wait, and how many of them there are: the facts that name its state, and
 * the pace that keeps a machine with very many switches from being slowed down by their records.
 */
#ifndef PROFD_BPF_WAITS_H
#define PROFD_BPF_WAITS_H

#include "sample.bpf.h"
#include "threads.bpf.h"

/* include/linux/sched.h */
#define TASK_STOPPED 0x04
#define TASK_TRACED  0x08
#define TASK_DEAD    0x80
/* include/trace/events/lock.h */
#define LCB_F_SPIN 1
/* include/uapi/linux/magic.h, include/uapi/linux/stat.h */
#define ANON_INODE_FS_MAGIC 0x09041934
#define MODE_TYPE(mode)	    ((mode) >> 12 & 15)

#define COST_EVERY 64 /* of waits that are not kept, the time of one in so many is taken */

__u64 missed_threads; /* threads without a state: no memory */

/* In the object of each program; filled in by who takes it. */
struct wait {
	u64 begin_ns, end_ns, whole_ns, threshold_ns;
	bool is_first;
};

/* ---- pace ---- */

/* So many records of each CPU in each span: about one in a hundred of its time. Where there are
 * more, the threshold doubles there; it never does where all waits are asked for. */
#define PACE_SPAN_NS   20000000ULL
#define PACE_RECORDS   100
#define PACE_MAX_SHIFT 16
#define PACE_MAX_NS    (1ULL << 27) /* 134 ms */

struct pace {
	u64 began_ns;
	u64 threshold_ns; /* as asked for, when it began */
	u32 n;		  /* in this span */
	u32 shift;	  /* of the threshold */
};

/* Cpu -> its pace. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pace);
} paces SEC(".maps");

/* The threshold on this CPU now. */
static __always_inline u64 pace_threshold(u32 cpu)
{
	const struct control *control = control_get();
	const struct pace *p = bpf_map_lookup_elem(&paces, &cpu);
	u64 threshold;

	if (!control || !p)
		return 0;
	threshold = control->threshold_ns;
	if (threshold == p->threshold_ns && threshold < PACE_MAX_NS) {
		threshold <<= p->shift & 31;
		if (threshold > PACE_MAX_NS)
			threshold = PACE_MAX_NS;
	}
	return threshold;
}

/* One was kept. */
static __always_inline void pace_kept(u32 cpu, u64 now)
{
	const struct control *control = control_get();
	struct pace *p = bpf_map_lookup_elem(&paces, &cpu);

	if (!p || !control)
		return;
	if (p->threshold_ns != control->threshold_ns) {
		p->threshold_ns = control->threshold_ns;
		p->began_ns = now;
		p->shift = p->n = 0;
	}
	p->n++;
	if (!p->threshold_ns || now - p->began_ns < PACE_SPAN_NS)
		return;
	if (now - p->began_ns > 4 * PACE_SPAN_NS)
		p->shift = 0;
	else if (p->n > PACE_RECORDS && p->shift < PACE_MAX_SHIFT)
		p->shift++;
	else if (p->n < PACE_RECORDS / 4 && p->shift)
		p->shift--;
	p->n = 0;
	p->began_ns = now;
}

/* ---- facts ---- */

static __always_inline void wait_fill(
	struct sample_record *r, const struct thread_state *st, const struct wait *wait)
{
	struct wait_record *w = &r->wait;

	w->begin_ns = wait->begin_ns;
	w->woken_ns = st->woken_ns ? st->woken_ns : wait->end_ns;
	w->whole_ns = wait->whole_ns;
	w->threshold_ns = wait->threshold_ns;
	w->unsampled_ns = 0;
	w->owner = 0;
	w->waker_tid = st->waker_tid;
	w->flags = st->flags & ~WAIT_IS_NEW;
	if (st->kernel_lock)
		w->flags |= WAIT_IS_KERNEL_LOCK;
	__builtin_memcpy(w->waker, st->waker, sizeof(w->waker));
	if (wait->is_first) {
		w->woken_ns = wait->begin_ns;
		w->waker_tid = 0;
		w->waker[0] = 0;
		w->flags = WAIT_IS_NEW;
	}
}

#define SYSCALL_FUTEX	    202
#define SYSCALL_FUTEX_WAITV 449
#define SYSCALL_FUTEX_WAIT  455

static __always_inline bool is_futex(u64 syscall)
{
	return syscall == SYSCALL_FUTEX || syscall == SYSCALL_FUTEX_WAIT ||
	       syscall == SYSCALL_FUTEX_WAITV;
}

/* Does that task wait for a futex, and which? Of several, none is named. */
static __always_inline bool futex_of(struct task_struct *task, u64 *ret)
{
	const struct user_regs *regs = (void *)bpf_task_pt_regs(task);
	u64 syscall;

	if (bpf_probe_read_kernel(&syscall, sizeof(syscall), &regs->orig_ax) || !is_futex(syscall))
		return false;
	if (bpf_probe_read_kernel(ret, sizeof(*ret), &regs->di) || syscall == SYSCALL_FUTEX_WAITV)
		*ret = 0;
	return true;
}

/* System calls whose first argument is a file descriptor and that may wait for it, by number:
 * arch/x86/entry/syscalls/syscall_64.tbl. */
#define FD_CALL(n) (1ULL << ((n)&63))
const volatile __u64 fd_calls[6] = {
	FD_CALL(0) | FD_CALL(1) | FD_CALL(16) | FD_CALL(17) | FD_CALL(18) | FD_CALL(19) |
		FD_CALL(20) | FD_CALL(40) | FD_CALL(42) | FD_CALL(43) | FD_CALL(44) | FD_CALL(45) |
		FD_CALL(46) | FD_CALL(47),
	FD_CALL(72) | FD_CALL(73) | FD_CALL(74) | FD_CALL(75) | FD_CALL(77) | FD_CALL(78),
	0,
	FD_CALL(217),
	FD_CALL(275) | FD_CALL(285) | FD_CALL(288) | FD_CALL(295) | FD_CALL(296) | FD_CALL(299) |
		FD_CALL(307),
	FD_CALL(326) | FD_CALL(327) | FD_CALL(328),
};

/* By the type bits of a mode. */
const volatile __u8 file_kinds[16] = {
	[1] = WAIT_FILE_PIPE,
	[2] = WAIT_FILE_CHARACTER,
	[4] = WAIT_FILE_DIRECTORY,
	[6] = WAIT_FILE_BLOCK,
	[8] = WAIT_FILE_REGULAR,
	[12] = WAIT_FILE_SOCKET,
};

static __always_inline u8 file_kind(struct task_struct *task, u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct inode *inode;
	struct file **at, *file;

	if (!table || fd >= BPF_CORE_READ(table, max_fds))
		return WAIT_FILE_NONE;
	at = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), at + fd) || !file)
		return WAIT_FILE_NONE;
	inode = BPF_CORE_READ(file, f_inode);
	if (BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC)
		return WAIT_FILE_ANONYMOUS;
	return file_kinds[MODE_TYPE(BPF_CORE_READ(inode, i_mode)) & 15];
}

/* What the task, which is in the kernel with these registers, waits for. */
static __always_inline void wait_facts(struct wait_record *w, const struct user_regs *regs,
	struct task_struct *task, bool is_stopped)
{
	u64 syscall = regs->orig_ax;

	w->file = WAIT_FILE_NONE;
	w->lock = 0;
	w->syscall = SYSCALL_NONE;
	if (is_stopped) {
		w->syscall = SYSCALL_STOPPED;
		return;
	}
	if (syscall >= SYSCALL_STOPPED) {
		if (w->flags & WAIT_IS_BLOCKED)
			w->flags |= WAIT_IS_FAULT;
	} else {
		w->syscall = syscall;
		if (is_futex(syscall) && syscall != SYSCALL_FUTEX_WAITV)
			w->lock = regs->di;
		/* Who lets go of a lock is the one that had it. */
		if (w->lock && !(w->flags & WAIT_IS_INTERRUPT))
			w->owner = w->waker_tid;
		if (syscall < 6 * 64 && fd_calls[(syscall >> 6) & 7] >> (syscall & 63) & 1)
			w->file = file_kind(task, regs->di);
	}
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		w->flags |= WAIT_IS_IO;
}

#endif
