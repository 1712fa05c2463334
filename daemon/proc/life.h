/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One life of a pid with what the process table keeps beside what it shows; internal to the room.
 *
 * Mappings are versions: each is in force in [from_ns, until_ns); at any time no two in force
 * overlap. They are sorted by (start, from_ns), and `reach` lets a search stop early.
 */
#ifndef PROFD_PROC_LIFE_H
#define PROFD_PROC_LIFE_H

#include "proc/process.h"

#define LIFE_EXECS 4U

struct module_use {
	uint32_t module, n; /* mappings in force without an end */
};

struct life {
	struct process p;
	uint32_t slot, older; /* in the table; the life of the pid before this one, TABLE_NONE */
	bool from_exact;      /* its fork was seen; else it may have begun earlier */
	bool exe_pending;     /* the first file mapped after an exec is the image */
	uint64_t execs[LIFE_EXECS]; /* the last ones, newest first; 0: none */
	uint64_t newest_ns;	    /* of any mapping's from_ns */
	uint64_t last_fork_ns;	    /* of a child */
	uint32_t jit;		    /* its MODULE_JIT, TABLE_NONE before it has one */
	struct array uses;	    /* struct module_use, by module; empty once it has ended */
};

struct life *life_free(struct life *l, struct module_table *modules);
size_t life_bytes(const struct life *l);
/* When the image that runs at the time began: an exec or the life itself. And the end of that
 * image: the next exec, or never. */
uint64_t life_image_start(const struct life *l, uint64_t time_ns);
uint64_t life_image_end(const struct life *l, uint64_t time_ns);

/* A mapping from `time_ns` on: ends what it overlaps, gives way to what is newer. `m` needs start,
 * end, offset, module. 0, -ENOMEM, -E2BIG. */
int life_map(struct life *l, struct module_table *modules, const struct process_mapping *m,
	uint64_t time_ns);
/* Ends what is in force in the range at that time; what is left over at both sides goes on. */
int life_unmap(struct life *l, struct module_table *modules, uint64_t start, uint64_t end,
	uint64_t time_ns);
/* Ends everything that was in force before the exec. */
void life_exec(struct life *l, struct module_table *modules, uint64_t time_ns);
/* The child's mappings at its beginning are the parent's of that time; what the child did since
 * stays. */
int life_inherit(struct life *child, struct module_table *modules, const struct life *parent);
/* It began then, by its fork. */
void life_began(struct life *l, uint64_t from_ns);
/* It began earlier than it was thought to, but it is not known when. */
void life_extend_back(struct life *l, uint64_t from_ns);
/* The process has ended: it maps nothing any more as far as modules count. */
void life_end(struct life *l, struct module_table *modules, uint64_t time_ns);
/* Forgets versions that ended before the time. */
void life_prune(struct life *l, uint64_t before_ns);
/* All of [start, end) is mapped to this module with this offset at the time. */
bool life_is_mapped_so(const struct life *l, const struct process_mapping *m, uint64_t time_ns);
/* Anything in [start, end) was in force in some part of [from_ns, until_ns]. */
bool life_knows_range(
	const struct life *l, uint64_t start, uint64_t end, uint64_t from_ns, uint64_t until_ns);

#endif
