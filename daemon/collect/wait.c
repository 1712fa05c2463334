/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From records to spans and keys (wait.h). Owns nothing. The times are the kernel's, and put in
 * order whatever they are. Reads only what the record's set fills in.
 */
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "collect/wait.h"

void wait_key(const struct sample_record *record, struct series_key *key)
{
	const struct wait_record *w = &record->wait;

	key->probe_set = record->event_set;
	key->flags = (uint8_t)(w->flags & ~WAIT_IS_UNDER_WAY);
	key->file = w->file;
	key->syscall = w->syscall;
	key->lock = w->lock;
	key->owner = w->owner;
}

void wait_waker(const struct sample_record *record, char name[static WAIT_WAKER])
{
	const struct wait_record *w = &record->wait;

	name[0] = '\0';
	if (record->event_set != SET_WAITS)
		return;
	if (w->flags & WAIT_IS_INTERRUPT)
		snprintf(name, WAIT_WAKER, w->waker_tid ? "irq:%u" : "irq", w->waker_tid);
	else
		snprintf(name, WAIT_WAKER, "%.*s", (int)strnlen(w->waker, ABI_COMM), w->waker);
}

/* Kept with probability min(1, whole / threshold). */
static double scale_of(const struct wait_record *w)
{
	if (w->whole_ns == 0 || w->whole_ns >= w->threshold_ns)
		return 1;
	return (double)w->threshold_ns / (double)w->whole_ns;
}

bool wait_span(const struct sample_record *record, struct span *ret)
{
	const struct wait_record *w = &record->wait;

	if (w->begin_ns == 0 || w->begin_ns > record->time_ns)
		return false;
	*ret = (struct span){
		.from_ns = w->begin_ns,
		.turn_ns = record->time_ns,
		.until_ns = record->time_ns,
		.scale = 1,
		.part = SPAN_CPU,
		.is_over = true,
	};
	if (record->event_set < ABI_EVENT_SETS)
		return true;
	/* Of a thread that does not wait, whose CPU time is told. */
	if (w->begin_ns == record->time_ns && (w->whole_ns == 0 || w->flags & WAIT_IS_UNDER_WAY))
		return false;
	ret->part = SPAN_BLOCKED;
	ret->scale = scale_of(w);
	ret->is_over = !(w->flags & WAIT_IS_UNDER_WAY);
	if (record->event_set == SET_WAITS && w->woken_ns)
		ret->turn_ns = MIN(MAX(w->woken_ns, ret->from_ns), ret->until_ns);
	if (record->event_set == SET_WAITS && !(w->flags & WAIT_IS_BLOCKED))
		ret->turn_ns = ret->from_ns;
	return true;
}

bool wait_unsampled(const struct sample_record *record, struct span *ret)
{
	const struct wait_record *w = &record->wait;
	uint64_t end = w->begin_ns ? MIN(w->begin_ns, record->time_ns) : record->time_ns;

	/* A new thread's first record is of its wait for a CPU, and comes when it has used that. */
	if (w->flags & WAIT_IS_NEW)
		end = record->time_ns + w->unsampled_ns;
	if (w->unsampled_ns == 0 ||
		(record->event_set >= ABI_EVENT_SETS && record->event_set != SET_WAITS))
		return false;
	*ret = (struct span){
		.from_ns = end > w->unsampled_ns ? end - w->unsampled_ns : 0,
		.turn_ns = end,
		.until_ns = end,
		.scale = 1,
		.part = SPAN_CPU,
	};
	return true;
}
