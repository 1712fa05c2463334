/* SPDX-License-Identifier: Apache-2.0 */
/* Comments of profiles (comments.h): of the selection here, of losses and cost in comments_loss.c.
 * Pure but for reading the daemon's state. */
#include "comments.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "comments_loss.h"
#include "policy.h"
#include "profd.h"

#define MAX_RATES    64
#define MAX_RUNTIMES 16

/* NULL: of a thread that nobody saw being made. */
static const struct series_key *key_of(const struct profd *p, const struct selected *row)
{
	return row->series == SERIES_NONE
		       ? NULL
		       : &slots_series(aggregate_slots(p->aggregate), row->series)->key;
}

static uint64_t bits_of(const struct profd *p, const struct selection *s)
{
	uint64_t bits = 0;

	ARRAY_EACH(&s->rows, struct selected, row) {
		const struct series_key *key = key_of(p, row);
		bits |= key ? key->attachments : 0;
	}
	return bits;
}

/* ---- how it was collected ---- */

static void write_rates(FILE *out, struct profd *p, const struct selection *s)
{
	uint64_t seen[MAX_RATES] = { 0 };

	ARRAY_EACH(&s->rows, struct selected, row) {
		const struct series_key *key = key_of(p, row);
		if (key && key->probe_set == SERIES_CPU && key->rate < ARRAY_SIZE(seen))
			seen[key->rate] += row->count;
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
	uint64_t bits = bits_of(p, s);
	const struct attachment *a;
	char types[TYPES_TEXT], span[64];

	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++) {
		_cleanup_free_ char *target = target_spec_format(&a->target);
		if (!(a->bits & bits) || !target || !a->on)
			continue;
		fprintf(out, "attachment: %s", *target ? target : "own processes");
		if (a->types != 1U << PROFILE_CPU)
			fprintf(out, ", %s", types_format(a->types, types, sizeof(types)));
		if (a->freq_hz)
			fprintf(out, ", %s, %u Hz", a->event, a->freq_hz);
		if (types_have_threshold(a->types) && a->threshold_ns)
			fprintf(out, ", threshold %s",
				clock_format_span(a->threshold_ns, span, sizeof(span)));
		else if (types_have_threshold(a->types))
			fputs(", every wait", out);
		fputc('\n', out);
	}
}

static void write_source(FILE *out, const struct comments_of *of)
{
	uint64_t threshold_ns = aggregate_threshold_ns(of->profd->aggregate);
	char span[64] = "";

	switch (of->type) {
	case PROFILE_CPU:
	case PROFILE_TYPES_N:
		return;
	case PROFILE_THREADCREATE:
		fputs("source: the kernel side; threads that live, by the stack that made them; "
		      "[before attach]: made before that was collected\n",
			out);
		return;
	case PROFILE_MUTEX:
		fputs("source: the kernel side; who wakes a thread that waits for a futex is "
		      "charged with the wait\n",
			out);
		break;
	case PROFILE_WALL:
		fputs("source: the kernel side; CPU time as the scheduler has it, told by samples "
		      "([unsampled]: by none), and waits of threads\n",
			out);
		break;
	case PROFILE_BLOCK:
	case PROFILE_RUNQ:
	case PROFILE_OFFCPU:
		fputs("source: the kernel side; waits of threads, by switches and wakings\n", out);
		break;
	}
	if (threshold_ns)
		fprintf(out,
			"threshold: %s lately; a wait that is shorter was kept with probability "
			"length/threshold and counts threshold/length times: values are estimates "
			"without bias\n",
			clock_format_span(threshold_ns, span, sizeof(span)));
	else
		fputs("threshold: none lately; every wait is kept\n", out);
}

/* ---- hints ---- */

struct runtime_count {
	const char *name, *hint; /* hint NULL: it schedules by itself */
	uint32_t pid;		 /* one of them */
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

/* What there is to say of the process; name NULL: nothing. */
static struct runtime_count hint_of(const struct comments_of *of, uint32_t id)
{
	struct profd *p = of->profd;
	const struct process *process = process_table_get(p->processes, id);
	struct runtime_count none = { 0 };

	if (!process)
		return none;
	struct runtime_info runtime = process_runtime(process->exe ? process->exe : "", "", 0);
	if (*runtime.hint && !has_perf_map(p, process))
		return (struct runtime_count){ runtime.name, runtime.hint, process->pid, 0 };
	const char *go = program_runtime(p, process, process->exe);
	if (of->type != PROFILE_CPU && of->type != PROFILE_THREADCREATE &&
		strncmp(go, "go", 2) == 0)
		return (struct runtime_count){ go, NULL, process->pid, 0 };
	return none;
}

char *comments_hints(const struct comments_of *of, const struct selection *s)
{
	struct runtime_count counts[MAX_RUNTIMES], hint = { 0 };
	size_t n = 0, n_text = 0;
	uint32_t last = 0;
	char *text = NULL;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n_text);
	if (!out)
		return NULL;

