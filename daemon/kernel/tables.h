/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables for the programs: one store of rows, page indexes and rules, shared by all
 * processes, and for each process the sorted list of its executable mappings. Written through mmap
 * in chunks of at most a millisecond, never by map updates in bulk (the kernel skips samples while
 * a CPU is inside one). A table is visible to the programs only when it is whole; a process's list
 * is replaced as a whole, with a new generation, so that a walk never mixes two.
 */
#ifndef PROFD_KERNEL_TABLES_H
#define PROFD_KERNEL_TABLES_H

#include <stdint.h>
#include "bpf/unwind_rules.h"
#include "kernel/kernel.h"

#define KERNEL_TABLE_NONE                                                      \
	UINT32_MAX /* a mapping without call frame information: frame pointers \
		    */

/* A file whose table is not there yet: frame pointers as well, and stacks that went through it are
 * marked as TRUNCATE_NO_TABLE_YET. */
#define KERNEL_TABLE_PENDING (UINT32_MAX - 1)

/* A built table, borrowed until the copy is complete (bpf/unwind_rules.h has the layout). */
struct kernel_table_view {
	const uint32_t *rows;	    /* rows[0] is the sentinel; rule ids index `rules` */
	const uint32_t *page_index; /* n_pages + 1: index of the first row of each page */
	const struct unwind_rule_entry *rules;
	uint32_t n_rows, n_pages, n_rules;
};

/* Is what a worker answered a table? Order of rows, bounds of indexes and rule ids. Looks at it for
 * about budget_ns, from *page on (0 at first). 1: it is one, 0: call again, -EBADMSG. */
int kernel_table_check(const struct kernel_table_view *view, uint32_t *page, uint64_t budget_ns);
/* Reserves room and interns the rules. -ENOSPC: the store is full (drop tables that nobody uses and
 * try again); -EFBIG: it never fits. */
int kernel_table_begin(struct kernel *k, const struct kernel_table_view *view, uint32_t *ret_table);
/* Copies for about budget_ns. 1: whole now, 0: call again. */
int kernel_table_copy(struct kernel *k, uint32_t table, uint64_t budget_ns);
/* Gives the room back, once no process's list names it any more. */
void kernel_table_drop(struct kernel *k, uint32_t table);

/* The rule at an offset from page 0 of a whole table (as a word, bpf/unwind_step.h), found as the
 * programs find it. */
uint64_t kernel_table_rule(const struct kernel *k, uint32_t table, uint64_t relative);

struct kernel_mapping {
	uint64_t start, end; /* addresses in the process */
	uint64_t base;	     /* address of the table's page 0 in the process */
	uint32_t table;	     /* whole, or KERNEL_TABLE_NONE, or KERNEL_TABLE_PENDING */
	uint32_t pad;
};

/* Replaces what the programs know of a process (pid of profd's namespace; start_ns: start_boottime
 * of its leader, 0 unknown). Mappings sorted by start, not overlapping, at most LIMIT_MAPPINGS;
 * those whose table is not there yet are given as KERNEL_TABLE_NONE by the caller. -ENOSPC,
 * -ENOMEM. */
int kernel_process_publish(struct kernel *k, uint32_t pid, uint64_t start_ns,
	const struct kernel_mapping *mappings, uint32_t n);
void kernel_process_drop(struct kernel *k, uint32_t pid);

struct kernel_tables_stats {
	uint64_t bytes, limit_bytes; /* of the store */
	uint32_t tables, processes;
	uint64_t rows, rules;
};
void kernel_tables_get_stats(struct kernel *k, struct kernel_tables_stats *ret);

#endif
