/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wraps libiberty's demangler with a bound on its input; DMGL_RECURSE_LIMIT stays in force. Only
 * for the sandboxed worker: names are a target's.
 */
#include "image/demangle.h"

#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

char *demangle(const char *name)
{
	/* Anything else could be a C or Go name that happens to demangle in an old scheme. */
	if (strncmp(name, "_Z", 2) != 0 && strncmp(name, "_R", 2) != 0 &&
		strncmp(name, "__Z", 3) != 0)
		return NULL;
	if (strnlen(name, DEMANGLE_MAX_INPUT + 1) > DEMANGLE_MAX_INPUT)
		return NULL;
	return cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
}
