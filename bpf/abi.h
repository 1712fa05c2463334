/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * What BPF programs and the daemon say to each other: ring records, map values, counters. Included
 * by both sides, so it uses nothing but fixed-size integers; every size is asserted.
 *
 * Pids here are those of profd's own PID namespace (the programs translate); times are
 * CLOCK_MONOTONIC ns; addresses are raw.
 */
#ifndef PROFD_BPF_ABI_H
#define PROFD_BPF_ABI_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t __abi_u8;
typedef uint16_t __abi_u16;
typedef uint32_t __abi_u32;
typedef uint64_t __abi_u64;
#else
typedef unsigned char __abi_u8;
typedef unsigned short __abi_u16;
typedef unsigned int __abi_u32;
typedef unsigned long long __abi_u64;
#endif

#include "bpf/drops.def"
#include "bpf/waits.def"

#define ABI_COMM	  16
#define ABI_USER_FRAMES	  1024
#define ABI_KERNEL_FRAMES 127
#define ABI_FRAMES	  (ABI_USER_FRAMES + 128)
#define ABI_EVENT_SETS	  8
#define ABI_ATTACHMENTS	  64
#define ABI_GLOB	  64
#define ABI_MAX_CPUS	  1024
#define ABI_FILTER_SLOTS  16384 /* "already sent" stack hashes, per CPU */

enum drop_reason {
#define X(id, name, text) DROP_##id,
	DROP_REASONS(X)
#undef X
		DROP_COUNT,
};

enum truncate_reason {
#define X(id, name, text) TRUNCATE_##id,
	TRUNCATE_REASONS(X)
#undef X
		TRUNCATE_COUNT,
};

/* What a thread does; the daemon says which by the facts of a record and by the names in its stack.
 */
#define WAIT_IN_BLOCK 1
#define WAIT_IN_MUTEX 2
enum wait_state {
#define X(id, name, text, shown) WAIT_##id,
	WAIT_STATES(X)
#undef X
		WAIT_COUNT,
};

/* Where a record comes from, and whose counters it is counted in: the event sets, then what
 * happens to threads. */
enum probe_set {
	SET_WAITS = ABI_EVENT_SETS, /* a thread has waited, or still does */
	SET_UNLOCKS,		    /* a thread wakes one that waits for a futex */
	SET_CREATES,		    /* a thread makes another */
	ABI_SETS,
};

/* ---- ring records: `struct record_header`, then the record --------------------------------- */

enum record_kind {
	RECORD_SAMPLE =
		1, /* struct sample_record, then n_kernel + n_user u64 frames if `has_stack` */
	/* The same, always with its frames, then a struct stack_window and its bytes: the user
	 * frames are what could be had without all of the tables. */
	RECORD_WINDOW = 2,
	/* The same as a sample, always with its frames: the stack of a record to come. */
	RECORD_STACK = 3,
};

/* Who may be shown a sample besides root and group profd: the one uid that every credential of the
 * process agrees on (real, effective, saved, fs; gids too; dumpable; no capability; profd's own
 * user namespace), else nobody. */
#define OWNER_NOBODY 0xffffffffU

/* What a thread's wait was, as far as the kernel knows. */
enum wait_file {
	WAIT_FILE_NONE, /* no file, or not looked at */
	WAIT_FILE_REGULAR,
	WAIT_FILE_DIRECTORY,
	WAIT_FILE_PIPE,
	WAIT_FILE_SOCKET,
	WAIT_FILE_CHARACTER,
	WAIT_FILE_BLOCK,
	WAIT_FILE_ANONYMOUS, /* eventfd, inotify, timerfd, ... */
	WAIT_FILE_COUNT,
};
#define WAIT_IS_BLOCKED	    1  /* it left the CPU to wait; else somebody took the CPU */
#define WAIT_IS_UNDER_WAY   2  /* it goes on: no event is counted yet */
#define WAIT_IS_IO	    4  /* the kernel says that it is for a disk */
#define WAIT_IS_KERNEL_LOCK 8  /* for a lock of the kernel */
#define WAIT_IS_NEW	    16 /* a new thread waits for its first CPU */
#define WAIT_IS_INTERRUPT   32 /* an interrupt woke it: `waker_tid` is its number, or 0 */
#define WAIT_IS_FAULT	    64 /* in a page fault or another exception, in no system call */

#define SYSCALL_NONE	0xffffU
#define SYSCALL_STOPPED 0xfffeU /* stopped by a signal, or by a tracer */

/* The part of a record that says how long what took. In a record of
 * - an event set: CPU time (begin_ns, time_ns] of the thread that nobody has told, where that is
 *   asked for; begin_ns 0: it is not
 * - SET_WAITS: off the CPU in (begin_ns, time_ns], runnable since woken_ns (0: still blocked at
 *   time_ns; at or before begin_ns: runnable all the time). The stack is the waiter's
 * - SET_UNLOCKS: another thread was blocked in (begin_ns, time_ns]; stack and identity are those of
 *   the one that woke it, waker_tid is the waiter's
 * - SET_CREATES: waker_tid is the new thread's
 * A wait of whole_ns in all so far was kept with probability min(1, whole_ns / threshold_ns): what
 * is told of it counts max(whole_ns, threshold_ns) / whole_ns times. */
