/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments made real, from the request to what collects for them, and taken back. The order
 * keeps the first sample right: rules and marks first (follow_rules.c), then the scan of what runs
 * already (children born meanwhile inherit in BPF), mappings and unwind tables of what matched
 * (follow_scan.c), what happens to threads, a flush of what went on before, a boundary, the event
 * set last. The way back begins with a flush and a boundary, so that what lies between the two
 * boundaries is all there is.
 *
 * An attachment holds one bit, one more for each pattern beyond the first, and one that only marks
 * ancestry when patterns are to match below a process (`record --comm X -- CMD`).
 */
#include "follow.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "policy.h"

static void follow_free(struct follow *f)
{
	target_spec_deinit(&f->request.target);
	array_deinit(&f->scanned);
	array_deinit(&f->rules);
	free(f);
}

struct attachment *follow_attachment(const struct follow *f)
{
	return f->attachment ? attachment_table_by_id(f->profd->attachments, f->attachment) : NULL;
}

void follow_fail(struct follow *f)
{
	struct attachment *a = follow_attachment(f);
	if (!f->error.code)
		error_set(&f->error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (a && !f->updated && !f->profd->ending)
		follow_detach(f->profd, a);
	f->done(f->userdata, NULL, false, &f->error);
	follow_free(f);
}

void follow_gone(struct follow *f)
{
	error_set(&f->error, -ECANCELED, EXIT_CODE_FAILED, "detached meanwhile");
	follow_fail(f);
}

/* ---- what is allowed ---- */

static int check_shape(struct follow *f)
{
	const struct follow_request *r = &f->request;
	const struct target_spec *t = &r->target;

	if (r->from_config || authz_privileged(&r->peer))
		return 0;
	if (r->own_processes)
		return 0;
	bool wide = t->all || t->n_cgroups || t->n_units ||
		    ((t->n_comms || t->n_exes) && t->n_below == 0);
	if (wide && !authz_allows(&r->peer, AUTHZ_ATTACH_ALL, OWNER_NOBODY))
		return error_set(&f->error, -EPERM, EXIT_CODE_DENIED,
			"denied: uid %u may attach its own processes by --pid; the rest needs root "
			"or group profd",
			(unsigned)r->peer.uid);
	return 0;
}

static enum kernel_walk walk_of(const char *unwind)
{
	return strcmp(unwind, "fp") == 0      ? KERNEL_WALK_POINTERS
	       : strcmp(unwind, "dwarf") == 0 ? KERNEL_WALK_WINDOWS
					      : KERNEL_WALK_TABLES;
}

/* A set is walked by tables in the program where one of its attachments, or the one of the request
 * on its way, wants it so; else by windows, else by frame pointers alone. */
static void set_unwind(struct profd *p, unsigned set, const char *unwind)
{
	bool wanted[KERNEL_WALK_WINDOWS + 1] = { 0 };
	const struct attachment *a;

	if (unwind)
		wanted[walk_of(unwind)] = true;
	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++)
		if (a->freq_hz && a->event_set == set)
			wanted[walk_of(a->unwind)] = true;
	kernel_set_walk(p->kernel, set,
		wanted[KERNEL_WALK_TABLES]     ? KERNEL_WALK_TABLES
		: wanted[KERNEL_WALK_WINDOWS]  ? KERNEL_WALK_WINDOWS
		: wanted[KERNEL_WALK_POINTERS] ? KERNEL_WALK_POINTERS
					       : KERNEL_WALK_TABLES);
}

/* What waits to be walked belongs to the set as it is now. */
static void let_go(struct profd *p, unsigned set, uint64_t bits)
{
	struct kernel_set_info info;

	kernel_set_detach(p->kernel, set, bits);
	kernel_set_info(p->kernel, set, &info);
	if (!info.active)
		early_flush(p->early, 1U << set, UINT64_MAX);
}

/* ---- threads ---- */

/* Those that something is collected by. */
static uint64_t bits_of(const struct attachment *a)
{
	return a->bits & ~a->below_bit;
}

#define THRESHOLD_NONE UINT64_MAX

/* The smallest of those that collect waits, and of one on its way. */
static void set_threshold(struct profd *p, uint64_t also_ns)
{
	uint64_t smallest = also_ns;
	const struct attachment *a;

	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++)
		if (a->on && types_have_threshold(a->types))
			smallest = MIN(smallest, a->threshold_ns);
	if (smallest != THRESHOLD_NONE)
		kernel_threads_threshold(p->kernel, smallest);
}

static uint32_t thread_probes(uint32_t types)
{
	return profile_type_probes(types) & ~(uint32_t)PROBE_CPU;
}

