/* SPDX-License-Identifier: Apache-2.0 */
/* Named classes of characters, as RE2 has them (github.com/google/re2/wiki/Syntax). */
#ifndef PROFD_CLIENT_VIEW_EXPRESSION_CLASS_H
#define PROFD_CLIENT_VIEW_EXPRESSION_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include "view/expression_program.h"

struct named_class {
	const char *name;
	struct range ranges[4]; /* sorted */
	int n;
};

/* The class of \d \S ... by its letter; NULL: another letter. */
const struct named_class *named_class_perl(char letter, bool *ret_negated);
/* The class of [[:alpha:]] ... by its name of n bytes; NULL: no such class. */
const struct named_class *named_class_posix(const char *name, size_t n);

#endif
