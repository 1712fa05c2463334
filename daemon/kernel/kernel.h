/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as the rest of the daemon sees it: BPF programs loaded, perf events opened, event
 * sets switched on and off, targets told to the programs, rings drained. The only room that calls
 * bpf() and perf_event_open(). Order of the drain: note every BPF ring's producer position, drain
 * all sideband rings, then hand out samples up to those positions.
 */
#ifndef PROFD_KERNEL_KERNEL_H
#define PROFD_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "base/error.h"
#include "bpf/abi.h"

struct kernel;

enum sideband_kind { SIDEBAND_MMAP, SIDEBAND_COMM, SIDEBAND_FORK, SIDEBAND_EXIT, SIDEBAND_LOST };

struct sideband_event {
	enum sideband_kind kind;
	uint64_t time_ns;
	uint32_t pid, tid;		/* of profd's PID namespace; 0: outside of it */
	uint32_t ppid, ptid;		/* FORK */
	const char *text;		/* COMM: comm, MMAP: path; borrowed */
	bool exec;			/* COMM */
	uint64_t start, length, offset; /* MMAP */
	uint32_t major, minor, prot, flags;
	uint64_t inode, generation;
	uint64_t lost; /* LOST: records */
};

struct kernel_callbacks {
	void (*sideband)(void *userdata, const struct sideband_event *e);
	/* record->size bytes, checked against the ABI; borrowed */
	void (*sample)(void *userdata, const struct sample_record *record);
	void *userdata;
	/* A sample whose user frames are what could be had without all of the tables, with what it
	 * takes to walk them again; checked against the ABI and borrowed too. NULL: to sample(). */
	void (*window)(void *userdata, const struct sample_record *record,
		const struct stack_window *window);
};

/* What the programs read unwind tables from. */
enum kernel_store {
	KERNEL_STORE_AUTO,  /* the arena where it is there */
	KERNEL_STORE_ARENA, /* takes memory for what is in it (Linux 6.9) */
	KERNEL_STORE_ARRAY, /* takes all its memory at once */
};

struct kernel_options {
	uint64_t ring_bytes; /* of each CPU; 0: default; rounded up to a power of two of pages */
	/* Bound of unwind tables; 0: default (64 MiB). At least 4 MiB, at most 2 GiB; an array is
	 * rounded down to a power of two. */
	uint64_t table_bytes;
	enum kernel_store store;
	/* Stacks of waits are taken when the thread leaves the CPU, as where there is no
	 * sched_exit_tp (Linux 6.16). */
	bool waits_at_switch;
};

/* Loads the programs and opens the sideband; nothing is sampled yet. On failure the error says
 * which feature is missing and what to do (EXIT_CODE_KERNEL) or which permission
 * (EXIT_CODE_DENIED). */
int kernel_new(struct kernel **ret, sd_event *event, const struct kernel_options *options,
	const struct kernel_callbacks *callbacks, struct error *error);
struct kernel *kernel_free(struct kernel *k);

/* ---- event sets: one per distinct (event, rate) ---- */

/* Finds or opens the set of this event ("cpu-clock", "cycles", ...) and rate, disabled as long as
 * no attachment uses it. *ret_set 0..7. -ENOSPC: eight are in use; -EOPNOTSUPP: no such event here.
 */
int kernel_set_get(struct kernel *k, const char *event_name, uint32_t freq_hz, unsigned *ret_set,
	struct error *error);
/* Adds or removes an attachment bit to/from the set; the last one out closes its events. Counters
 * of the set stay readable until the set number is taken again. */
int kernel_set_attach(struct kernel *k, unsigned set, uint64_t attachment_bit);
void kernel_set_detach(struct kernel *k, unsigned set, uint64_t attachment_bit);

/* How the stacks of a set are walked. */
enum kernel_walk {
	KERNEL_WALK_TABLES,   /* in the program: tables, frame pointers where there are none */
	KERNEL_WALK_POINTERS, /* in the program: frame pointers alone */
	KERNEL_WALK_WINDOWS,  /* by window(): each sample comes with registers and stack */
};
void kernel_set_walk(struct kernel *k, unsigned set, enum kernel_walk walk);

