/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a command line by a verb's option tables: long and short options, clusters, --x=V, --. */
#ifndef PROFD_CLIENT_OPTIONS_H
#define PROFD_CLIENT_OPTIONS_H

#include <stdint.h>
#include "client/verb.h"

struct options {
	const struct verb *verb;
	int argc;
	char **argv;
	int at;		     /* next word */
	const char *cluster; /* rest of -abc */
	const char *value;   /* of the option or operand just returned; borrowed from argv */
	const struct verb_option *option;
	bool ended; /* by -- */
};

#define OPTIONS_INIT(verb_, argc_, argv_)                                  \
	{                                                                  \
		.verb = (verb_), .argc = (argc_), .argv = (argv_), .at = 1 \
	}

/* The next option's id, OPTION_OPERAND, OPTION_END, or -EINVAL with text. After `--` everything is
 * an operand; stop_at_ended callers look at `ended` and `at` instead. */
int options_next(struct options *o, struct error *error);

/* Decimal of min..max; else -EINVAL and a line that names what and the value. */
int parse_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
	struct error *error);
/* A positive span, as clock_parse_span(). */
int parse_duration(const char *text, const char *what, uint64_t *ret_ns, struct error *error);

/* The word of `words` (NULL-terminated) that differs from `wrong` by the fewest edits, NULL when
 * none is near. */
const char *nearest_word(const char *wrong, const char *const *words);
/* Sets "unknown WHAT 'WRONG'; did you mean 'x'? WHATs are: a, b" and returns -EINVAL. */
int unknown_word(
	const char *what, const char *wrong, const char *const *words, struct error *error);

#endif
