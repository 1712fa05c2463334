/* SPDX-License-Identifier: Apache-2.0 */
/* What `top` lists of one interval: functions, threads, processes, states, or the callers of a
 * function. */
#ifndef PROFCTL_LIVE_ROWS_H
#define PROFCTL_LIVE_ROWS_H

#include "base/table.h"
#include "profile/profile.h"

#define ROWS_MAX 65536U

enum rows_by { ROWS_FUNCTION, ROWS_THREAD, ROWS_PROCESS, ROWS_STATE, ROWS_BY };
extern const char *const rows_by_names[]; /* NULL-terminated, in the order of the enum */

struct row {
	char *name;  /* owned; safe to show */
	char *state; /* owned; of a state, as the profile has it */
	int64_t flat, cum;
	int64_t pid, tid; /* of a thread or process */
};

struct rows {
	struct array all; /* struct row */
	int64_t total;
	char unit[32];
};
#define ROWS_INIT                                       \
	{                                               \
		.all = ARRAY_INIT(struct row, ROWS_MAX) \
	}

/* What is looked into: samples of one thread or process (pid 0: of all), in one state (NULL: in
 * all), and callers of one function (NULL: functions). */
struct rows_focus {
	int64_t pid, tid;
	const char *state;
	const char *function;
};

/* p NULL: there was nothing, the table is empty. The values of samples outside of the focus are
 * set to 0 in p. 0, -ENOMEM, -E2BIG. */
int rows_init(struct rows *r, struct profile *p, const char *sample_index, enum rows_by by,
	const struct rows_focus *focus);
void rows_deinit(struct rows *r);
/* Heaviest first; what is alike by name. `filter`: only names that hold it, in any case. */
void rows_select(struct rows *r, bool cum, const char *filter);

#endif
