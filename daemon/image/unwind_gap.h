/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code between functions, of which no call frame information says anything: padding, the code at
 * the file's entry, signal trampolines, what a program begins and ends with.
 */
#ifndef PROFD_IMAGE_UNWIND_GAP_H
#define PROFD_IMAGE_UNWIND_GAP_H

#include "image/unwind_table.h"
#include "image/unwind_table_rows.h"

/* An executable segment's part of the file. */
struct unwind_span {
	uint64_t start, end;
};

struct unwind_gaps {
	const struct elf *elf; /* borrowed, as all of them */
	const struct unwind_span *spans;
	uint32_t n_spans;
	struct unwind_rows *rows;
	struct unwind_table_stats *stats;
};

/* Adds the rows of [start, end), which is in order behind what was added before. 0, -ENOMEM,
 * -E2BIG. */
int unwind_gap_add(const struct unwind_gaps *g, uint64_t start, uint64_t end);

#endif
