/* SPDX-License-Identifier: Apache-2.0 */
/* The policy (policy.h). Owns no state. */
#include "policy.h"
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "profd.h"

#define COST_NS (10 * NS_PER_SEC) /* the span that the cost of now is measured in */

struct shared {
	struct profd *profd;
	uint64_t bits, with;
};

static int add_marks(void *userdata, struct process *process)
{
	struct shared *s = userdata;
	uint64_t marks = kernel_target_of(s->profd->kernel, process->pid);

	if (marks & s->bits)
		s->with |= marks;
	return 0;
}

/* Bits of attachments that have a process in common with it, as far as marks tell; its own too. */
static uint64_t shared_bits(struct profd *p, const struct attachment *a)
{
	struct shared s = { .profd = p, .bits = a->bits };

	process_table_each(p->processes, add_marks, &s);
	return s.with;
}

static bool shares(const struct attachment *a, const struct attachment *other, uint64_t with)
{
	return a->target.all || other->target.all || (other->bits & with) ||
	       target_spec_equal(&a->target, &other->target);
}

int policy_check(struct profd *p, const struct attachment *a, uint32_t types,
	const struct peer *peer, struct error *error)
{
	char names[TYPES_TEXT];
	const struct attachment *other;
	uint64_t with;

	if (p->config.concurrent != CONCURRENT_REFUSE)
		return 0;
	if (types_skew(types))
		return error_set(error, -EBUSY, EXIT_CODE_FAILED,
			"%s at once skew each other, and Concurrent=refuse of profd.conf(5) is "
			"against it: one at a time, or wall, which is cpu and waiting in one",
			types_format(types, names, sizeof(names)));
	with = shared_bits(p, a);
	for (size_t i = 0; (other = attachment_table_at(p->attachments, i)); i++) {
		if (other == a || !other->on || other->from_config ||
			!types_skew(types | other->types) || !shares(a, other, with))
			continue;
		return error_set(error, -EBUSY, EXIT_CODE_FAILED,
			"%s is collected of the same processes for %s; both at once skew each "
			"other, and Concurrent=refuse of profd.conf(5) is against it: detach that "
			"first (profctl ps)",
			types_format(other->types, names, sizeof(names)),
			other->owner_uid == peer->uid ? "you" : "another user");
	}
	return 0;
}

/* ---- what is said ---- */

#define MATTERS 200 /* a cost of one in so many */
#define N_PARTS 3

/* What each kind of collecting has cost in a span. */
struct part {
	uint32_t probe;
	const char *name;
	uint64_t ns;
};

static void parts_of(struct profd *p, uint64_t from_ns, uint64_t until_ns, struct part ret[N_PARTS])
{
	struct account cpu;
	struct account_threads threads;

	account_span(p, from_ns, until_ns, &cpu);
	account_threads_span(p, from_ns, until_ns, &threads);
	ret[0] = (struct part){ PROBE_CPU, "CPU samples", cpu.cpu.own_ns };
	ret[1] = (struct part){ PROBE_WAITS, "waits",
		threads.sets[SET_WAITS - ABI_EVENT_SETS].own_ns };
	ret[2] = (struct part){ PROBE_UNLOCKS, "unlocks",
		threads.sets[SET_UNLOCKS - ABI_EVENT_SETS].own_ns };
}

bool policy_matters(struct profd *p, uint32_t types, enum profile_type asked, uint64_t from_ns,
	uint64_t until_ns)
{
	uint32_t others = profile_type_probes(types) & ~profile_type_probes(1U << asked);
	struct part parts[N_PARTS];
	uint64_t ns = 0;

	if (until_ns <= from_ns)
		return false;
	parts_of(p, from_ns, until_ns, parts);
	for (size_t i = 0; i < N_PARTS; i++)
		ns += others & parts[i].probe ? parts[i].ns : 0;
	return ns > (until_ns - from_ns) / MATTERS;
}

void policy_write(FILE *out, struct profd *p, uint32_t types, uint64_t from_ns, uint64_t until_ns)
{
	uint32_t probes = profile_type_probes(types);
	struct part parts[N_PARTS];

	if (p->config.concurrent == CONCURRENT_ALLOW || !types_skew(types) || until_ns <= from_ns)
		return;
	parts_of(p, from_ns, until_ns, parts);
	const char *before = "of the same processes at once, each skewed by what the others cost: ";
	uint64_t all_ns = 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		all_ns += probes & parts[i].probe ? parts[i].ns : 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!(probes & parts[i].probe))
			continue;
		fprintf(out, "%s%s", before, parts[i].name);
		if (all_ns)
			fprintf(out, " %.3f ms",
				(double)parts[i].ns / (double)(until_ns - from_ns) * 1e3);
		before = ", ";
	}
	if (all_ns)
		fputs(" of CPU in each second, for the whole machine", out);
	if ((probes & PROBE_CPU) && (probes & PROBE_WAITS) && !(probes & PROBE_WALL))
		fputs("; wall is CPU time and waits in one", out);
	fputc('\n', out);
}

char *policy_notes(struct profd *p, const struct attachment *a)
{
	uint64_t now_ns = clock_monotonic_ns(), with = 0;
	uint32_t types = a->types;
	const struct attachment *other;
	char *text = NULL, names[TYPES_TEXT];
	size_t n = 0;
	_cleanup_fclose_ FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	if (a->dropped)
		fprintf(out,
			"not collected any more: %s; attach with all the types that are wanted\n",
			types_format(a->dropped, names, sizeof(names)));
	if (p->config.concurrent != CONCURRENT_ALLOW)
		with = shared_bits(p, a);
	for (size_t i = 0; (other = attachment_table_at(p->attachments, i)); i++)
		if (other != a && other->on && shares(a, other, with))
			types |= other->types;
	policy_write(out, p, types, now_ns > COST_NS ? now_ns - COST_NS : 0, now_ns);
	fclose(TAKE_PTR(out));
	return text;
}
