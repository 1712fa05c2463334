/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb tables of profctl and profd: one row a verb, from which parsing, --help, man pages and
 * completion come. A verb's options are rows of option tables too, so that what is documented is what
 * is parsed.
 */
#ifndef PROFD_CLIENT_VERB_H
#define PROFD_CLIENT_VERB_H

#include <stdbool.h>
#include "base/error.h"

struct verb_option {
	const char *long_name;	/* without -- */
	char short_name;	/* or 0 */
	const char *argument;	/* "PID[,PID]"; NULL: a flag */
	const char *text;
	int id;
};

struct verb {
	const char *name;
	const char *synopsis; /* behind the name */
	const char *summary;  /* one line */
	const char *const *text; /* paragraphs for the man page; NULL-terminated */
	const struct verb_option *const *options; /* option tables, NULL-terminated; each ends with id 0 */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit code */
};

#endif
