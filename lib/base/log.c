/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is written to standard error. One event is one line and one write(2), so that lines of
 * several processes do not mix. What is logged holds names from targets: everything that could move
 * a cursor or begin another line is escaped.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"

#define LINE_BYTES 2048U

static enum log_level max_level = LOG_LEVEL_INFO;
static const char *log_name;

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_name(const char *name)
{
	log_name = name;
}

/* JOURNAL_STREAM is inherited by everything below a unit, also by a shell in a terminal: it speaks
 * of standard error only where device and inode agree (systemd.exec(5)). */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static size_t escape(const char *s, char *out, size_t n)
{
	size_t left = strlen(s), used = 0;

	while (left > 0) {
		bool printable;
		size_t length = text_char(s, left, &printable);
		size_t wanted = printable ? length : 4 * length;

		if (wanted + 1 > n - used)
			break;
		if (printable)
			memcpy(out + used, s, length);
		else
			for (size_t i = 0; i < length; i++)
				snprintf(out + used + 4 * i, 5, "\\x%02x", (unsigned char)s[i]);
		used += wanted;
		s += length;
		left -= length;
	}
	return used;
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved_errno = errno, n = 0;
	char raw[LINE_BYTES], line[LINE_BYTES];
	size_t used;
	va_list args;

	if (level > max_level)
		return;
	va_start(args, format);
	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	va_end(args);

	if (to_journal())
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	else if (log_name)
		n = snprintf(line, sizeof(line), "%.64s: ", log_name);
	used = n > 0 ? (size_t)n : 0;
	used += escape(raw, line + used, sizeof(line) - used);
	line[used++] = '\n';
	(void)io_write_full(STDERR_FILENO, line, used);
	errno = saved_errno;
}
