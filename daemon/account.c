/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts (account.h). `stored` here is what the programs stored less what was dropped on this
 * side, so that the sum is right whoever dropped it; superseded is a part of stored. What happens
 * to threads has rows of its own: on most machines there are few of them.
 */
#include "account.h"
#include <string.h>
#include "base/clock.h"
#include "profd.h"
#include "service/cost.h"

#define MAX_ACCOUNTS (256U * 1024U)
#define MAX_THREADS  (32U * 1024U)
#define LOT	     1024 /* rows that are forgotten at once, so that a long log is moved rarely */

static void add_set(struct profd *p, unsigned set, struct account_counts *a)
{
	struct kernel_set_info info;
	const struct aggregate_set_stats *user = aggregate_set_stats(p->aggregate, set);

	kernel_set_info(p->kernel, set, &info);
	if (!info.event)
		return;
	a->triggered += info.triggered;
	a->not_run += info.not_run;
	a->idle += info.sum.idle;
	a->filtered += info.sum.filtered;
	a->stored += info.sum.stored;
	a->superseded += user->superseded;
	a->own_ns += info.sum.own_ns;
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		a->dropped[i] += info.sum.dropped[i] + user->dropped[i];
		a->stored -= user->dropped[i];
	}
	for (unsigned i = 0; i < TRUNCATE_COUNT; i++)
		a->truncated[i] += info.sum.truncated[i];
}

void account_now(struct profd *p, struct account *ret)
{
	struct account a = { .time_ns = clock_monotonic_ns() };
	struct helper_stats stats;
	struct cost self;

	for (unsigned set = 0; set < ABI_EVENT_SETS; set++)
		add_set(p, set, &a.cpu);
	a.sideband_lost = p->sideband_lost;
	a.bpf_ns = kernel_bpf_ns(p->kernel);
	cost_self(&self);
	a.daemon_ns = self.cpu_ns;
	target_io_get_stats(p->io, &stats);
	a.target_ns = stats.cpu_ns;
	symbolizer_get_stats(p->symbolizer, &stats);
	a.symbolizer_ns = stats.cpu_ns;
	unwind_get_helper_stats(p->unwind, &stats);
	a.symbolizer_ns += stats.cpu_ns;
	helper_pool_get_stats(p->encoder, &stats);
	a.encoder_ns = stats.cpu_ns;
	*ret = a;
}

static void threads_now(struct profd *p, struct account_threads *ret)
{
	*ret = (struct account_threads){ .time_ns = clock_monotonic_ns() };
	for (unsigned i = 0; i < ACCOUNT_THREADS; i++)
		add_set(p, ABI_EVENT_SETS + i, &ret->sets[i]);
	struct kernel_threads_missed missed;
	kernel_threads_missed(p->kernel, &missed);
	ret->missed_wakings = missed.wakings;
	ret->missed_switches = missed.switches;
	ret->missed_threads = missed.threads;
}

/* ---- the logs: rows begin with their time ---- */

_Static_assert(offsetof(struct account, time_ns) == 0, "a row begins with its time");
_Static_assert(offsetof(struct account_threads, time_ns) == 0, "a row begins with its time");

static void *row_at(const struct array *rows, size_t i)
{
	return (uint8_t *)rows->data + i * rows->size;
}

static uint64_t row_time(const struct array *rows, size_t i)
{
	return *(const uint64_t *)row_at(rows, i);
}

static void keep(struct account_rows *rows, const void *row, uint64_t history_ns)
{
	struct array *all = &rows->all;
	size_t old = 0;
	void *new;

	while (old < all->n && row_time(all, old) + history_ns < *(const uint64_t *)row)
		old++;
	if (all->n == all->max)
		old = MAX(old, (size_t)LOT);
	if (old >= LOT) {
		memmove(all->data, row_at(all, old), (all->n - old) * all->size);
		all->n -= old;
		rows->is_cut = true;
	}
	new = array_push(all);
	if (new)
		memcpy(new, row, all->size);
}