/* What was collected of threads and is not wanted any more is not collected any more. */
static int drop_threads(
	struct profd *p, const struct attachment *a, uint32_t types, struct error *error)
{
	uint32_t probes = thread_probes(types);

	if (!a->on || !(thread_probes(a->types) & ~probes))
		return 0;
	kernel_threads_detach(p->kernel, bits_of(a));
	return probes ? kernel_threads_attach(p->kernel, probes, bits_of(a), error) : 0;
}

/* ---- the end of it ---- */

/* Of an attachment that goes on as it was. */
static void follow_fail_started(struct follow *f)
{
	struct attachment *a = follow_attachment(f);

	if (a && a->on && !f->profd->ending) {
		uint32_t probes = thread_probes(a->types);
		kernel_threads_detach(f->profd->kernel, bits_of(a));
		if (probes)
			(void)kernel_threads_attach(f->profd->kernel, probes, bits_of(a), NULL);
		set_threshold(f->profd, THRESHOLD_NONE);
	}
	follow_fail(f);
}

static int start_set(struct follow *f, struct attachment *a)
{
	struct profd *p = f->profd;
	const struct follow_request *request = &f->request;
	unsigned set;

	if (kernel_set_get(p->kernel, request->event, request->freq_hz, &set, &f->error) < 0)
		return -EINVAL;
	if (aggregate_set_rate(p->aggregate, set, request->event, request->freq_hz) < 0)
		return -ENOSPC;
	set_unwind(p, set, request->unwind);
	int r = kernel_set_attach(p->kernel, set, bits_of(a));
	if (r < 0)
		return error_set(&f->error, r, EXIT_CODE_FAILED, "cannot switch %s at %u Hz on: %s",
			request->event, request->freq_hz, strerror(-r));
	if (a->freq_hz && a->event_set != set)
		let_go(p, a->event_set, bits_of(a));
	a->event_set = set;
	return 0;
}

static void follow_on(struct follow *f)
{
	struct profd *p = f->profd;
	struct attachment *a = follow_attachment(f);
	bool samples = f->request.freq_hz != 0;
	unsigned old_set;

	if (!a) {
		follow_gone(f);
		return;
	}
	old_set = a->event_set;
	uint64_t boundary_ns = pipeline_split(p);
	if (drop_threads(p, a, f->request.types, &f->error) < 0 ||
		(samples && start_set(f, a) < 0)) {
		follow_fail_started(f);
		return;
	}
	bool had_set = a->freq_hz != 0;
	if (had_set && !samples)
		let_go(p, old_set, bits_of(a));
	a->dropped = a->on ? a->types & ~f->request.types : 0;
	a->on = true;
	a->freq_hz = f->request.freq_hz;
	a->threshold_ns = f->request.threshold_ns;
	attachment_table_collects(p->attachments, a, f->request.types);
	snprintf(a->event, sizeof(a->event), "%s", f->request.event);
	snprintf(a->unwind, sizeof(a->unwind), "%s", f->request.unwind);
	if (samples)
		set_unwind(p, a->event_set, NULL);
	if (had_set && (!samples || old_set != a->event_set))
		set_unwind(p, old_set, NULL);
	set_threshold(p, THRESHOLD_NONE);
	if (!f->updated) {
		uint64_t now_ns = clock_monotonic_ns();
		/* What lasts is told from the boundary on, samples come from now on. */
		a->since_ns = types_go_on(a->types) ? boundary_ns : now_ns;
		a->since_wall_ns = clock_wall_ns() - (now_ns - a->since_ns);
		a->connection = f->request.connection;
		a->from_config = f->request.from_config;
	}
	f->done(f->userdata, a, f->updated, NULL);
	follow_free(f);
}

static void on_flushed(void *userdata, bool cancelled)
{
	struct follow *f = userdata;

	if (cancelled) {
		error_set(&f->error, -ECANCELED, EXIT_CODE_FAILED, "the daemon ends");
		follow_fail(f);
	} else {
		follow_on(f);
	}
}

void follow_start(struct follow *f)
{
	struct profd *p = f->profd;
	struct attachment *a = follow_attachment(f);
	uint32_t types = f->request.types, probes = thread_probes(types);

	if (!a) {
		follow_gone(f);
		return;
	}
	if (policy_check(p, a, types, &f->request.peer, &f->error) < 0) {
		follow_fail(f);
		return;
	}
	if (types_have_threshold(types))
		set_threshold(p, f->request.threshold_ns);
	if (probes && kernel_threads_attach(p->kernel, probes, bits_of(a), &f->error) < 0) {
		follow_fail_started(f);
		return;
	}
	if (!types_go_on(types | (a->on ? a->types : 0))) {
		follow_on(f);
		return;
	}
	f->flush = (struct flush_wait){
		.bits = bits_of(a),
		.done = on_flushed,
		.userdata = f,
	};
	flush_ask(&p->flush, &f->flush);
}

