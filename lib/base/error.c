/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the one error line that is handed up to a person. The first text wins: it comes from the
 * function that is nearest to the cause. Texts may hold names from targets and peers.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>

#include "base/io.h"

int(error_set)(struct error *e, int r, enum exit_code code, const char *format, ...)
{
	int saved_errno = errno;
	char raw[sizeof(e->text)];
	va_list args;

	if (!e || e->code != EXIT_CODE_OK)
		return r;
	va_start(args, format);
	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	va_end(args);
	io_printable(raw, e->text, sizeof(e->text));
	e->code = code;
	errno = saved_errno;
	return r;
}
