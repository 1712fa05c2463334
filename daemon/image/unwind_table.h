/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwind table of one ELF file: rows, page index and rules in the layout of
 * bpf/unwind_rules.h, rule ids counted per file. From .eh_frame, from Go's pclntab, and from
 * .debug_frame of the file or of its debug file; of functions that begin at one address the first
 * source in this order is taken. Pure: bytes in, rows out.
 *
 * Functions are in order of address. One ends where the next begins. Between functions there is no
 * rule, except that padding of at most UNWIND_TABLE_PADDING bytes keeps the rule before it. A
 * signal trampoline without information (musl, Go) is found by its code, and what little a program
 * begins and ends with has rules out of its code (code_x86.h).
 */
#ifndef PROFD_IMAGE_UNWIND_TABLE_H
#define PROFD_IMAGE_UNWIND_TABLE_H

#include "bpf/unwind_rules.h"
#include "image/elf.h"

#define UNWIND_TABLE_PADDING  64U
#define UNWIND_TABLE_MAX_ROWS (1U << 25)

struct unwind_table_stats {
	uint64_t eh_fdes, debug_fdes, go_functions;
	uint64_t bad_records; /* records that could not be read */
	uint64_t outside;     /* functions that are not in executable segments */
	uint64_t overlapping; /* functions that reach into the next one, or begin where it does */
	uint64_t broken;      /* functions whose instructions could not be read to the end */
	uint64_t trampolines; /* found by their code */
	uint64_t known_gaps;  /* code without information that is known by itself */
	uint64_t none_rows;
	uint64_t unknown_rows[UNWIND_UNKNOWN_COUNT]; /* by enum unwind_unknown */
};

struct unwind_table {
	uint64_t base; /* address of page 0 */
	uint32_t n_pages, n_rows, n_rules;
	uint32_t *index;		 /* owned; n_pages + 1 of them */
	uint32_t *rows;			 /* owned; rows[0] is the sentinel */
	struct unwind_rule_entry *rules; /* owned; by id */
	bool truncated; /* max_rows were not enough: there is no rule behind them */
	struct unwind_table_stats stats;
};

/* debug is the file's separate debug file, or NULL. max_rows: at most UNWIND_TABLE_MAX_ROWS. 0,
 * -ENODATA: nothing to make rows of, -EFBIG: its code is spread over more than 4 GiB,
 * -EOPNOTSUPP: not x86-64, -E2BIG, -ENOMEM. */
int unwind_table_build(const struct elf *elf, const struct elf *debug, uint32_t max_rows,
	struct unwind_table *ret);
void unwind_table_deinit(struct unwind_table *t);
/* The rule at an address of the file, never NULL. Borrowed. */
const struct unwind_rule_entry *unwind_table_lookup(const struct unwind_table *t, uint64_t vaddr);

#endif
