/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of source files that a profile names. */
#ifndef PROFCTL_VIEW_SOURCE_TEXT_H
#define PROFCTL_VIEW_SOURCE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "base/table.h"

struct source_text {
	char *text; /* owned */
	size_t n;
	struct array lines; /* size_t offset of each line, and the end */
};

/* Finds and reads the file: an absolute path as it is, others below the working directory and the
 * folders above it, as pprof does; a path that leads through a folder named as the working
 * directory is looked for from there. 0, -ENOENT and what else open() says, -EISDIR, -EFBIG,
 * -ENOMEM. */
int source_text_read(struct source_text *s, const char *path);
void source_text_deinit(struct source_text *s);
/* Line `number` (from 1) without its end; NULL: there is none. Borrowed, not terminated. */
const char *source_text_line(const struct source_text *s, int64_t number, size_t *ret_n);

#endif
