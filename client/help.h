/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made from the verb tables: --help, manual pages (man(7)), completion. */
#ifndef PROFD_CLIENT_HELP_H
#define PROFD_CLIENT_HELP_H

#include <stdio.h>
#include "client/verb.h"

void help_program(FILE *out, const struct program *p);
void help_verb(FILE *out, const struct program *p, const struct verb *v);

/* The page of a program with its verbs; `inline_verbs`: with all of their options, for a program
 * whose verbs have no pages of their own. */
void man_program(FILE *out, const struct program *p, bool inline_verbs);
void man_verb(FILE *out, const struct program *p, const struct verb *v);

void completion_bash(FILE *out, const struct program *p);
void completion_zsh(FILE *out, const struct program *p);
void completion_fish(FILE *out, const struct program *p);

/* The n-th of the words that an option's argument can be ("auto|fp"), copied into buf; false: no
 * more, or it is not such a list. */
bool option_word(const struct verb_option *o, unsigned n, char *buf, size_t size);

struct help_entry {
	const char *term, *text;
	bool client; /* profctl only */
};
/* Both end with a term of NULL; the term of an exit code is the number. */
extern const struct help_entry help_exit_codes[];
extern const struct help_entry help_environment[];

#endif
