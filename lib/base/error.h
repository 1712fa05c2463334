/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for a person, filled in by the function that knows what was wrong, with which value, and
 * what to do. Functions that take a `struct error *` return a negative errno and set the text; NULL
 * is allowed. The exit codes are those of profd(1) and profctl(1).
 */
#ifndef PROFD_BASE_ERROR_H
#define PROFD_BASE_ERROR_H

#include "base/cleanup.h"

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_THRESHOLD = 3,
	EXIT_CODE_NO_TARGET = 4,
	EXIT_CODE_NO_DAEMON = 5,
	EXIT_CODE_DENIED = 6,
	EXIT_CODE_KERNEL = 7,
	EXIT_CODE_EMPTY = 8,
	EXIT_CODE_RECORD_FAILED = 125,
	EXIT_CODE_CANNOT_EXECUTE = 126,
	EXIT_CODE_NOT_FOUND = 127,
};

struct error {
	enum exit_code code; /* EXIT_CODE_OK while nothing is set */
	char text[512];	     /* one line without newline, no trailing period needed */
};

#define ERROR_INIT                   \
	{                            \
		.code = EXIT_CODE_OK \
	}

/* Sets *e (where e is not NULL and not set yet) and returns `r` unchanged. Control characters in
 * the text are replaced by '?'. */
int error_set(struct error *e, int r, enum exit_code code, const char *format, ...) PRINTF(4, 5);

/* clang's analyzer does not look into error.c: this is what "unchanged" means. */
#ifdef __clang_analyzer__
#define error_set(e, r, ...)                               \
	({                                                 \
		int error_r_ = (r);                        \
		(void)error_set(e, error_r_, __VA_ARGS__); \
		error_r_;                                  \
	})
#endif

#endif
