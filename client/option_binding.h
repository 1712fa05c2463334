/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing for verbs whose options are flags and words, each kept as it comes, and without operands.
 */
#ifndef PROFD_CLIENT_OPTION_BINDING_H
#define PROFD_CLIENT_OPTION_BINDING_H

#include "client/verb.h"

/* Where an option goes: a flag is set, else the word is borrowed from argv. */
struct option_binding {
	int id; /* enum option_id */
	bool *flag;
	const char **word;
};

/* Reads the command line of a verb of the running program. `bindings` has all of the verb's
 * options and ends with OPTION_END. 0, or -EINVAL with text. */
int option_bindings_parse(const struct option_binding *bindings, const char *verb, int argc,
	char **argv, struct error *error);

#endif
