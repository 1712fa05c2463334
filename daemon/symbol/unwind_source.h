/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables of files: asks a sandboxed worker to read a module's call frame information.
 * Asynchronous; workers of their own, so that nobody's debug information keeps a table waiting. A
 * file that costs a worker its life costs that file's table.
 */
#ifndef PROFD_SYMBOL_UNWIND_SOURCE_H
#define PROFD_SYMBOL_UNWIND_SOURCE_H

#include "isolate/helper.h"
#include "proc/module.h"
#include "proc/target.h"
#include "symbol/unwind_protocol.h"

struct unwind_source;

/* A table that was built, mapped read-only; nobody can change it. */
struct unwind_answer {
	struct unwind_view view;
	void *map; /* owned; NULL: none */
	uint64_t map_n;
};
void unwind_answer_deinit(struct unwind_answer *a);

int unwind_source_new(
	struct unwind_source **ret, sd_event *event, struct target_io *io, unsigned max_workers);
/* Callbacks of jobs under way are not called. */
struct unwind_source *unwind_source_free(struct unwind_source *s);
void unwind_source_get_stats(struct unwind_source *s, struct helper_stats *ret);
/* Idle workers are ended. */
void unwind_source_trim(struct unwind_source *s);

/* error: 0, -ENODATA (no call frame information), -EBADMSG (no such ELF file, or a bad answer),
 * -EPIPE (it cost the worker its life), -ETIMEDOUT, or why the file could not be opened. *answer is
 * the callee's when it takes it by zeroing. The answer's rows are not checked. */
typedef void (*unwind_source_fn)(
	void *userdata, uint32_t module, int error, struct unwind_answer *answer);
/* done() follows from the event loop, or never when this fails. The module stays in its table until
 * then. */
int unwind_source_build(
	struct unwind_source *s, struct module *module, unwind_source_fn done, void *userdata);

#endif
