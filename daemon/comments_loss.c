/* SPDX-License-Identifier: Apache-2.0 */
/* Losses and cost (comments_loss.h). What the whole machine does is not everybody's business. */
#include "comments_loss.h"
#include <inttypes.h>
#include "base/cleanup.h"
#include "profd.h"

/* Said to a person from one in so many on. */
#define NOT_RUN_NOTE 20

/* The accounts that a type is from. */
struct counted {
	const char *what;
	struct account_counts counts;
};
#define MAX_COUNTED 2

static size_t counted_of(const struct comments_of *of, uint64_t from_ns, uint64_t until_ns,
	const struct account *cpu, struct counted ret[MAX_COUNTED])
{
	static const struct {
		uint32_t probe;
		const char *what;
		unsigned set;
	} sets[] = {
		{ PROBE_WAITS, "waits", SET_WAITS },
		{ PROBE_UNLOCKS, "unlocks", SET_UNLOCKS },
		{ PROBE_CREATES, "new threads", SET_CREATES },
	};
	uint32_t probes = profile_type_info(of->type)->probes;
	struct account_threads threads;
	size_t n = 0;

	if (probes & PROBE_CPU)
		ret[n++] = (struct counted){ "samples", cpu->cpu };
	if (!(probes & (PROBE_WAITS | PROBE_UNLOCKS | PROBE_CREATES)))
		return n;
	account_threads_span(of->profd, from_ns, until_ns, &threads);
	for (size_t i = 0; i < ARRAY_SIZE(sets) && n < MAX_COUNTED; i++)
		if (probes & sets[i].probe)
			ret[n++] = (struct counted){ sets[i].what,
				threads.sets[sets[i].set - ABI_EVENT_SETS] };
	return n;
}

static uint64_t dropped_of(const struct account_counts *a)
{
	uint64_t dropped = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		dropped += a->dropped[i];
	return dropped;
}

static void write_counts(FILE *out, const struct counted *c)
{
	const struct account_counts *a = &c->counts;

	fprintf(out,
		"%s of the whole machine: triggered %" PRIu64 " = not_run %" PRIu64
		" + idle %" PRIu64 " + filtered %" PRIu64 " + stored %" PRIu64 " + dropped %" PRIu64
		"\n",
		c->what, a->triggered, a->not_run, a->idle, a->filtered, a->stored, dropped_of(a));
	for (unsigned i = 0; i < DROP_COUNT; i++)
		if (a->dropped[i])
			fprintf(out, "dropped: %s %" PRIu64 " (%s)\n", drop_name(i), a->dropped[i],
				drop_text(i));
	for (unsigned i = 1; i < TRUNCATE_COUNT; i++)
		if (a->truncated[i])
			fprintf(out, "truncated: %s %" PRIu64 " (%s)\n", truncate_name(i),
				a->truncated[i], truncate_text(i));
	if (a->superseded)
		fprintf(out, "superseded: %" PRIu64 " stored samples were left to a higher rate\n",
			a->superseded);
}

static void write_cost(FILE *out, const struct account *a, uint64_t span_ns)
{
	uint64_t all = a->bpf_ns + a->daemon_ns + a->target_ns + a->symbolizer_ns + a->encoder_ns;
	fprintf(out,
		"cost of profd meanwhile, CPU ms: bpf %.1f, daemon %.1f, target helper %.1f, "
		"symbolizer %.1f, encoder %.1f; together %.3f %% of one CPU\n",
		(double)a->bpf_ns / 1e6, (double)a->daemon_ns / 1e6, (double)a->target_ns / 1e6,
		(double)a->symbolizer_ns / 1e6, (double)a->encoder_ns / 1e6,
		span_ns ? 100.0 * (double)all / (double)span_ns : 0.0);
}

/* Of the whole machine's threads. */
static void write_missed(
	FILE *out, const struct comments_of *of, uint64_t from_ns, uint64_t until_ns)
{
	struct account_threads threads;

	if (!(profile_type_info(of->type)->probes & (PROBE_WAITS | PROBE_UNLOCKS)))
		return;
	account_threads_span(of->profd, from_ns, until_ns, &threads);
	if (threads.missed_wakings || threads.missed_switches || threads.missed_threads)
		fprintf(out,
			"missed: %" PRIu64
			" wakings (taken for blocked until they ran again), the end of %" PRIu64
			" waits, the state of %" PRIu64 " threads\n",
			threads.missed_wakings, threads.missed_switches, threads.missed_threads);
}

void comments_write_losses(
	FILE *out, const struct comments_of *of, uint64_t from_ns, uint64_t until_ns)
{
	struct counted counted[MAX_COUNTED];
	struct account span;

	account_span(of->profd, from_ns, until_ns, &span);
	size_t n = counted_of(of, from_ns, until_ns, &span, counted);
	for (size_t i = 0; of->privileged && i < n; i++)
		write_counts(out, &counted[i]);
	if (of->privileged && span.sideband_lost)
		fprintf(out, "sideband: %" PRIu64 " records of mappings and processes were lost\n",
			span.sideband_lost);
	if (of->privileged)
		write_missed(out, of, from_ns, until_ns);
	write_cost(out, &span, until_ns - from_ns);
}

static void note(FILE *out, const struct comments_of *of, const struct counted *c)
{
	const struct account_counts *a = &c->counts;
	/* Outside of our PID namespace is not ours to lose. */
	uint64_t outside = a->dropped[DROP_PID_NAMESPACE], dropped = dropped_of(a) - outside;

	if (!of->privileged) {
		/* How much the whole machine does is not everybody's business, its share is. */
		if (dropped)
			fprintf(out, "%.2f %% of the machine's %s were lost\n",
				100.0 * (double)dropped / (double)(a->stored + dropped), c->what);
		return;
	}
	if (dropped)
		fprintf(out, "%" PRIu64 " of %" PRIu64 " %s were lost (profctl status says why)\n",
			dropped, a->stored + dropped, c->what);
	if (outside > a->stored)
		fprintf(out, "%" PRIu64 " %s were of processes outside of profd's PID namespace\n",
			outside, c->what);
	if (a->not_run * NOT_RUN_NOTE > a->triggered)
		fprintf(out,
			"%" PRIu64 " of %" PRIu64
			" %s were not taken: ticks that came late and were merged, or that "
			"the kernel skipped\n",
			a->not_run, a->triggered, c->what);
}

void comments_note_losses(
	FILE *out, const struct comments_of *of, uint64_t from_ns, uint64_t until_ns)
{
	struct counted counted[MAX_COUNTED];
	struct account span;

	account_span(of->profd, from_ns, until_ns, &span);
	size_t n = counted_of(of, from_ns, until_ns, &span, counted);
	for (size_t i = 0; i < n; i++)
		note(out, of, &counted[i]);
}
