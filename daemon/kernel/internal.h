/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the room: the parts that struct kernel is made of, one file each.
 */
#ifndef PROFD_KERNEL_INTERNAL_H
#define PROFD_KERNEL_INTERNAL_H

#include "base/table.h"
#include "bpf/unwind_rules.h"
#include "kernel/kernel.h"

struct cpu_bpf;
struct follow_bpf;
struct mark_bpf;
struct forget_bpf;
struct waits_bpf;
struct flush_bpf;
struct creates_bpf;

/* ---- cpus.c ---- */

struct cpus {
	unsigned n; /* highest online number + 1 */
	bool online[ABI_MAX_CPUS];
};
/* CPUs online now. 0 or -errno. */
int cpus_read(struct cpus *ret);
/* Reads a list such as "0-3,8"; numbers past ABI_MAX_CPUS are left out. 0 or -EINVAL. */
int cpus_parse(const char *list, struct cpus *ret);
/* Time that each CPU has been idle (iowait is idle), in units of 10 ms as /proc/stat has it; CPUs
 * that are not in it keep what ret_ns has. 0 or -errno. */
int cpus_idle(uint64_t *ret_ns, unsigned n);
/* The same of the text of /proc/stat; hz: its units in a second. Pure. */
void cpus_parse_idle(const char *stat, unsigned hz, uint64_t *ret_ns, unsigned n);

/* ---- load.c: programs and their maps ---- */

struct programs {
	struct cpu_bpf *cpu; /* owned, as all here */
	struct follow_bpf *follow;
	struct mark_bpf *mark;
	struct forget_bpf *forget;
	struct waits_bpf *waits; /* these three NULL until they are asked for */
	struct flush_bpf *flush;
	struct creates_bpf *creates;
	struct control *control;  /* mapped, writable */
	struct walk_state *walks; /* mapped; by CPU */
	unsigned n_cpus;
	uint8_t *store; /* mapped, writable: unwind tables */
	uint64_t store_bytes;
	bool store_is_arena;
	uint32_t pid_level; /* depth of our PID namespace; 0: our pids are the kernel's */
	struct set_counters *counters; /* mapped; [set * n_cpus + cpu] */
	uint64_t bytes;		       /* that the maps occupy, without rings */
};
int programs_load(struct programs *p, const struct cpus *cpus, uint64_t ring_bytes,
	const struct kernel_options *options, struct error *error);
void programs_deinit(struct programs *p);
/* Sets the error for a program that could not be loaded or attached: what to do about -r. */
int programs_failed(const char *name, int r, struct error *error);
/* Bytes a map occupies, as the kernel accounts it. */
uint64_t programs_map_bytes(int map_fd);

#define MAP_TYPE_ARENA 33 /* BPF_MAP_TYPE_ARENA; by number for older headers */
/* Takes the addresses of an arena: bytes from a multiple of 4 GiB on. 0 or -errno. */
int arena_reserve(uint64_t bytes, uint8_t **ret);

/* ---- store.c: room for unwind tables and lists of mappings ---- */

/* A piece of the store. Given back by store_release(), which cannot fail. */
struct room {
	uint32_t offset, bytes;
	uint32_t *rules; /* ids that the table in it refers to; owned */
	uint32_t n_rules;
	struct room *next; /* while it waits for walks to end */
};
struct extent {
	uint32_t offset, bytes;
};
struct store {
	uint8_t *bytes; /* borrowed from struct programs */
	uint32_t n;
	struct extent *free; /* sorted by offset, none touches the next; owned */
	uint32_t n_free, allocated, n_rooms;
	uint32_t used;	    /* bytes that are given out */
	uint32_t low, high; /* bytes below low, and from high on, were written at some time */
};
void store_init(struct store *s, uint8_t *bytes, uint64_t n);
void store_deinit(struct store *s);
/* Room for n bytes, aligned to 64: small ones from the end, others from the beginning. 0, -ENOSPC,
 * -EFBIG: it never fits, -ENOMEM. */
int store_take(struct store *s, uint64_t n, struct room **ret);
struct room *store_release(struct store *s, struct room *room);

/* ---- rules.c: rules of all tables, each once ---- */

struct rules {
	struct unwind_rule_entry *entries; /* STORE_IDS in the store; borrowed */
	uint32_t *refs;			   /* by id; owned */
	uint32_t *free_ids;		   /* owned */
	uint32_t n_free, n;
	struct table index;
};
int rules_init(struct rules *r, struct unwind_rule_entry *entries);
void rules_deinit(struct rules *r);
/* The id of a rule, with a reference. Where there is no room: that of a rule that says so. */
uint32_t rules_ref(struct rules *r, struct unwind_rule_entry rule);
void rules_unref(struct rules *r, uint32_t id);

/* ---- tables.c and lists.c ---- */

struct loaded_table;
struct listed_process;
struct tables {
	struct store store;
	struct rules rules;
	struct array tables;	/* struct loaded_table, by id */
	struct array processes; /* struct listed_process */
	struct table by_pid;	/* pid -> index in processes */
	uint32_t free_table, free_process;
	uint32_t n_tables, n_processes;
	uint64_t rows;
	uint64_t keys; /* lists made so far */
	/* Rooms that walks may still be reading: those taken away since, and those that wait for
	 * the walks that `walking` names. */
	struct room *open, *closed;
	uint64_t closed_ns;
	bool is_noted;
	uint64_t *walking; /* by CPU and context: sequence of a walk to wait for, 0: none; owned */
};
int tables_init(struct kernel *k);
void tables_deinit(struct kernel *k);
/* Puts a room that no new walk can find where it waits for the others. */
void tables_retire(struct kernel *k, struct room *room);
/* Gives back what no walk can be reading any more. */
void tables_reclaim(struct kernel *k);
/* For lists: a whole table's offset of its page index and its pages; references. */
struct store_mapping tables_mapping(const struct kernel *k, uint32_t table);
void tables_ref(struct kernel *k, uint32_t table);
void tables_unref(struct kernel *k, uint32_t table);
bool tables_is_whole(const struct kernel *k, uint32_t table);
int lists_init(struct kernel *k);
void lists_deinit(struct kernel *k);

