/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables in time: keeps for each process that is or will be sampled the
 * programs' list of its mappings and their tables, and has the tables built
 * before they are needed: at attach, at exec and fork, with each executable
 * mapping. What comes too early all the same is walked by frame pointers.
 */
#ifndef PROFD_UNWIND_H
#define PROFD_UNWIND_H

#include "unwind_tables.h"
#include "unwind_wait.h"

struct unwind;

int unwind_new(struct unwind **ret, struct profd *p);
struct unwind *unwind_free(struct unwind *u);

/* What the process maps has changed, or may have. Cheap where it is not
 * sampled. */
void unwind_changed(struct unwind *u, struct process *process);
/* A sample was taken of it: from now on it has a list. */
void unwind_sampled(struct unwind *u, const struct sample_record *record);
/* Every second: lists of what has ended or is not sampled any more. */
void unwind_maintain(struct unwind *u);
/* See unwind_tables_forget(). */
bool unwind_forget_module(struct unwind *u, uint32_t module);

/* done() follows when each of n processes (struct process.id; consumed,
 * malloc'ed) has its list and tables, has ended, or after timeout_ns; from the
 * loop, or before this returns. cancelled: the daemon goes; there is nothing
 * left to be done but to free userdata. */
void unwind_wait(struct unwind *u, uint32_t *processes, size_t n, uint64_t timeout_ns,
	unwind_done_fn done, void *userdata);

/* The table of a module, as unwind_tables_place() has it, wanted from now on if it was not yet.
 * *ret_coming: there is none yet, it is on its way. */
const struct unwind_place *unwind_place(struct unwind *u, uint32_t module, bool *ret_coming);
/* Another number whenever a table or a list has come or gone. */
uint64_t unwind_generation(const struct unwind *u);

struct unwind_stats {
	struct unwind_tables_stats tables;
	uint32_t lists;
	uint64_t published, not_published; /* lists */
	uint64_t max_turn_ns;
};
void unwind_get_stats(const struct unwind *u, struct unwind_stats *ret);
void unwind_get_helper_stats(const struct unwind *u, struct helper_stats *ret);
size_t unwind_bytes(const struct unwind *u);

#endif
