/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts (account.h). `stored` here is what the programs stored less what was dropped on this
 * side, so that triggered = not_run + idle + filtered + stored + the sum of dropped, whoever
 * dropped it; superseded is a part of stored.
 */
#include "account.h"
#include "base/clock.h"
#include "profd.h"
#include "service/cost.h"

#define MAX_ACCOUNTS (256U * 1024U)

static void add_set(struct profd *p, unsigned set, struct account *a)
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
	a->frames += info.sum.user_frames + info.sum.kernel_frames;
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
		add_set(p, set, &a);
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

void account_keep(struct profd *p)
{
	struct array *rows = &p->accounts.rows;
	if (rows->max == 0)
		*rows = (struct array)ARRAY_INIT(struct account, MAX_ACCOUNTS);
	struct account now;
	account_now(p, &now);

	size_t old = 0;
	while (old < rows->n &&
		ARRAY_AT(rows, struct account, old)->time_ns + p->config.history_ns < now.time_ns)
		old++;
	/* In lots, so that a long log is not moved every second. */
	if (old > 1024 || rows->n == rows->max) {
		for (size_t i = old; i < rows->n; i++)
			*ARRAY_AT(rows, struct account, i - old) =
				*ARRAY_AT(rows, struct account, i);
		rows->n -= old;
	}
	struct account *row = array_push(rows);
	if (row)
		*row = now;
}

#define SUBTRACT(field) (ret->field -= MIN(ret->field, from->field))

void account_span(struct profd *p, uint64_t from_ns, uint64_t until_ns, struct account *ret)
{
	static const struct account zero;
	const struct array *rows = &p->accounts.rows;
	const struct account *from = &zero;
	bool ended = false;

	for (size_t i = 0; i < rows->n && !ended; i++) {
		const struct account *row = ARRAY_AT(rows, struct account, i);
		if (row->time_ns <= from_ns)
			from = row;
		if (until_ns && row->time_ns >= until_ns) {
			*ret = *row;
			ended = true;
		}
	}
	if (!ended)
		account_now(p, ret);
	SUBTRACT(triggered);
	SUBTRACT(not_run);
	SUBTRACT(idle);
	SUBTRACT(filtered);
	SUBTRACT(stored);
	SUBTRACT(superseded);
	SUBTRACT(frames);
	SUBTRACT(sideband_lost);
	SUBTRACT(bpf_ns);
	SUBTRACT(daemon_ns);
	SUBTRACT(target_ns);
	SUBTRACT(symbolizer_ns);
	SUBTRACT(encoder_ns);
	for (unsigned i = 0; i < DROP_COUNT; i++)
		SUBTRACT(dropped[i]);
	for (unsigned i = 0; i < TRUNCATE_COUNT; i++)
		SUBTRACT(truncated[i]);
}

void account_moved(
	struct profd *p, uint64_t time_ns, enum truncate_reason from, enum truncate_reason to)
{
	const struct array *rows = &p->accounts.rows;

	for (size_t i = rows->n; i-- > 0;) {
		struct account *row = ARRAY_AT(rows, struct account, i);
		/* Its programs may have counted it already, or not yet. */
		if (row->time_ns < time_ns)
			break;
		if (row->truncated[from] == 0)
			continue;
		row->truncated[from]--;
		row->truncated[to]++;
	}
}

void account_log_deinit(struct account_log *l)
{
	array_deinit(&l->rows);
}