void account_keep(struct profd *p)
{
	static const struct account_counts nothing[ACCOUNT_THREADS];
	struct account_log *l = &p->accounts;
	const struct account_counts *last = nothing;
	struct account now;
	struct account_threads threads;

	if (l->rows.all.max == 0) {
		l->rows.all = (struct array)ARRAY_INIT(struct account, MAX_ACCOUNTS);
		l->threads.all = (struct array)ARRAY_INIT(struct account_threads, MAX_THREADS);
	}
	account_now(p, &now);
	keep(&l->rows, &now, p->config.history_ns);
	threads_now(p, &threads);
	if (l->threads.all.n)
		last = ARRAY_AT(&l->threads.all, struct account_threads, l->threads.all.n - 1)
			       ->sets;
	if (memcmp(last, threads.sets, sizeof(threads.sets)) != 0)
		keep(&l->threads, &threads, p->config.history_ns);
}

/* The rows that bound a span; NULL: before the first, after the last. */
static void find(const struct account_rows *rows, uint64_t from_ns, uint64_t until_ns,
	const void **ret_from, const void **ret_until)
{
	const struct array *all = &rows->all;

	*ret_from = rows->is_cut && all->n ? row_at(all, 0) : NULL;
	*ret_until = NULL;
	for (size_t i = 0; i < all->n; i++) {
		if (row_time(all, i) <= from_ns)
			*ret_from = row_at(all, i);
		if (until_ns && row_time(all, i) >= until_ns) {
			*ret_until = row_at(all, i);
			return;
		}
	}
}

#define SUBTRACT(field) (ret->field -= MIN(ret->field, from->field))

static void subtract(struct account_counts *ret, const struct account_counts *from)
{
	SUBTRACT(triggered);
	SUBTRACT(not_run);
	SUBTRACT(idle);
	SUBTRACT(filtered);
	SUBTRACT(stored);
	SUBTRACT(superseded);
	SUBTRACT(own_ns);
	for (unsigned i = 0; i < DROP_COUNT; i++)
		SUBTRACT(dropped[i]);
	for (unsigned i = 0; i < TRUNCATE_COUNT; i++)
		SUBTRACT(truncated[i]);
}

void account_span(struct profd *p, uint64_t from_ns, uint64_t until_ns, struct account *ret)
{
	static const struct account zero;
	const void *first, *last;

	find(&p->accounts.rows, from_ns, until_ns, &first, &last);
	if (last)
		memcpy(ret, last, sizeof(*ret));
	else
		account_now(p, ret);
	const struct account *from = first ? first : &zero;
	subtract(&ret->cpu, &from->cpu);
	SUBTRACT(sideband_lost);
	SUBTRACT(bpf_ns);
	SUBTRACT(daemon_ns);
	SUBTRACT(target_ns);
	SUBTRACT(symbolizer_ns);
	SUBTRACT(encoder_ns);
}

void account_threads_span(
	struct profd *p, uint64_t from_ns, uint64_t until_ns, struct account_threads *ret)
{
	const void *first, *last;

	find(&p->accounts.threads, from_ns, until_ns, &first, &last);
	if (last)
		memcpy(ret, last, sizeof(*ret));
	else
		threads_now(p, ret);
	const struct account_threads *from = first;
	if (!from)
		return;
	for (unsigned i = 0; i < ACCOUNT_THREADS; i++)
		subtract(&ret->sets[i], &from->sets[i]);
	SUBTRACT(missed_wakings);
	SUBTRACT(missed_switches);
	SUBTRACT(missed_threads);
}

void account_moved(struct profd *p, unsigned set, uint64_t time_ns, enum truncate_reason from,
	enum truncate_reason to)
{
	bool is_cpu = set < ABI_EVENT_SETS;
	const struct array *rows = is_cpu ? &p->accounts.rows.all : &p->accounts.threads.all;

	for (size_t i = rows->n; i-- > 0;) {
		/* Its programs may have counted it already, or not yet. */
		if (row_time(rows, i) < time_ns)
			break;
		uint64_t *truncated = is_cpu ? ((struct account *)row_at(rows, i))->cpu.truncated
					     : ((struct account_threads *)row_at(rows, i))
						       ->sets[set - ABI_EVENT_SETS]
						       .truncated;
		if (truncated[from] == 0)
			continue;
		truncated[from]--;
		truncated[to]++;
	}
}

void account_log_deinit(struct account_log *l)
{
	array_deinit(&l->rows.all);
	array_deinit(&l->threads.all);
}
