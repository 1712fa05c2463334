/* SPDX-License-Identifier: Apache-2.0 */
/* The last minute of each name, in cells of a few seconds, for short bars. */
#ifndef PROFCTL_LIVE_HISTORY_H
#define PROFCTL_LIVE_HISTORY_H

#include "base/table.h"

#define HISTORY_CELLS	15U
#define HISTORY_CELL_NS 4000000000ULL
#define HISTORY_NAMES	8192U

struct history_entry {
	char *name;					 /* owned */
	int64_t flat[HISTORY_CELLS], cum[HISTORY_CELLS]; /* [0] is now */
};

struct history {
	struct array entries; /* struct history_entry */
	struct table index;
	uint64_t cell; /* that [0] is of */
};

/* Must not be moved afterwards. */
void history_init(struct history *h);
void history_deinit(struct history *h);
/* Forgets everything: other names are listed from now on. */
void history_clear(struct history *h);
/* Time goes on to now_ns; names without a value in the last minute are forgotten. */
void history_advance(struct history *h, uint64_t now_ns);
/* What does not fit is not kept. */
void history_add(struct history *h, const char *name, int64_t flat, int64_t cum);
/* NULL: not known. */
const struct history_entry *history_find(const struct history *h, const char *name);

#endif
