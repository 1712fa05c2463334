/* SPDX-License-Identifier: Apache-2.0 */
/* Names of C++ and Rust as compilers write them, in people's words. */
#ifndef PROFCTL_VIEW_DEMANGLE_H
#define PROFCTL_VIEW_DEMANGLE_H

#include <stdbool.h>

#define VIEW_DEMANGLE_MAX_INPUT	 4096U
#define VIEW_DEMANGLE_MAX_OUTPUT 16384U /* with template arguments; without: LIMIT_SYMBOL_NAME */

/* As `go tool pprof` shows it by default: without parameters, and of C++ without template arguments
 * and return type; `whole`: with all of it. The result is the caller's to free(), NULL where `name`
 * is not mangled, is too long or becomes so, or where memory is short. */
char *view_demangle(const char *name, bool whole);

#endif