/* ---- from the request ---- */

void follow_attach(
	struct profd *p, struct follow_request *request, follow_done_fn done, void *userdata)
{
	struct follow *f = calloc(1, sizeof(*f));
	if (!f) {
		struct error error = ERROR_INIT;
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		done(userdata, NULL, false, &error);
		target_spec_deinit(&request->target);
		return;
	}
	*f = (struct follow){
		.profd = p,
		.request = *request,
		.done = done,
		.userdata = userdata,
		.scanned = ARRAY_INIT(struct scanned, LIMIT_PROCESSES),
		.rules = ARRAY_INIT(struct rule, LIMIT_ATTACHMENTS),
		.error = ERROR_INIT,
	};
	request->target = (struct target_spec){ 0 };
	/* What the caller's strings say must outlive the request's message. */
	snprintf(f->event, sizeof(f->event), "%s", request->event);
	snprintf(f->unwind, sizeof(f->unwind), "%s", request->unwind);
	f->request.event = f->event;
	f->request.unwind = f->unwind;

	struct attachment *a = NULL;
	int r = check_shape(f);
	if (r >= 0)
		r = request->transient
			    ? attachment_table_add_transient(p->attachments, &f->request.target,
				      request->peer.uid, &a, &f->error)
			    : attachment_table_add(p->attachments, &f->request.target,
				      request->peer.uid, request->connection, &a, &f->updated,
				      &f->error);
	if (r < 0) {
		follow_fail(f);
		return;
	}
	f->attachment = a->id;
	if (!f->updated) {
		r = follow_make_rules(f, a);
		if (r < 0) {
			follow_fail(f);
			return;
		}
		kernel_target_no_children(p->kernel, bits_of(a), a->target.no_children);
		kernel_target_all(p->kernel, 1ULL << a->bit, a->target.all);
	}
	follow_rules(f);
}

void follow_detach(struct profd *p, struct attachment *a)
{
	/* A transient one is gone when its span was told. */
	if (a->on && !a->transient && types_go_on(a->types))
		flush_now(&p->flush, a->bits);
	pipeline_split(p);
	if (a->freq_hz)
		let_go(p, a->event_set, a->bits);
	if (!a->on || thread_probes(a->types))
		kernel_threads_detach(p->kernel, a->bits);
	early_forget(p->early, a->bits);
	kernel_target_forget(p->kernel, a->bits);
	for (unsigned bit = 0; bit < ABI_ATTACHMENTS; bit++)
		if (a->bits >> bit & 1)
			aggregate_clear_bit(p->aggregate, bit);
	bool had_set = a->freq_hz != 0;
	unsigned set = a->event_set;
	attachment_table_remove(p->attachments, a);
	if (had_set)
		set_unwind(p, set, NULL);
	set_threshold(p, THRESHOLD_NONE);
}

struct counting {
	struct profd *profd;
	uint64_t bits;
	unsigned n;
	bool all;
};

static int count_one(void *userdata, struct process *process)
{
	struct counting *c = userdata;
	if (c->all || kernel_target_of(c->profd->kernel, process->pid) & c->bits)
		c->n++;
	return 0;
}

unsigned follow_count(struct profd *p, const struct attachment *a)
{
	struct counting c = { .profd = p, .bits = a->bits, .all = a->target.all };
	process_table_each(p->processes, count_one, &c);
	return c.n;
}

/* Only pids are named, nothing that could match later. */
static bool only_pids(const struct target_spec *t)
{
	return t->n_pids > 0 && !t->all && !t->n_comms && !t->n_exes && !t->n_cgroups &&
	       !t->n_units && !t->n_below;
}

void follow_expire(struct profd *p)
{
	struct attachment *a;
	for (size_t i = 0; (a = attachment_table_at(p->attachments, i));) {
		if (a->on && !a->connection && only_pids(&a->target) && follow_count(p, a) == 0)
			follow_detach(p, a);
		else
			i++;
	}
}

bool follow_descends(struct profd *p, const struct process *process, uint32_t pid)
{
	for (unsigned depth = 0; process && depth < FOLLOW_MAX_DESCENT; depth++) {
		if (process->pid == pid)
			return true;
		if (process->ppid == 0 || process->ppid == process->pid)
			return false;
		process = process->parent ? process_table_get(p->processes, process->parent)
					  : process_table_find(p->processes, process->ppid,
						    process->from_ns, false);
	}
	return false;
}
