/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `attach` and `record` collect, and `attach` itself: the client's verb, and what `profd
 * attach` does when a daemon answers.
 */
#ifndef PROFD_CLIENT_ATTACH_H
#define PROFD_CLIENT_ATTACH_H

#include "client/output.h"
#include "client/remote.h"
#include "client/wait_args.h"

struct attach_options {
	struct target_args target;
	struct type_args types; /* one at least, once they are checked */
	struct wait_args waits;
	uint32_t freq_hz;     /* 0: the daemon's default */
	const char *event;    /* NULL: the daemon's default */
	const char *unwind;   /* NULL: auto */
	uint64_t duration_ns; /* 0: no end */
	const char *output;   /* NULL: the default name */
	enum output_format format;
	const char *socket; /* NULL: PROFD_SOCKET or the default */
	bool json;
};
#define ATTACH_OPTIONS_INIT                                        \
	{                                                          \
		.target = TARGET_ARGS_INIT, .format = FORMAT_UNSET \
	}

void attach_options_deinit(struct attach_options *o);
/* Takes an option of the tables target, collect, format, socket or json, or --state. 1, 0: another,
 * -EINVAL. */
int attach_option(struct attach_options *o, int id, const char *value, struct error *error);
/* A whole command line of `v` (profctl's or profd's attach); argv[0] is the verb. Strings are
 * borrowed from argv. Pids are not opened yet. */
int attach_parse(struct attach_options *o, const struct program *program, int argc, char **argv,
	struct error *error);
/* Connects, attaches, prints or waits and writes. Returns the exit code, everything said. */
int attach_run(struct attach_options *o);
/* Will attach_run() wait and write a profile? */
static inline bool attach_waits(const struct attach_options *o)
{
	return o->output || o->duration_ns;
}

/* After the last option: the default type, and whether options fit the types. */
int attach_check_types(struct attach_options *o, struct error *error);
/* The same for what takes one type: `what` is its name. */
int attach_check_type(struct attach_options *o, const char *what, struct error *error);
/* Puts the states that were asked for into a dump of this type, where it has states. */
void attach_states(const struct attach_options *o, const char *type, Profd__V1__DumpRequest *dump);

/* ---- what attach and record have in common ---- */

/* An output for each type: `output` (NULL: the default, by TYPE and `name`), with TYPE in front of
 * its suffix where there are several. */
int attach_outputs(const struct attach_options *o, const char *output, const char *name,
	struct output *ret, struct error *error);
/* Asks for the types and rate of o on `target`. The reply holds an attachment. */
int attach_send(struct remote *r, const struct attach_options *o, const struct target_args *target,
	bool until_disconnect, Profd__V1__Reply **ret, struct error *error);
/* Waits for the end: duration_ns over, all pids of the target (where only pids are named) gone, or
 * a signal. -ECONNRESET when the daemon went away. */
int attach_wait(struct remote *r, const struct attach_options *o, struct error *error);
/* Dumps each type of an attachment into its output (one a type) and says so on standard error.
 * EXIT_CODE_EMPTY only where all of them are empty. */
int attach_write(struct remote *r, const struct attach_options *o, const struct output *outputs,
	uint64_t attachment, uint64_t since_wall_ns, struct error *error);
/* An attachment that is gone already is no failure. */
void attach_remove(struct remote *r, uint64_t attachment);

#endif
