/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * What is known of each thread while waits are looked at: on the CPU, blocked, or runnable, since
 * when, and what of it has been told. Kept in the task itself, so that no number can be taken for
 * another thread's and nothing is left behind by one that ends.
 *
 *   on the CPU --sched_switch--> blocked --sched_waking--> runnable --back on a CPU--> on the CPU
 *                            `-> runnable (preempted)
 *
 * The thread's own CPU writes its state, a waker writes `woken_ns` and what is beside it. What two
 * may tell at once, a program and the daemon's flush, is taken by an atomic exchange.
 */
#ifndef PROFD_BPF_THREADS_H
#define PROFD_BPF_THREADS_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

struct thread_state {
	u64 began_ns;	  /* when it left the CPU */
	u64 told_ns;	  /* up to there its wait was told; 0: taken by who tells of the end */
	u64 woken_ns;	  /* 0: blocked */
	u64 charged_ns;	  /* up to there its CPU time was told; 0: it is not on a CPU */
	u64 unsampled_ns; /* CPU time before that which nobody has told */
	u64 kernel_lock;  /* it waits for this lock of the kernel; 0: for none */
	u64 first_ns;	  /* a new thread waited so long for its first CPU, up to then: */
	u64 first_end_ns;
	u64 first_ip; /* where it begins */
	/* Of the stack that was taken when it left, where that is so; 0: none. */
	u64 hash, lock, attachments, cgroup_id;
	u32 hash_cpu;
	u32 random; /* of this wait: what is kept, is kept in all its parts */
	u32 waker_tid;
	u32 owner_uid; /* of its last record */
	u16 n_user;    /* of the stack with that hash */
	u16 syscall;
	u8 truncated, file;
	u8 is_off;
	u8 is_stopped;
	u8 flags; /* WAIT_IS_ */
	char waker[ABI_COMM];
};

/* Task -> its state; freed with the task. Made for covered threads: when one is created or becomes
 * somebody else, and by the daemon's walks over those that live; never under the lock of a run
 * queue. Bound: threads of targets. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps");

static __always_inline struct thread_state *thread_get(struct task_struct *task)
{
	return bpf_task_storage_get(&threads, task, NULL, 0);
}

/* A wait that long is kept; by its random number, which is the same for all its parts. */
static __always_inline bool thread_keeps(u32 random, u64 whole_ns, u64 threshold_ns)
{
	return whole_ns >= threshold_ns || (u64)random * threshold_ns >> 32 < whole_ns;
}

#endif