/* ---- targets.c ---- */

/* The kernel's number of a process of our PID namespace. 0 or -errno. */
int targets_tgid(struct kernel *k, uint32_t pid, uint32_t *ret);

/* ---- rings.c: BPF ring buffers, one of each CPU ---- */

struct ring {
	int fd;
	uint64_t bytes;	     /* 0: no such ring */
	uint64_t *consumer;  /* page, written here */
	uint64_t *producer;  /* page, written by the kernel */
	const uint8_t *data; /* bytes of it, twice in a row */
	uint64_t noted;	     /* producer position that may be handed out */
};
int ring_init(struct ring *r, uint64_t bytes);
void ring_deinit(struct ring *r);
void ring_note(struct ring *r);
/* Hands out one record before the noted position. 1: done one, 0: none is left. A record that is
 * not as the ABI says is skipped and counted in bad[], by the event set it names. */
int ring_next(struct ring *r, const struct kernel_callbacks *callbacks, uint64_t *bad);

/* ---- sideband.c: perf records about processes and mappings ---- */

struct sideband_ring {
	int fd;
	void *map;	  /* perf_event_mmap_page, then data */
	uint64_t head;	  /* noted */
	uint64_t tail;	  /* read up to here */
	uint64_t next_ns; /* time of the record at tail; UINT64_MAX: none */
};
struct sideband {
	struct sideband_ring *rings; /* by CPU; owned */
	unsigned n;
	uint8_t *record; /* one record in one piece; owned */
};
int sideband_open(struct sideband *s, const struct cpus *cpus, struct error *error);
void sideband_deinit(struct sideband *s);
/* Hands out everything that was there at the call, in the order of time over all CPUs. */
void sideband_drain(struct sideband *s, const struct kernel_callbacks *callbacks);
/* Reads one whole record of n bytes (header included). True: *ret is an event. Pure. */
bool sideband_parse(const uint8_t *record, size_t n, struct sideband_event *ret);
uint64_t sideband_bytes(const struct sideband *s);

/* ---- events.c: perf events of a set ---- */

struct event_set {
	char name[32]; /* "": never used */
	uint32_t freq_hz;
	uint64_t period;	   /* fixed period in units of the event; 0: the kernel adapts it */
	uint64_t attachments;	   /* 0: events are closed or not yet on */
	int *event_fds, *link_fds; /* by CPU, -1: none; owned; NULL while closed */
	uint64_t *counts;	   /* by CPU: the events' own count, last read; owned */
	uint64_t *idle_from_ns, *idle_ns; /* by CPU, where the program does not see idle; owned */
	unsigned n;
};
/* Opens the events of the set on all online CPUs, disabled. */
int event_set_open(struct event_set *s, const char *name, uint32_t freq_hz, const struct cpus *cpus,
	struct error *error);
/* Lets them run prog_fd with the set's number. 0 or -errno; nothing is left on on failure. */
int event_set_start(struct event_set *s, unsigned number, int prog_fd);
void event_set_read(struct event_set *s);
/* Ticks that fell on an idle CPU without running the program, of `missing` ones. */
uint64_t event_set_idle(const struct event_set *s, unsigned cpu, uint64_t missing);
/* Switches the events off, reads their last counts, closes them; counts stay. */
void event_set_close(struct event_set *s);
void event_set_deinit(struct event_set *s);
/* Sets the error for a perf_event_open() that said -r: which permission, and what to do. */
int event_explain(int r, const char *what, struct error *error);
/* Is the event there for this process? 0 or -errno. */
int event_probe(const char *name);

/* ---- features.c ---- */

/* The first required feature that is missing becomes the error. 0, -EOPNOTSUPP or -EPERM. */
int features_check(struct error *error);
/* Keeps what libbpf says; shown at debug level by features_log_libbpf(). */
void features_capture_libbpf(void);
void features_log_libbpf(void);
bool features_capable(unsigned capability);
bool features_present(const char *name);

struct kernel {
	struct cpus cpus;
	struct programs programs;
	struct tables tables;
	struct ring *rings; /* by CPU; owned */
	uint64_t ring_bytes;
	struct sideband sideband;
	struct event_set sets[ABI_EVENT_SETS];
	struct kernel_callbacks callbacks;
	sd_event *event; /* ref */
	sd_event_source *timer;
	sd_event_source **sources; /* of rings and sideband; 2 * cpus.n; owned */
	bool sideband_is_quiet;	   /* a ring of it woke us: not again before a drain */
	uint64_t bad[ABI_SETS];	   /* records that were not understood, by set */
	/* What is to be added, modulo 2^64, to stacks counted by set and reason. */
	uint64_t moved[ABI_SETS][TRUNCATE_COUNT];
	uint64_t follow_lost; /* processes without a place, as last logged */
	bool waits_at_switch;
	bool waits_are_on, creates_are_on; /* threads.c */
	int flush_fd;	     /* an iterator over threads that is not at its end; -1: none */
	uint64_t closed_ns;  /* own_ns of sets whose counters were taken again */
	unsigned first_ring; /* where the next drain starts */
};

/* Something is collected from now on: the next drain comes soon. */
void kernel_wake(struct kernel *k);
void threads_deinit(struct kernel *k);

#endif
