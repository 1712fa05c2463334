/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in the making: takes (pc, rule) in order of pc, keeps a row where the rule changes, gives
 * each different rule an id, and fills the page index.
 */
#ifndef PROFD_IMAGE_UNWIND_TABLE_ROWS_H
#define PROFD_IMAGE_UNWIND_TABLE_ROWS_H

#include "base/table.h"
#include "bpf/unwind_rules.h"

#define UNWIND_ROWS_RULES  65536U /* of one file */
#define UNWIND_ROWS_RECENT 512U

struct unwind_rows {
	uint64_t base, end; /* first address, a multiple of the page; the end of the last */
	uint32_t max_rows;
	struct array rows;  /* uint32_t, allocated in advance; n_rows are in use */
	struct array index; /* uint32_t */
	struct array rules; /* struct unwind_rule_entry */
	struct table ids;
	uint32_t n_rows, n_index;
	uint64_t last;	  /* offset from base of what was added last */
	bool last_is_row; /* and it is the last row */
	bool full;
	struct {
		uint64_t rule;
		uint32_t id;
	} recent[UNWIND_ROWS_RECENT];
};

/* At most 4 GiB from base to end. Must not be moved afterwards. 0 or -ENOMEM. */
int unwind_rows_init(struct unwind_rows *r, uint64_t base, uint64_t end, uint32_t max_rows);
void unwind_rows_deinit(struct unwind_rows *r);
/* From pc on this rule. A pc before the last one, or outside, is ignored. 0, -ENOMEM, or -E2BIG: no
 * more rows; then r->full, and from here on there is no rule. */
int unwind_rows_add(struct unwind_rows *r, uint64_t pc, struct unwind_rule_entry rule);
/* Completes the index, which ends behind the last page with a row. 0 or -ENOMEM. */
int unwind_rows_finish(struct unwind_rows *r, uint32_t *ret_pages);

#endif