struct wait_record {
	__abi_u64 begin_ns;
	__abi_u64 woken_ns;
	__abi_u64 whole_ns;
	__abi_u64 threshold_ns;
	__abi_u64 unsampled_ns; /* CPU time of the thread before time_ns that no record tells */
	__abi_u64 lock;		/* user address of the futex; 0: none */
	/* Who held the lock, and let go of it; of a wait that goes on whoever holds it, as its
	 * memory says where a mutex has it, to be taken with care. 0: not known. */
	__abi_u32 owner;
	__abi_u32 waker_tid; /* 0: not known */
	__abi_u16 syscall;   /* SYSCALL_NONE: in none */
	__abi_u8 file;	     /* enum wait_file */
	__abi_u8 flags;	     /* WAIT_IS_ */
	__abi_u32 pad;
	char waker[ABI_COMM]; /* its comm; "": none */
};
_Static_assert(sizeof(struct wait_record) == 80, "wait_record is part of the BPF ABI");

/* One occurrence. Frames are leaf first: the kernel's, then the user's; each the raw instruction
 * pointer (a return address in all but the leaf of each part). A frame that a signal interrupted is
 * a leaf too, within a part: it is recorded as ip + 1, so that the byte before what is recorded
 * tells the place of every frame but the first. */
struct sample_record {
	__abi_u32 kind; /* RECORD_SAMPLE */
	__abi_u32 size; /* of the whole record */
	__abi_u64 time_ns;
	__abi_u64 stack_hash; /* seeded, of (process, exec_id, raw frames) */
	__abi_u64 start_ns;   /* start_boottime of the thread group leader: with tgid the process */
	__abi_u64 exec_id;    /* self_exec_id: which program of that process */
	__abi_u64 cgroup_id;  /* cgroup v2 id of the task */
	__abi_u64 attachments; /* all that cover the process now: all | its mask | cgroup rules */
	__abi_u32 tgid, tid;
	__abi_u32 owner_uid; /* or OWNER_NOBODY */
	__abi_u32 own_ns;    /* what this sample cost in BPF, up to the submit */
	__abi_u16 cpu;
	__abi_u16 n_kernel, n_user; /* frames of the stack, also when not in this record */
	__abi_u8 event_set;	    /* an event set, or enum probe_set */
	__abi_u8 truncated;	    /* enum truncate_reason */
	__abi_u8 has_stack;	    /* frames follow */
	__abi_u8 covering_sets;	    /* event sets with an attachment among `attachments`: a mask */
	__abi_u8 pad[6];
	char comm[ABI_COMM]; /* of the thread */
	struct wait_record wait;
	__abi_u64 frames[];
};
_Static_assert(sizeof(struct sample_record) == 184, "sample_record is part of the BPF ABI");

#define ABI_WINDOW_BYTES 65536

/* Where the user part of a stack starts, to be walked again when more is known; `bytes` bytes of
 * the stack follow, from `start` on, as far as they could be read. */
struct stack_window {
	__abi_u64 ip, sp, bp;
	__abi_u64 start;	 /* sp rounded down to 8, or the first page above that is there */
	__abi_u64 registers[16]; /* by DWARF number; rbp and rsp are above */
	__abi_u64 code[2];	 /* the bytes from ip - 8 on; 0: not readable */
	__abi_u32 bytes;	 /* a multiple of 8, at most ABI_WINDOW_BYTES */
	__abi_u32 pad;
};
_Static_assert(sizeof(struct stack_window) == 184, "stack_window is part of the BPF ABI");

/* ---- targets -------------------------------------------------------------------------------- */

/* Attachments are numbered 0..63; sets of them are masks. An event set keeps a sample when
 * (all | the process's mask | matching cgroup rules) & set_attachments[set] is not 0. */

enum rule_kind {
	RULE_NONE = 0,
	RULE_COMM,   /* glob over the group leader's comm */
	RULE_EXE,    /* inode of the executed file */
	RULE_CGROUP, /* cgroup v2 id at a level; tested at each sample */
};

struct target_rule {
	__abi_u32 kind;
	__abi_u32 cgroup_level;
	__abi_u64 require; /* attachments that the process must have already; 0: none */
	__abi_u64 inode;   /* RULE_EXE */
	__abi_u64 cgroup_id;
	__abi_u32 dev; /* RULE_EXE: kernel dev_t encoding: major << 20 | minor */
	__abi_u32 pad;
	char glob[ABI_GLOB]; /* NUL-terminated; * ? [..] */
};
_Static_assert(sizeof(struct target_rule) == 104, "target_rule is part of the BPF ABI");

/* Value of the `processes` hash (key: u32 kernel tgid): attachments by pid, by rule or inherited.
 */
struct target_process {
	__abi_u64 attachments; /* mask */
	__abi_u64 start_ns; /* start_boottime of the leader; another one: stale, pid was reused */
};
_Static_assert(sizeof(struct target_process) == 16, "target_process is part of the BPF ABI");