struct kernel_set_info {
	const char *event; /* NULL: never used */
	uint32_t freq_hz;
	bool active;
	uint64_t period; /* of the event: ns for cpu-clock; 0: the kernel adapts it (PMU events) */
	/* From the events' own count and period; with a period of 0 triggered is what ran. Below 1
	 * kHz the idle task runs no program: its share, in ran and idle of `sum`, is from
	 * /proc/stat. */
	uint64_t triggered, not_run;
	struct set_counters sum; /* over CPUs */
};
void kernel_set_info(struct kernel *k, unsigned set, struct kernel_set_info *ret);

/* ---- threads: waits, unlocks, new threads (enum probe_set) ---- */

/* Adds an attachment's bits to those that want what `probes` (enum profile_probe of
 * profile/types.h, without PROBE_CPU) says; the first one loads and attaches the programs, and the
 * state of every thread that lives is begun. -EOPNOTSUPP: this kernel cannot; with text. */
int kernel_threads_attach(
	struct kernel *k, uint32_t probes, uint64_t attachment_bits, struct error *error);
/* Every second: threads that became targets otherwise than by fork and exec, as by being moved into
 * another cgroup. */
void kernel_threads_look(struct kernel *k);
/* Takes the bits from all of them; the last one out detaches the programs. */
void kernel_threads_detach(struct kernel *k, uint64_t attachment_bits);
/* Waits of at least that long are all kept, shorter ones by their duration; 0: all. */
void kernel_threads_threshold(struct kernel *k, uint64_t threshold_ns);
struct kernel_threads_missed {
	uint64_t wakings;  /* threads that ran again without one: taken for blocked until then */
	uint64_t switches; /* waits of which the end was not told */
	uint64_t threads;  /* that have no state: no memory */
};
void kernel_threads_missed(const struct kernel *k, struct kernel_threads_missed *ret);
/* Has told of every wait that goes on and of all CPU time that nobody has told, up to now, for
 * these attachments; the records come through the callbacks before this returns, at most
 * budget_ns of it in a turn. 1: call again, 0: through, or -errno. */
int kernel_threads_flush(struct kernel *k, uint64_t attachment_bits, uint64_t budget_ns);
/* The process's living threads, as the kernel has them, in tids (profd's numbers): how many there
 * are, of which at most n are written. */
int kernel_threads_of(struct kernel *k, uint32_t pid, uint32_t *tids, size_t n);
/* A stack of the set that the program has counted under one reason was walked again and ended with
 * another: what kernel_set_info() says of it from now on. */
void kernel_set_moved(
	struct kernel *k, unsigned set, enum truncate_reason from, enum truncate_reason to);

/* ---- targets; the daemon's side of bpf/abi.h ---- */

/* `all`, `no_children`, and one rule of an attachment (NULL: none). */
void kernel_target_all(struct kernel *k, uint64_t attachment_bit, bool on);
void kernel_target_no_children(struct kernel *k, uint64_t attachment_bit, bool on);
void kernel_target_rule(struct kernel *k, unsigned attachment, const struct target_rule *rule);
/* Marks a living process with attachments (added to what it has). start_ns 0: whatever runs under
 * this pid now. Pids are profd's. */
int kernel_target_pid(struct kernel *k, uint32_t pid, uint64_t attachment_bits);
/* The attachments a process has now (0: none). */
uint64_t kernel_target_of(struct kernel *k, uint32_t pid);
/* Clears the bits everywhere: rules, all, each marked process. */
void kernel_target_forget(struct kernel *k, uint64_t attachment_bits);

/* ---- data ---- */

/* Drains what is there, at most about budget_ns; returns 1 when more is waiting, 0 when empty.
 * Called by kernel's own timer as well (every 100 ms while something is sampled). */
int kernel_drain(struct kernel *k, uint64_t budget_ns);
/* The daemon has forgotten stacks: the programs send them again. */
void kernel_forget_stacks(struct kernel *k);
/* What the hashes of stacks begin with since then. */
uint64_t kernel_stack_seed(const struct kernel *k);
/* CPU ns all programs have used together; bytes that maps and rings occupy. */
uint64_t kernel_bpf_ns(struct kernel *k);
uint64_t kernel_bytes(struct kernel *k);

/* ---- features ---- */

struct kernel_feature {
	const char *name;   /* "btf", "perf_cpu_clock", "pmu", "ringbuf", ... */
	const char *needed; /* what needs it */
	const char *enable; /* how to have it where it is missing */
	bool required;	    /* nothing works without */
	bool present;
	char detail[128]; /* what the probe saw */
};
/* Probes once and caches; the table is static. Needs no struct kernel. */
const struct kernel_feature *kernel_features(size_t *ret_n);

#endif
