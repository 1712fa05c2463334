/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --fail-on of `profctl diff` asks: growth beyond which a comparison fails.
 *
 *   N%, flat=N%   the share of any function without its callees grew by more than N points
 *   cum=N%        the same with its callees
 *   func=RE:N%    the same as cum, of functions whose name RE matches
 *   total=N%      the total grew by more than N percent of the base's
 *
 * Shares are of each profile's own total, so that a longer or busier run alone fails nothing.
 */
#ifndef PROFD_CLIENT_THRESHOLD_H
#define PROFD_CLIENT_THRESHOLD_H

#include "base/error.h"
#include "client/view/diff.h"

enum threshold_kind { THRESHOLD_FLAT, THRESHOLD_CUM, THRESHOLD_FUNCTION, THRESHOLD_TOTAL };

struct threshold {
	enum threshold_kind kind;
	double percent;
	const char *text; /* as given; borrowed */
	struct expression *expression;
};

/* 0, -EINVAL or -ENOMEM with *error set. */
int threshold_init(struct threshold *t, const char *text, struct error *error);
void threshold_deinit(struct threshold *t);
/* Adds a line for each way in which it was crossed, the worst first, to lines (char *, the caller's
 * to free); after a few only how many more there are. 0, -ENOMEM. */
int threshold_check(const struct threshold *t, const struct diff *d, struct array *lines);

#endif
