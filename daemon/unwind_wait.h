/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits until processes have their unwind tables, and for how long. */
#ifndef PROFD_UNWIND_WAIT_H
#define PROFD_UNWIND_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct unwind_waits;

/* cancelled: the daemon goes; there is nothing left to be done but to free userdata. */
typedef void (*unwind_done_fn)(void *userdata, bool cancelled);
/* Need nobody wait for this process (struct process.id) any more? */
typedef bool (*unwind_is_ready_fn)(void *userdata, uint32_t process);

int unwind_waits_new(
	struct unwind_waits **ret, sd_event *event, unwind_is_ready_fn is_ready, void *userdata);
/* Ends all waiting as cancelled. */
struct unwind_waits *unwind_waits_free(struct unwind_waits *w);
/* done() follows from unwind_waits_check(), after timeout_ns, or before this returns where there
 * are too many already (then false). processes: n ids, malloc'ed, consumed. */
bool unwind_waits_add(struct unwind_waits *w, uint32_t *processes, size_t n, uint64_t timeout_ns,
	unwind_done_fn done, void *userdata);
void unwind_waits_check(struct unwind_waits *w);
bool unwind_waits_any(const struct unwind_waits *w);

#endif
