/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting (unwind_wait.h). Owns those who wait, each with its timer; what they call may add others.
 */
#include "unwind_wait.h"
#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"

#define MAX_WAITERS 64U

struct waiter {
	struct waiter *next;
	struct unwind_waits *waits;
	uint32_t *processes; /* owned */
	size_t n;	     /* not yet ready, or not yet looked at */
	sd_event_source *timer;
	unwind_done_fn done;
	void *userdata;
};

struct unwind_waits {
	sd_event *event; /* borrowed */
	unwind_is_ready_fn is_ready;
	void *userdata;
	struct waiter *first; /* owned */
	unsigned n;
};

int unwind_waits_new(
	struct unwind_waits **ret, sd_event *event, unwind_is_ready_fn is_ready, void *userdata)
{
	struct unwind_waits *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->event = event;
	w->is_ready = is_ready;
	w->userdata = userdata;
	*ret = w;
	return 0;
}

static void finish(struct waiter *waiter, bool cancelled)
{
	struct unwind_waits *w = waiter->waits;

	for (struct waiter **at = &w->first; *at; at = &(*at)->next) {
		if (*at == waiter) {
			*at = waiter->next;
			break;
		}
	}
	w->n--;
	sd_event_source_disable_unref(waiter->timer);
	waiter->done(waiter->userdata, cancelled);
	free(waiter->processes);
	free(waiter);
}

struct unwind_waits *unwind_waits_free(struct unwind_waits *w)
{
	if (!w)
		return NULL;
	while (w->first)
		finish(w->first, true);
	free(w);
	return NULL;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	finish(userdata, false);
	return 0;
}

bool unwind_waits_add(struct unwind_waits *w, uint32_t *processes, size_t n, uint64_t timeout_ns,
	unwind_done_fn done, void *userdata)
{
	struct waiter *waiter = w->n < MAX_WAITERS ? calloc(1, sizeof(*waiter)) : NULL;

	if (!waiter ||
		sd_event_add_time_relative(w->event, &waiter->timer, CLOCK_MONOTONIC,
			timeout_ns / NS_PER_US, NS_PER_MS / NS_PER_US, on_timeout, waiter) < 0) {
		free(waiter);
		free(processes);
		done(userdata, false);
		return false;
	}
	waiter->waits = w;
	waiter->processes = processes;
	waiter->n = n;
	waiter->done = done;
	waiter->userdata = userdata;
	waiter->next = w->first;
	w->first = waiter;
	w->n++;
	return true;
}

static bool is_ready(struct waiter *waiter)
{
	const struct unwind_waits *w = waiter->waits;

	while (waiter->n > 0 && w->is_ready(w->userdata, waiter->processes[waiter->n - 1]))
		waiter->n--;
	return waiter->n == 0;
}

void unwind_waits_check(struct unwind_waits *w)
{
	struct waiter *next;

	for (struct waiter *waiter = w->first; waiter; waiter = next) {
		next = waiter->next;
		if (is_ready(waiter)) {
			finish(waiter, false);
			/* What it called may have changed the list. */
			next = w->first;
		}
	}
}

bool unwind_waits_any(const struct unwind_waits *w)
{
	return w->first != NULL;
}
