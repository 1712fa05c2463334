/* SPDX-License-Identifier: Apache-2.0 */
/* Comments of profiles (comments.h). Pure but for reading the daemon's state. */
#include "comments.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "profd.h"

/* Said to a person from one in so many on. */
#define NOT_RUN_NOTE 20

static void write_rates(FILE *out, struct profd *p, const struct selection *s)
{
	uint64_t seen[64] = { 0 };

	ARRAY_EACH(&s->rows, struct selected, row) {
		uint32_t rate = slots_series(aggregate_slots(p->aggregate), row->series)->key.rate;
		if (rate < ARRAY_SIZE(seen))
			seen[rate] += row->count;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(seen) && i < aggregate_n_rates(p->aggregate); i++) {
		const struct aggregate_rate *rate = aggregate_rate(p->aggregate, i);
		if (seen[i])
			fprintf(out,
				"event: %s, %u Hz of CPU time; %" PRIu64
				" samples, each stands for %" PRIu64 " ns\n",
				rate->event, rate->freq_hz, seen[i], rate->period_ns);
	}
}

static void write_attachments(FILE *out, struct profd *p, const struct selection *s)
{
	uint64_t bits = 0;
	ARRAY_EACH(&s->rows, struct selected, row)
		bits |= slots_series(aggregate_slots(p->aggregate), row->series)->key.attachments;
	const struct attachment *a;
	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++) {
		_cleanup_free_ char *target = target_spec_format(&a->target);
		if ((a->bits & bits) && target)
			fprintf(out, "attachment: %s, %s, %u Hz\n",
				*target ? target : "own processes", a->event, a->freq_hz);
	}
}

static void write_counts(FILE *out, const struct account *a)
{
	uint64_t dropped = 0;
	for (unsigned i = 0; i < DROP_COUNT; i++)
		dropped += a->dropped[i];
	fprintf(out,
		"samples of the whole machine: triggered %" PRIu64 " = not_run %" PRIu64
		" + idle %" PRIu64 " + filtered %" PRIu64 " + stored %" PRIu64 " + dropped %" PRIu64
		"\n",
		a->triggered, a->not_run, a->idle, a->filtered, a->stored, dropped);
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
	if (a->sideband_lost)
		fprintf(out, "sideband: %" PRIu64 " records of mappings and processes were lost\n",
			a->sideband_lost);
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

#define MAX_RUNTIMES 16

struct runtime_count {
	struct runtime_info runtime;
	uint32_t pid; /* one of them */
	uint64_t samples;
};

/* Its perf map was found: what it names, it names. */
static bool has_perf_map(struct profd *p, const struct process *process)
{
	for (size_t i = process->mappings.n; i > 0; i--) {
		const struct process_mapping *mapping =
			ARRAY_AT(&process->mappings, struct process_mapping, i - 1);
		const struct module *m = module_table_get(p->modules, mapping->module);
		if (m && m->kind == MODULE_JIT)
			return m->file_state == MODULE_FILE_OPEN;
	}
	return false;
}

char *comments_interpreters(struct profd *p, const struct selection *s)
{
	struct runtime_count counts[MAX_RUNTIMES];
	size_t n = 0, n_text = 0;
	uint32_t last = 0;
	struct runtime_info runtime = { 0 };
	const struct process *process = NULL;
	char *text = NULL;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n_text);
	if (!out)
		return NULL;

	ARRAY_EACH(&s->rows, struct selected, row) {
		uint32_t id = slots_series(aggregate_slots(p->aggregate), row->series)->key.process;
		if (id != last) {
			process = process_table_get(p->processes, id);
			runtime = process_runtime(process ? process->exe : "", "", 0);
			if (!process || !*runtime.hint || has_perf_map(p, process))
				process = NULL;
			last = id;
		}
		size_t i = 0;
		while (process && i < n && strcmp(counts[i].runtime.name, runtime.name) != 0)
			i++;
		if (!process || i == MAX_RUNTIMES)
			continue;
		if (i == n)
			counts[n++] = (struct runtime_count){ runtime, process->pid, 0 };
		counts[i].samples += row->count;
	}
	for (size_t i = 0; i < n; i++)
		fprintf(out,
			"%s: %" PRIu64
			" %s of an interpreter (process %u and its like); what names "
			"its functions: %s\n",
			counts[i].runtime.name, counts[i].samples,
			counts[i].samples == 1 ? "sample is" : "samples are", counts[i].pid,
			counts[i].runtime.hint);
	fclose(TAKE_PTR(out));
	return text;
}

char *comments_profile(
	struct profd *p, const struct selection *s, const char *interpreters, bool privileged)
{
	char *text = NULL;
	size_t n = 0;
	struct account span;
	struct utsname host;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n);
	if (!out)
		return NULL;

	fprintf(out, "profd " PROFD_VERSION);
	if (uname(&host) == 0)
		fprintf(out, ", %s %s %s", host.sysname, host.release, host.machine);
	fputc('\n', out);
	write_rates(out, p, s);
	write_attachments(out, p, s);
	fputs(interpreters, out);
	account_span(p, s->got_from_ns, s->got_until_ns, &span);
	if (privileged)
		write_counts(out, &span);
	write_cost(out, &span, s->got_until_ns - s->got_from_ns);
	fclose(TAKE_PTR(out));
	return text;
}

static void write_losses(FILE *out, const struct account *span, uint64_t dropped, uint64_t outside)
{
	if (dropped)
		fprintf(out,
			"%" PRIu64 " of %" PRIu64 " samples were lost (profctl status says why)\n",
			dropped, span->stored + dropped);
	if (outside > span->stored)
		fprintf(out,
			"%" PRIu64 " samples were of processes outside of profd's PID namespace\n",
			outside);
	if (span->not_run * NOT_RUN_NOTE > span->triggered)
		fprintf(out,
			"%" PRIu64 " of %" PRIu64
			" samples were not taken: ticks that came late and were merged, or that "
			"the kernel skipped\n",
			span->not_run, span->triggered);
}

char *comments_notes(struct profd *p, uint64_t from_ns, uint64_t until_ns, const char *interpreters,
	bool privileged)
{
	char *text = NULL;
	size_t n = 0;
	struct account span;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n);
	if (!out)
		return NULL;

	account_span(p, from_ns, until_ns, &span);
	/* Outside of our PID namespace is not ours to lose. */
	uint64_t dropped = 0, outside = span.dropped[DROP_PID_NAMESPACE];
	for (unsigned i = 0; i < DROP_COUNT; i++)
		dropped += span.dropped[i];
	dropped -= outside;
	if (privileged)
		write_losses(out, &span, dropped, outside);
	else if (dropped)
		/* How much the whole machine does is not everybody's business, its share is. */
		fprintf(out, "%.2f %% of the machine's samples were lost\n",
			100.0 * (double)dropped / (double)(span.stored + dropped));
	fputs(interpreters, out);
	fclose(TAKE_PTR(out));
	return text;
}
