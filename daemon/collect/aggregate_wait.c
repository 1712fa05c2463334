/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aggregator's part for waits, unlocks, new threads and exact CPU time (aggregate_internal.h).
 * Owns nothing; locks, owners and wakers are numbers and names of hostile targets: there are only
 * so many series that name them in a second, and then series that do not.
 */
#include <errno.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/aggregate_internal.h"
#include "collect/wait.h"

#define MAX_DETAILED 65536U
#define ENDED_NS     (5 * NS_PER_SEC) /* how long after a thread's end its beginning may come */

static void add_time(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record, const struct span *span)
{
	struct series_key k = *key;
	bool is_new;

	if ((k.lock || k.owner || k.waker) && a->n_detailed >= MAX_DETAILED &&
		!slots_has(a->slots, &k))
		k.lock = k.owner = k.waker = 0;
	if (aggregate_add(a, p, &k, record->time_ns, span, &is_new) < 0)
		aggregate_drop(a, record, DROP_MEMORY);
	a->n_detailed += is_new && (k.lock || k.owner || k.waker);
}

void aggregate_wait(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record)
{
	struct series_key k = *key;
	char waker[WAIT_WAKER];
	struct span span;

	if (!wait_span(record, &span))
		return;
	wait_key(record, &k);
	wait_waker(record, waker);
	k.waker = aggregate_intern(a, waker, sizeof(waker));
	a->next_threshold_ns = MIN(a->next_threshold_ns, record->wait.threshold_ns);
	add_time(a, p, &k, record, &span);
}

/* By the thread of the record, whose stack it is. What the new one is called is not known yet. */
void aggregate_thread_made(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record)
{
	struct series_key k = *key;
	uint32_t series;
	bool is_new;

	a->creates = true;
	k.probe_set = SET_CREATES;
	k.tid = k.thread = 0;
	aggregate_take(a, p, &k);
	int r = slots_hold(a->slots, &k, &series, &is_new);
	if (r < 0 || !is_new)
		aggregate_give_back(a, p, &k);
	if (r >= 0) {
		r = thread_table_made(a->threads, record->wait.waker_tid, series, record->time_ns);
		if (r != 0)
			slots_unref(a->slots, series);
	}
	if (r < 0)
		aggregate_drop(a, record, DROP_MEMORY);
}

void aggregate_wall(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record)
{
	struct series_key k = *key;
	struct span span;

	k.probe_set = SERIES_WALL;
	if (wait_span(record, &span))
		add_time(a, p, &k, record, &span);
}

void aggregate_unsampled(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record)
{
	struct series_key k = *key;
	struct span span;

	k.probe_set = SERIES_UNSAMPLED;
	if (wait_unsampled(record, &span))
		add_time(a, p, &k, record, &span);
}

void aggregate_thread_exit(struct aggregate *a, uint32_t pid, uint32_t tid, uint64_t time_ns)
{
	(void)pid; /* which thread it was is decided by the time */
	if (a->creates)
		thread_table_ended(a->threads, tid, time_ns);
}

uint32_t aggregate_thread(const struct aggregate *a, uint32_t pid, uint32_t tid)
{
	uint32_t series = thread_table_find(a->threads, tid);
	const struct process *p =
		process_table_find(a->rooms.processes, pid, clock_monotonic_ns(), false);

	/* Of another thread that had the same tid, whose end was lost? */
	if (series == SERIES_NONE || !p || slots_series(a->slots, series)->key.process != p->id)
		return SERIES_NONE;
	return series;
}

/* Of a process that has ended, so that the thread's end was lost. */
static bool thread_is_gone(void *userdata, uint32_t series)
{
	struct aggregate *a = userdata;
	const struct process *p =
		process_table_get(a->rooms.processes, slots_series(a->slots, series)->key.process);

	return !p || p->until_ns != PROCESS_FOREVER_NS;
}

void aggregate_maintain_threads(struct aggregate *a, uint64_t now_ns)
{
	a->n_detailed = 0;
	if (a->next_threshold_ns != UINT64_MAX)
		a->threshold_ns = a->next_threshold_ns;
	a->next_threshold_ns = UINT64_MAX;
	if (a->creates)
		thread_table_expire(
			a->threads, now_ns > ENDED_NS ? now_ns - ENDED_NS : 0, thread_is_gone, a);
}

uint64_t aggregate_threshold_ns(const struct aggregate *a)
{
	return a->next_threshold_ns != UINT64_MAX ? a->next_threshold_ns : a->threshold_ns;
}