/* The one value of the mmapable `control` array; written by the daemon, read by the programs. */
struct control {
	__abi_u64 stack_seed;	/* changes when the daemon has forgotten stacks */
	__abi_u64 all;		/* attachments of --all */
	__abi_u64 no_children;	/* attachments that children do not inherit */
	__abi_u64 cgroup_rules; /* attachments with RULE_CGROUP */
	__abi_u64 exec_rules;	/* attachments with RULE_COMM or RULE_EXE */
	__abi_u64 set_attachments[ABI_EVENT_SETS];
	struct target_rule rules[ABI_ATTACHMENTS]; /* by attachment */
	__abi_u64 pointer_sets; /* event sets that are to be walked by frame pointers alone */
	__abi_u64 window_sets;	/* event sets of which each sample comes with its window */
	/* Attachments that want to hear of waits, of unlocks, of new threads, of CPU time that adds
	 * up; by all of them together the state of threads is kept. */
	__abi_u64 waits, unlocks, creates, wall;
	__abi_u64 threshold_ns;	    /* waits at least that long are kept; 0: all */
	__abi_u64 threads_since_ns; /* what the state of a thread says of before is void */
};
_Static_assert(sizeof(struct control) == 13 * 8 + 8 * 8 + 64 * 104, "control is part of the ABI");

/* ---- unwind tables --------------------------------------------------------------------------- */

/* The store: one range of bytes, offsets are u32 of it. Offset 0 is no place; the rules (struct
 * unwind_rule_entry, by id) are at STORE_RULES; everything else is where a list or a table says. */
#define STORE_RULES 4096U
/* A u64 in front of the rules, which the daemon changes before the place of a table becomes free
 * for another: what programs remember by the place of a table is void with it. */
#define STORE_GENERATION (STORE_RULES - 8)
#define STORE_IDS	 65536U
#define STORE_FIRST	 (STORE_RULES + STORE_IDS * 8U) /* behind the rules */

/* A process's executable mappings in the store: the head, then n entries sorted by start. */
struct store_list {
	__abi_u64
		key; /* of this list alone; changed before the bytes are used for something else */
	__abi_u32 n;
	__abi_u32 pad;
};
_Static_assert(sizeof(struct store_list) == 16, "store_list is part of the BPF ABI");

#define STORE_INDEX_NONE    0U /* no call frame information: frame pointers */
#define STORE_INDEX_PENDING 1U /* the table is not there yet */
struct store_mapping {
	__abi_u64 start, end;
	__abi_u64 base;	 /* address of page 0 of the table */
	__abi_u32 index; /* offset of the page index (u32[pages + 1], offsets of rows), or above */
	__abi_u32 n_pages; /* that the index covers */
};
_Static_assert(sizeof(struct store_mapping) == 32, "store_mapping is part of the BPF ABI");

/* Value of the `unwind_processes` hash (key: u32 kernel tgid). */
struct unwind_process {
	__abi_u64 list;	    /* offset of its struct store_list */
	__abi_u64 key;	    /* that the list must have; another one: the list is gone */
	__abi_u64 start_ns; /* start_boottime of the leader, 0: not known */
};
_Static_assert(sizeof(struct unwind_process) == 24, "unwind_process is part of the BPF ABI");

/* Programs that may be at work on a CPU at once, the first interrupting the others. */
enum walk_context { WALK_SAMPLER, WALK_THREADS, WALK_CONTEXTS };

/* Per CPU, in the mmapable `walks` array: odd while such a program of this CPU reads the store. */
struct walk_state {
	__abi_u64 sequence[WALK_CONTEXTS];
	__abi_u64 pad[8 - WALK_CONTEXTS];
};
_Static_assert(sizeof(struct walk_state) == 64, "walk_state is part of the BPF ABI");

/* ---- accounting ----------------------------------------------------------------------------- */

/* Per set (event sets, then enum probe_set) and CPU, in the mmapable `counters` array; index set *
 * CPUs + cpu.
 * ran = idle + filtered + stored + sum of dropped; triggered - ran = not_run is derived in user
 * space. `truncated` counts kept samples by reason. */
struct set_counters {
	__abi_u64 ran;
	__abi_u64 idle;
	__abi_u64 filtered;
	__abi_u64 stored;
	__abi_u64 dropped[DROP_COUNT];
	__abi_u64 truncated[TRUNCATE_COUNT];
	__abi_u64 user_frames;
	__abi_u64 kernel_frames;
	__abi_u64 own_ns; /* time spent in the program */
	__abi_u64 stacks_sent;
	__abi_u64 stacks_without_tables; /* of processes without a published list of mappings */
	__abi_u64 rule_searches;  /* in mapping and table; the other frames of listed processes */
	__abi_u64 rule_hits;	  /* found their rule in the cache */
	__abi_u64 pointer_frames; /* steps by frame pointer where there is a list */
	__abi_u64 windows;	  /* samples that came with registers and stack */
	__abi_u64 pad[64 - 13 - DROP_COUNT - TRUNCATE_COUNT];
};
_Static_assert(sizeof(struct set_counters) == 512, "set_counters is part of the BPF ABI");

#endif
