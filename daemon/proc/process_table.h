/* SPDX-License-Identifier: Apache-2.0 */
/* The process table's insides, shared by process.c, process_read.c and process_expire.c. */
#ifndef PROFD_PROC_PROCESS_TABLE_H
#define PROFD_PROC_PROCESS_TABLE_H

#include "base/limits.h"
#include "proc/life.h"

#define RECENT_FORKS 256U

struct recent_fork {
	uint32_t parent, child; /* pids */
	uint64_t time_ns;
};

struct process_table {
	struct module_table *modules; /* borrowed */
	struct array slots;	      /* struct life *; NULL: free */
	struct array free_slots;      /* uint32_t */
	struct table by_pid;	      /* the newest life of a pid */
	struct table by_id;
	uint32_t next_id, n_alive;
	uint32_t expire_at;			/* where process_table_expire() goes on */
	struct recent_fork forks[RECENT_FORKS]; /* a ring: who inherited from whom of late */
	uint32_t next_fork;
};

struct life *process_table_slot(const struct process_table *t, uint32_t slot);
/* The newest life of the pid, or NULL. */
struct life *process_table_newest(const struct process_table *t, uint32_t pid);
/* The life before this one, or NULL. */
struct life *process_table_older(const struct process_table *t, const struct life *l);
/* The life that covers the time: also one that was not seen to begin and must have begun earlier,
 * and one that ended just before (what still runs in its exit). NULL: none. */
struct life *process_table_at(struct process_table *t, uint32_t pid, uint64_t time_ns);
/* Adds a life between its neighbours in time. NULL: full, or no memory. */
struct life *process_table_add(
	struct process_table *t, uint32_t pid, uint64_t from_ns, bool from_exact);
/* Removes a life for good. */
void process_table_forget(struct process_table *t, struct life *l);
void process_table_end(struct process_table *t, struct life *l, uint64_t time_ns);
int life_set_exe(struct life *l, const char *path);
/* What is mapped by its name: which module, and its offset where that is not the file's. */
int process_table_module(struct process_table *t, struct life *l, const char *path, uint32_t major,
	uint32_t minor, uint64_t inode, uint64_t generation, struct process_mapping *m);

#endif
