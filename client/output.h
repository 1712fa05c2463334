/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a profile goes and as what: -o and -f, the default name, standard output; and the promise
 * that nothing binary reaches a terminal and nothing half-written stays behind.
 */
#ifndef PROFD_CLIENT_OUTPUT_H
#define PROFD_CLIENT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/error.h"
#include "base/limits.h"
#include "profile/profile.h"

enum output_format {
	FORMAT_PPROF,
	FORMAT_FOLDED,
	FORMAT_TEXT,
	FORMAT_JSON,
	FORMAT_SVG,
	FORMAT_HTML,
	FORMAT_DOT,
	FORMAT_PERF_SCRIPT,
	FORMAT_SPEEDSCOPE,
	FORMAT_UNSET
};

extern const char *const output_format_names[]; /* NULL-terminated, in the order of the enum */

struct output {
	enum output_format format;
	bool to_stdout;
	bool defaulted; /* the name is ours: an existing file is kept as .old */
	char path[LIMIT_PATH];
};

/* 0 or -EINVAL with the list. */
int output_format_parse(const char *name, enum output_format *ret, struct error *error);
/* By suffix; FORMAT_PPROF where it says nothing. */
enum output_format output_format_of(const char *path);

/* path: -o or NULL; format: FORMAT_UNSET to go by the suffix. Without a path: `type`.`name`.SUFFIX
 * in the current folder, or standard output where `may_stdout` and that is not a terminal (or the
 * format is text). Refuses a binary format for a terminal (-EINVAL), and what can be seen to fail
 * later: a folder that does not exist or cannot be written. */
int output_init(struct output *o, const char *path, enum output_format format, const char *type,
	const char *name, bool may_stdout, struct error *error);
/* `path` with .TYPE in front of the suffix that says the format, or behind it all. What is a device
 * stays as it is. -ENAMETOOLONG. */
int output_add_type(const char *path, const char *type, char *buf, size_t n, struct error *error);
/* %p pid, %c command, %t unix time, %% itself. -EINVAL for another letter, -ENAMETOOLONG. */
int output_expand(const char *pattern, unsigned pid, const char *command, char *buf, size_t n,
	struct error *error);
/* Writes gzipped profile.proto, in o's format. When a file cannot be written, the profile is saved
 * in TMPDIR if that works, and the line says where; the result is still the failure. */
int output_write(const struct output *o, const void *pprof, size_t n, struct error *error);
/* A profile, in o's format. */
int output_write_profile(const struct output *o, const struct profile *p, struct error *error);
/* Anything else, to the same places by the same rules. */
int output_write_bytes(const struct output *o, const void *data, size_t n, struct error *error);
/* One profile to a stream, in a text format. */
int output_render(
	const struct profile *p, enum output_format format, FILE *out, struct error *error);

#endif
