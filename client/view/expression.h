/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions as pprof takes them: RE2's syntax (github.com/google/re2/wiki/Syntax), of
 * which only whether a text matches is asked. Time is bounded by the lengths of expression and text
 * multiplied, so that both may be hostile. Not supported, and said so: classes of Unicode (\p),
 * \C and a repetition behind \E; without regard to case (?i) are ASCII letters only.
 */
#ifndef PROFCTL_VIEW_EXPRESSION_H
#define PROFCTL_VIEW_EXPRESSION_H

#include <stdbool.h>
#include "base/error.h"

struct expression;

/* `whole`: the whole text must match, else a part. 0, -ENOMEM or -EINVAL with *error set: what
 * names the expression in it. */
int expression_new(struct expression **ret, const char *text, bool whole, const char *what,
	struct error *error);
struct expression *expression_free(struct expression *e);
DEFINE_CLEANUP(struct expression *, expression_free)
bool expression_matches(struct expression *e, const char *text);

#endif
