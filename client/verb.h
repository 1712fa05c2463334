/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb tables of profctl and profd: one row a verb, from which parsing, --help, man pages and
 * completion come. A verb's options are rows of option tables too, so that what is documented is
 * what is parsed.
 */
#ifndef PROFD_CLIENT_VERB_H
#define PROFD_CLIENT_VERB_H

#include <stdbool.h>
#include "base/error.h"

enum option_id {
	OPTION_END,
	OPTION_OPERAND, /* not an option: a bare word */
	OPTION_HELP,
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_PID,
	OPTION_COMM,
	OPTION_EXE,
	OPTION_CGROUP,
	OPTION_UNIT,
	OPTION_ALL,
	OPTION_NO_CHILDREN,
	OPTION_TYPE,
	OPTION_FREQ,
	OPTION_EVENT,
	OPTION_UNWIND,
	OPTION_DURATION,
	OPTION_OUTPUT,
	OPTION_FORMAT,
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_SECONDS,
	OPTION_SLOTS,
	OPTION_FEATURES,
	OPTION_TOP,
	OPTION_TREE,
	OPTION_TRACES,
	OPTION_PEEK,
	OPTION_LIST,
	OPTION_LINES,
	OPTION_CUM,
	OPTION_SAMPLE_INDEX,
	OPTION_VALUE_UNIT,
	OPTION_GRANULARITY,
	OPTION_FOCUS,
	OPTION_IGNORE,
	OPTION_HIDE,
	OPTION_SHOW,
	OPTION_SHOW_FROM,
	OPTION_TAGFOCUS,
	OPTION_TAGIGNORE,
	OPTION_TAGROOT,
	OPTION_TAGLEAF,
	OPTION_NO_PAGER,
	OPTION_COLOR,
	OPTION_CONFIG,
	OPTION_ICICLE,
	OPTION_INVERTED,
	OPTION_COLOR_BY,
	OPTION_MIN_WIDTH,
	OPTION_TITLE,
	OPTION_NORMALIZE,
	OPTION_FAIL_ON,
	OPTION_PATHS,
	OPTION_PRIVATE,
	OPTION_LISTEN,
	OPTION_BY,
	OPTION_INTERVAL,
	OPTION_THRESHOLD,
	OPTION_STATE,
	OPTION_IDS,
};

struct verb_option {
	const char *long_name; /* without -- */
	char short_name;       /* or 0 */
	/* "PID[,PID]"; words between | are all there are ("auto|fp"); NULL: a flag */
	const char *argument;
	const char *text;
	int id; /* enum option_id */
};

struct verb {
	const char *name;
	const char *synopsis;	 /* behind the name */
	const char *summary;	 /* one line */
	const char *const *text; /* paragraphs for the man page; NULL-terminated */
	const struct verb_option *const
		*options;		   /* option tables, NULL-terminated; each ends with id 0 */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit code */
};

/* A program: its verbs end with a name of NULL. Verbs without `run` are given theirs by
 * program_main(). */
struct program {
	const char *name;
	int section; /* of the manual */
	const char *summary;
	const char *const *text;
	const struct verb *verbs;
};

extern const struct program profctl_program;
extern const struct program profd_program;

/* The n-th option of a verb over all of its tables; NULL: no more. */
const struct verb_option *verb_option_at(const struct verb *v, unsigned n);
const struct verb *program_verb(const struct program *p, const char *name);

struct verb_run {
	const char *name;
	int (*run)(int argc, char **argv);
};

/* The main() of both programs: finds the verb (or help, --help, --version), runs it, flushes
 * standard output. `runs` ends with a name of NULL and gives the verbs without `run` theirs; NULL:
 * none. */
int program_main(const struct program *p, const struct verb_run *runs, int argc, char **argv);

/* "PROGRAM: TEXT" on standard error; returns the exit code. The name is the last program_main()'s.
 */
int complain(const struct error *e);
const char *program_name(void);
/* The program that program_main() was called for. profd has a few of profctl's verbs, and none of
 * the rest. */
const struct program *program_running(void);
/* Flushes standard output: a reader that went away is fine, anything else is complained about. */
int finish_stdout(int code);

#endif
