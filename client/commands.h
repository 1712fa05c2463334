/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs' functions and the option tables that profctl and profd share. */
#ifndef PROFD_CLIENT_COMMANDS_H
#define PROFD_CLIENT_COMMANDS_H

#include "client/verb.h"

int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_flame(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_top(int argc, char **argv);

extern const struct verb_option target_options[];
/* type, freq, threshold, event, unwind, duration, output */
extern const struct verb_option collect_options[];
extern const struct verb_option socket_options[];
extern const struct verb_option json_options[];
extern const struct verb_option format_options[];
extern const struct verb_option help_options[];

/* The tables of a verb of the running program, for its parser. */
static inline struct verb const *running_verb(const char *name)
{
	return program_verb(program_running(), name);
}

/* Nothing but options was expected. */
int unexpected_operand(const struct verb *v, const char *word, struct error *error);

#endif
