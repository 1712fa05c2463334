/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs are told of a process: its mappings in force, each with its
 * table. Pure. */
#ifndef PROFD_UNWIND_LIST_H
#define PROFD_UNWIND_LIST_H

#include "kernel/tables.h"
#include "proc/process.h"
#include "symbol/unwind_protocol.h"
#include <stdbool.h>

/* A module's table as far as a list needs it. */
struct unwind_place {
	uint32_t table; /* whole, or KERNEL_TABLE_PENDING, or KERNEL_TABLE_NONE */
	uint32_t n_segments;
	uint64_t vaddr; /* of page 0 */
	const struct unwind_segment *segments;
};

/* NULL: the module has no table. */
typedef const struct unwind_place *(*unwind_place_fn)(void *userdata, uint32_t module);

/* Where page 0 of the table is in a process that maps `offset` of the file at
 * `start`. False: not in an executable segment. */
bool unwind_list_base(
	const struct unwind_place *place, uint64_t start, uint64_t offset, uint64_t *ret);
/* Writes the mappings in force to out, sorted, without overlap, those that go
 * on as one joined. How many; at most max, the lowest ones. */
uint32_t unwind_list_make(const struct process *p, unwind_place_fn place, void *userdata,
	struct kernel_mapping *out, uint32_t max);

/* The modules of the mappings in force, distinct and sorted, in *modules (uint32_t; what was in it
 * goes); before that want() is called for each, what was mapped last first. 0 or -ENOMEM. */
int unwind_list_modules(const struct process *p, void (*want)(void *userdata, uint32_t module),
	void *userdata, struct array *modules);

/* Is the module among them? */
bool unwind_list_has(const struct array *modules, uint32_t module);

/* A table that could go. */
struct unwind_use {
	uint64_t used_ns; /* last named by a list */
	uint32_t n_lists; /* that name it now */
	bool whole;
};
/* The one unused for longest, or UINT32_MAX: each is in use. */
uint32_t unwind_list_oldest(const struct unwind_use *uses, uint32_t n);

#endif
