/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that live now of processes that are asked for, as the kernel has them. */
#ifndef PROFD_LIVING_H
#define PROFD_LIVING_H

#include <stdbool.h>
#include "collect/dump.h"
#include "proc/target.h"

struct living;
struct profd;

/* matches(): whose threads; done(): 0 and the threads, moved to the callee (NULL: none), or a
 * negative errno. Both follow from the loop. */
typedef bool (*living_match_fn)(void *userdata, const struct target_process_info *info);
typedef void (*living_done_fn)(
	void *userdata, int error, struct dump_thread *threads, size_t n_threads);
int living_ask(struct living **ret, struct profd *p, living_match_fn matches, living_done_fn done,
	void *userdata);
/* No call follows any more. Takes NULL, returns NULL. */
struct living *living_forget(struct living *l);

#endif
