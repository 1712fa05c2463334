/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address to (module, offset), now, while the process may still be alive. Asks the target helper
 * for the mappings of a process that sideband did not tell from its beginning, keeps the stacks
 * that wait for the answer, and has the files of new modules opened for symbolizing later.
 */
#ifndef PROFD_COLLECT_LOCATE_H
#define PROFD_COLLECT_LOCATE_H

#include "collect/stack.h"
#include "proc/process.h"
#include "proc/target.h"
#include "symbol/symbolizer.h"

struct locator;

struct locator_rooms { /* borrowed */
	struct stack_store *stacks;
	struct process_table *processes;
	struct module_table *modules;
	struct target_io *io;
	struct symbolizer *symbolizer;
	/* What /proc said of a process, after the table has it; for names and the like. */
	void (*process_read)(
		void *userdata, struct process *p, const struct target_process_info *info);
	void *userdata;
};

int locator_new(struct locator **ret, const struct locator_rooms *rooms);
struct locator *locator_free(struct locator *l);
/* The entry of a sample of `p` at time_ns, located anew where the process maps something else by
 * now; may differ from the one given. Located later when the mappings are not known yet. */
int locator_update(struct locator *l, struct process *p, uint32_t entry, uint64_t time_ns,
	uint32_t *ret_entry);
/* Has /proc read for a process unless it was asked for already. */
void locator_ask(struct locator *l, struct process *p);
/* Stacks that still wait for mappings; 0 when a dump can be made. */
size_t locator_n_pending(const struct locator *l);

#endif