	ARRAY_EACH(&s->rows, struct selected, row) {
		const struct series_key *key = key_of(of->profd, row);
		if (key && key->process != last) {
			hint = hint_of(of, key->process);
			last = key->process;
		}
		size_t i = 0;
		while (key && hint.name && i < n && strcmp(counts[i].name, hint.name) != 0)
			i++;
		if (!key || !hint.name || i == MAX_RUNTIMES)
			continue;
		if (i == n)
			counts[n++] = hint;
		counts[i].samples += row->count;
	}
	for (size_t i = 0; i < n; i++)
		if (counts[i].hint)
			fprintf(out,
				"%s: %" PRIu64
				" %s of an interpreter (process %u and its like); what names "
				"its functions: %s\n",
				counts[i].name, counts[i].samples,
				counts[i].samples == 1 ? "sample is" : "samples are", counts[i].pid,
				counts[i].hint);
		else
			fprintf(out,
				"%s: threads are what waits here, not goroutines (process %u and "
				"its like); what waits for a sync.Mutex or a channel takes the Go "
				"reader\n",
				counts[i].name, counts[i].pid);
	fclose(TAKE_PTR(out));
	return text;
}

/* ---- what else there is ---- */

/* What attachments with these bits collect; of those that have ended, what they did. */
static uint32_t types_of(const struct profd *p, uint64_t bits)
{
	const struct attachment *a;
	uint32_t types = 0;

	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++) {
		types |= a->bits & bits ? a->types : 0;
		bits &= ~a->bits;
	}
	return types | attachment_table_types(p->attachments, bits);
}

uint32_t comments_skewed(const struct comments_of *of, const struct selection *s)
{
	uint64_t last = 0;
	uint32_t skewed = 0;

	ARRAY_EACH(&s->rows, struct selected, row) {
		const struct series_key *key = key_of(of->profd, row);
		if (!key || key->attachments == last)
			continue;
		last = key->attachments;
		uint32_t types = types_of(of->profd, last);
		/* Only what adds to what was asked for. */
		if (types_skew(types | 1U << of->type))
			skewed |= types;
	}
	return skewed;
}

char *comments_left_out(const uint64_t left_out_ns[WAIT_COUNT])
{
	bool told[WAIT_COUNT] = { 0 };
	char *text = NULL, span[64];
	size_t n = 0;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n);
	if (!out)
		return NULL;

	const char *before = "left out: ";
	/* The longest first. */
	for (unsigned i = 0; i < WAIT_COUNT; i++) {
		unsigned most = WAIT_COUNT;
		for (unsigned state = 0; state < WAIT_COUNT; state++)
			if (!told[state] && left_out_ns[state] &&
				(most == WAIT_COUNT || left_out_ns[state] > left_out_ns[most]))
				most = state;
		if (most == WAIT_COUNT)
			break;
		told[most] = true;
		fprintf(out, "%s%s in %s", before,
			clock_format_span(left_out_ns[most], span, sizeof(span)),
			wait_state_name((enum wait_state)most));
		before = ", ";
	}
	if (strcmp(before, ", ") == 0)
		fputs("; --state all shows them\n", out);
	fclose(TAKE_PTR(out));
	return text;
}

/* ---- all of it ---- */

char *comments_profile(const struct comments_of *of, const struct selection *s,
	const struct dump_result *left_out, uint32_t skewed, const char *hints)
{
	_cleanup_free_ char *left = comments_left_out(left_out->left_out_ns);
	struct profd *p = of->profd;
	struct utsname host;
	char *text = NULL;
	size_t n = 0;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n);
	if (!out)
		return NULL;

	fprintf(out, "profd " PROFD_VERSION);
	if (uname(&host) == 0)
		fprintf(out, ", %s %s %s", host.sysname, host.release, host.machine);
	fputc('\n', out);
	write_source(out, of);
	write_rates(out, p, s);
	write_attachments(out, p, s);
	fputs(left ? left : "", out);
	fputs(hints, out);
	policy_write(out, p, skewed, s->got_from_ns, s->got_until_ns);
	comments_write_losses(out, of, s->got_from_ns, s->got_until_ns);
	fclose(TAKE_PTR(out));
	return text;
}

char *comments_notes(const struct comments_of *of, const struct dump_result *result,
	uint32_t skewed, const char *hints)
{
	_cleanup_free_ char *left = comments_left_out(result->left_out_ns);
	char *text = NULL;
	size_t n = 0;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n);
	if (!out)
		return NULL;

	comments_note_losses(out, of, result->from_ns, result->until_ns);
	fputs(left ? left : "", out);
	if (policy_matters(of->profd, skewed, of->type, result->from_ns, result->until_ns))
		policy_write(out, of->profd, skewed, result->from_ns, result->until_ns);
	fputs(hints, out);
	fclose(TAKE_PTR(out));
	return text;
}

size_t comments_split(char *text, char **lines, size_t max)
{
	size_t n = 0;

	for (char *at = text; at && *at && n < max;) {
		lines[n++] = at;
		at = strchrnul(at, '\n');
		if (*at)
			*at++ = '\0';
	}
	return n;
}
