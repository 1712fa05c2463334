/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One module's way to its names: open the file, identify it, find its debug and dwz files, have a
 * worker read them. Asynchronous; every step may fail, and what a debug file cannot give is left
 * out.
 */
#ifndef PROFD_SYMBOL_JOB_H
#define PROFD_SYMBOL_JOB_H

#include "symbol/protocol.h"
#include "symbol/symbolizer.h"
#include "symbol/workers.h"

struct symbol_job;

/* Borrowed; outlive every job that was not abandoned. */
struct symbol_job_context {
	struct workers *workers;
	struct target_io *io;
};

/* error 0, or why there are no names. identity: NULL where the module is no ELF file or could not
 * be identified. answer: NULL without names. All borrowed; the job is gone after the call. */
typedef void (*symbol_job_fn)(void *userdata, int error, const struct symbol_identity *identity,
	const struct answer_view *answer, bool dwarf_failed);

/* Starts one for n sorted, distinct offsets (consumed; at most SYMBOL_MAX_OFFSETS); n 0: only opens
 * the module's file. known: what identified the file earlier, or NULL. done() follows from the
 * event loop, or never when this fails. 0 or -errno. */
int symbol_job_new(struct symbol_job **ret, const struct symbol_job_context *context,
	struct module *module, const struct symbol_identity *known, bool no_dwarf,
	uint64_t *offsets, size_t n, symbol_job_fn done, void *userdata);
/* done() will not be called; the job frees itself when the step it waits for ends. Takes NULL. */
void symbol_job_abandon(struct symbol_job *job);
const uint64_t *symbol_job_offsets(const struct symbol_job *job);

#endif
