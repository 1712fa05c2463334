/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on standard error, one event a line. Where JOURNAL_STREAM says that standard error
 * is the journal (systemd.exec(5)) they carry the <N> level prefix. Library rooms (floors 0 to 2,
 * image) return errors and do not log. Control characters in what is logged are escaped: names come
 * from targets.
 */
#ifndef PROFD_BASE_LOG_H
#define PROFD_BASE_LOG_H

#include "base/cleanup.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* Sets the most verbose level that is written (default: info). Not thread-safe. */
void log_set_level(enum log_level level);

/* Prefix of every line outside the journal, e.g. "profd"; kept by pointer. */
void log_set_name(const char *name);

void log_line(enum log_level level, const char *format, ...) PRINTF(2, 3);

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
