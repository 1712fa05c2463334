/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and what they had mapped when. Fed by perf sideband events and by what /proc said at
 * attach; asked by time, so that a sample is located in what was mapped when it was taken, also
 * after an exec, an exit or the reuse of the pid.
 *
 * A process is one life of a pid: [from_ns, until_ns). An exec ends all its mappings at that time
 * and starts a new image; fork copies the parent's mappings that are in force (vfork too: the
 * child's come with its exec). A mapping ends where a later one overlaps it (the parts left over go
 * on), or at exec. Ended lives and mappings are kept for PROCESS_KEEP_NS after their end for
 * samples still on their way, and as long as `n_refs` says that stored samples name them.
 */
#ifndef PROFD_PROC_PROCESS_H
#define PROFD_PROC_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"
#include "proc/module.h"
#include "proc/target.h"

#define PROCESS_KEEP_NS	   (10ULL * 1000000000ULL)
#define PROCESS_FOREVER_NS UINT64_MAX

struct process_mapping {
	uint64_t start, end;	    /* addresses */
	uint64_t offset;	    /* in the file, of start */
	uint64_t from_ns, until_ns; /* in force */
	uint64_t mapped_ns;	    /* <= from_ns, less for what another mapping left over of it */
	uint64_t reach; /* the highest `end` of this and all mappings before it in the array */
	uint32_t module;
};

struct process {
	uint32_t id; /* stable; unique while the daemon runs */
	uint32_t pid, ppid;
	uint32_t parent; /* id of the life that forked it, which holds on for it; 0: not seen */
	uint64_t from_ns, until_ns;
	uint64_t start_boottime_ns; /* once known from a sample, else 0 */
	char comm[16];		    /* of the leader, now */
	char comm_before[16];	    /* until comm_ns; see process_comm() */
	uint64_t comm_ns;	    /* of the event that comm is from; 0: of none */
	char *exe;		    /* owned; path of the image, "" while unknown */
	uint64_t exec_ns;	    /* of the last exec; from_ns without one */
	uint64_t leader_exit_ns; /* of the last exit since the leader's, threads going on; or 0 */
	uint32_t epoch;		 /* counts changes of executable mappings */
	bool maps_known;	 /* seen from its beginning, or read from /proc */
	bool maps_asked;
	bool other_root;       /* opens must go through its root */
	struct array mappings; /* struct process_mapping, by start, then from_ns */
	uint32_t n_refs;
};

struct process_table;

int process_table_new(struct process_table **ret, struct module_table *modules);
struct process_table *process_table_free(struct process_table *t);
size_t process_table_bytes(const struct process_table *t);
uint32_t process_table_n_alive(const struct process_table *t);

/* The life of pid that covers time_ns (or NULL). `add`: make one, from that time, when there is
 * none (then maps_known is false). */
struct process *process_table_find(
	struct process_table *t, uint32_t pid, uint64_t time_ns, bool add);
/* What the leader was called at that time, as far as one change back. */
static inline const char *process_comm(const struct process *p, uint64_t time_ns)
{
	return time_ns < p->comm_ns ? p->comm_before : p->comm;
}
/* By process.id, also of ended lives while referenced; NULL when forgotten. */
struct process *process_table_get(struct process_table *t, uint32_t id);

/* Sideband, any order within a few ms; time_ns decides. 0 or -ENOMEM/-E2BIG. */
int process_table_fork(struct process_table *t, uint32_t pid, uint32_t ppid, uint64_t time_ns);
int process_table_comm(struct process_table *t, uint32_t pid, uint32_t tid, const char *comm,
	bool exec, uint64_t time_ns);
int process_table_mmap(struct process_table *t, uint32_t pid, uint64_t start, uint64_t end,
	uint64_t offset, uint32_t major, uint32_t minor, uint64_t inode, uint64_t generation,
	const char *path, uint64_t time_ns);
int process_table_exit(struct process_table *t, uint32_t pid, uint64_t time_ns);
/* Merges what /proc said: what sideband has told since info->before_ns is newer and stays. */
int process_table_read(struct process_table *t, const struct target_process_info *info);

/* The mapping that an address was in at that time, NULL: none. Until the process changes. */
const struct process_mapping *process_mapping_at(
	const struct process *p, uint64_t address, uint64_t time_ns);
/* Where an address of the process was at that time: 0 with module and offset (module.h), or
 * -ENOENT. Anonymous executable memory is a MODULE_JIT, "[vdso]" MODULE_VDSO. */
int process_locate(const struct process *p, uint64_t address, uint64_t time_ns,
	uint32_t *ret_module, uint64_t *ret_offset);

/* Frees lives and mappings that ended before now - PROCESS_KEEP_NS and have no references. At most
 * `budget` lives are looked at; call it again. */
void process_table_expire(struct process_table *t, uint64_t now_ns, unsigned budget);
/* Calls each() for all living processes until it returns non-zero. */
int process_table_each(
	struct process_table *t, int (*each)(void *userdata, struct process *p), void *userdata);

/* What runs in a process, told from its modules, exe and command line; static strings. */
struct runtime_info {
	const char *name; /* "cpython", "node", "jvm", "go", "" */
	const char *hint; /* the switch that names its frames, or "" */
};
struct runtime_info process_runtime(const char *exe, const char *cmdline, size_t cmdline_n);

#endif
