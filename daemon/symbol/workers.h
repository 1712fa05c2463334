/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker processes that read files for names or for unwind tables. Root's own files share
 * them; a file of anybody else has one to itself, so that what it does to its worker concerns
 * nobody else's.
 */
#ifndef PROFD_SYMBOL_WORKERS_H
#define PROFD_SYMBOL_WORKERS_H

#include "isolate/helper.h"
#include "proc/module.h"
#include "symbol/protocol.h"

struct workers {
	struct helper_pool *shared, *fresh;
};

/* max_processes: of each kind. 0 or -errno; to be ended also then. */
int workers_init(struct workers *w, sd_event *event, unsigned max_processes);
/* Jobs under way end with -ECANCELED. */
void workers_deinit(struct workers *w);
/* Ends idle ones: what comes next starts new ones. */
void workers_trim(struct workers *w);
void workers_get_stats(const struct workers *w, struct helper_stats *ret);
/* Asks about the module's file, whose owner is known by now; helper_pool_submit() says the rest. */
int workers_submit(struct workers *w, const struct module *m, const struct symbol_request *q,
	const int *fds, size_t n_fds, helper_done_fn done, void *userdata);

#endif
