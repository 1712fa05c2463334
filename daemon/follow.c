/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments made real: rules and marks for the BPF programs, event sets switched on, what runs
 * already found by a scan of /proc. The order keeps the first sample right: rules and marks first,
 * then the scan (children born meanwhile inherit in BPF), the mappings of what matched, the event
 * set last.
 *
 * An attachment holds one bit, one more for each pattern beyond the first, and one that only marks
 * ancestry when patterns are to match below a process (`record --comm X -- CMD`).
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "profd.h"

#define MAX_SCANNED    LIMIT_PROCESSES
#define MAX_DESCENT    1024
#define TABLES_WAIT_NS (2 * NS_PER_SEC)

struct scanned {
	uint32_t pid, ppid;
	uint32_t owner_uid;
	uint64_t marks; /* attachment bits it gets itself */
	char comm[16];
};

struct follow {
	struct profd *profd;
	struct follow_request request;
	follow_done_fn done;
	void *userdata;
	uint64_t attachment; /* id; 0: none yet */
	bool updated;
	struct array scanned; /* struct scanned */
	struct array rules;   /* struct rule: patterns with their bits */
	size_t next_rule;     /* to resolve */
	uint64_t below_bit;
	char event[32], unwind[8];
	struct error error;
};

struct rule {
	enum rule_kind kind;
	unsigned bit;
	const char *pattern; /* borrowed from the attachment's target */
	bool unit;
	struct target_rule wire;
};

static void follow_free(struct follow *f)
{
	target_spec_deinit(&f->request.target);
	array_deinit(&f->scanned);
	array_deinit(&f->rules);
	free(f);
}

static struct attachment *attachment_of(struct follow *f)
{
	return f->attachment ? attachment_table_by_id(f->profd->attachments, f->attachment) : NULL;
}

static void follow_fail(struct follow *f)
{
	struct attachment *a = attachment_of(f);
	if (!f->error.code)
		error_set(&f->error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (a && !f->updated)
		follow_detach(f->profd, a);
	f->done(f->userdata, NULL, false, &f->error);
	follow_free(f);
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

static int check_owner(struct follow *f, const struct scanned *s)
{
	if (f->request.from_config ||
		authz_allows(&f->request.peer, AUTHZ_ATTACH_PROCESS, s->owner_uid))
		return 0;
	return error_set(&f->error, -EPERM, EXIT_CODE_DENIED,
		"denied: process %u is not one of uid %u alone; root or group profd may attach it",
		s->pid, (unsigned)f->request.peer.uid);
}

/* ---- the end of it ---- */

static void follow_start(struct follow *f)
{
	struct profd *p = f->profd;
	struct attachment *a = attachment_of(f);
	unsigned set;

	if (!a) {
		error_set(&f->error, -ECANCELED, EXIT_CODE_FAILED, "detached meanwhile");
		follow_fail(f);
		return;
	}
	if (kernel_set_get(p->kernel, f->request.event, f->request.freq_hz, &set, &f->error) < 0 ||
		aggregate_set_rate(p->aggregate, set, f->request.event, f->request.freq_hz) < 0) {
		follow_fail(f);
		return;
	}
	uint64_t bits = a->bits & ~f->below_bit;
	pipeline_split(p);
	int r = kernel_set_attach(p->kernel, set, bits);
	if (r < 0) {
		error_set(&f->error, r, EXIT_CODE_FAILED, "cannot switch %s at %u Hz on: %s",
			f->request.event, f->request.freq_hz, strerror(-r));
		follow_fail(f);
		return;
	}
	if (f->updated && a->event_set != set && a->freq_hz)
		kernel_set_detach(p->kernel, a->event_set, bits);
	a->event_set = set;
	a->freq_hz = f->request.freq_hz;
	a->types = f->request.types;
	snprintf(a->event, sizeof(a->event), "%s", f->request.event);
	snprintf(a->unwind, sizeof(a->unwind), "%s", f->request.unwind);
	if (!f->updated) {
		a->since_wall_ns = clock_wall_ns();
		a->since_ns = clock_monotonic_ns();
		a->connection = f->request.connection;
		a->from_config = f->request.from_config;
	}
	f->done(f->userdata, a, f->updated, NULL);
	follow_free(f);
}

/* ---- what runs already ---- */

static int by_pid(const void *a, const void *b)
{
	uint32_t x = ((const struct scanned *)a)->pid, y = ((const struct scanned *)b)->pid;
	return x < y ? -1 : x > y;
}

/* The list is sorted once the scan is through. */
static struct scanned *scanned_get(const struct follow *f, uint32_t pid)
{
	struct scanned key = { .pid = pid };
	return f->scanned.n == 0
		       ? NULL
		       : bsearch(&key, f->scanned.data, f->scanned.n, sizeof(key), by_pid);
}

/* Has /proc's mappings read for what will be sampled, before it is. Its process.id, or 0. */
static uint32_t want_maps(struct follow *f, uint32_t pid)
{
	struct process *process =
		process_table_find(f->profd->processes, pid, clock_monotonic_ns(), true);
	if (process && !process->maps_known)
		locator_ask(aggregate_locator(f->profd->aggregate), process);
	return process ? process->id : 0;
}

static void on_tables(void *userdata, bool cancelled)
{
	struct follow *f = userdata;
	if (cancelled)
		follow_free(f);
	else
		follow_start(f);
}

/* Children inherit what their parent was marked with; until nothing changes any more. */
static void inherit_marks(struct follow *f, uint64_t inherited)
{
	bool changed = true;
	for (unsigned depth = 0; changed && depth < MAX_DESCENT; depth++) {
		changed = false;
		ARRAY_EACH(&f->scanned, struct scanned, s) {
			const struct scanned *parent = scanned_get(f, s->ppid);
			uint64_t more = parent ? parent->marks & inherited & ~s->marks : 0;
			s->marks |= more;
			changed |= more != 0;
		}
	}
}

static void match_rules(struct follow *f, struct scanned *s)
{
	ARRAY_EACH(&f->rules, struct rule, rule) {
		if ((s->marks & rule->wire.require) != rule->wire.require)
			continue;
		if (rule->kind == RULE_COMM && fnmatch(rule->pattern, s->comm, 0) == 0)
			s->marks |= 1ULL << rule->bit;
	}
}

static void on_scan_done(void *userdata, int error)
{
	struct follow *f = userdata;
	struct profd *p = f->profd;
	struct attachment *a = attachment_of(f);

	if (!a || error < 0) {
		error_set(&f->error, error, EXIT_CODE_FAILED, "cannot read /proc: %s",
			strerror(error < 0 ? -error : ECANCELED));
		follow_fail(f);
		return;
	}
	if (f->scanned.n > 0)
		qsort(f->scanned.data, f->scanned.n, sizeof(struct scanned), by_pid);
	for (size_t i = 0; i < a->target.n_pids + a->target.n_below; i++) {
		bool below = i >= a->target.n_pids;
		const struct target_pid *t =
			below ? &a->target.below[i - a->target.n_pids] : &a->target.pids[i];
		struct scanned *s = scanned_get(f, t->pid);
		if (!s) {
			error_set(&f->error, -ESRCH, EXIT_CODE_NO_TARGET, "no process %u", t->pid);
			follow_fail(f);
			return;
		}
		if (check_owner(f, s) < 0) {
			follow_fail(f);
			return;
		}
		s->marks |= below && f->below_bit ? f->below_bit : 1ULL << a->bit;
	}
	uint64_t inherited = a->target.no_children ? f->below_bit : UINT64_MAX;
	/* Marks of named pids first, so that their children are followed from now on; the rest in
	 * the order of descent. */
	ARRAY_EACH(&f->scanned, struct scanned, s)
		if (s->marks)
			(void)kernel_target_pid(p->kernel, s->pid, s->marks);
	inherit_marks(f, inherited & f->below_bit);
	ARRAY_EACH(&f->scanned, struct scanned, s)
		match_rules(f, s);
	inherit_marks(f, inherited);
	uint32_t *wanted = calloc(f->scanned.n + 1, sizeof(*wanted));
	size_t n = 0;
	ARRAY_EACH(&f->scanned, struct scanned, s) {
		if (s->marks)
			(void)kernel_target_pid(p->kernel, s->pid, s->marks);
		uint32_t id = s->marks || a->target.all ? want_maps(f, s->pid) : 0;
		if (id && wanted)
			wanted[n++] = id;
	}
	/* First samples have their tables, as far as that does not take long. */
	unwind_wait(p->unwind, wanted, n, TABLES_WAIT_NS, on_tables, f);
}

static void on_scanned(void *userdata, int error, const struct target_process_info *info)
{
	struct follow *f = userdata;
	struct attachment *a = attachment_of(f);

	if (error < 0 || !a)
		return;
	aggregate_read(f->profd->aggregate, info);
	struct scanned *s = array_push(&f->scanned);
	if (!s)
		return;
	*s = (struct scanned){
		.pid = info->stat.pid ? info->stat.pid : info->pid,
		.ppid = info->stat.ppid,
		.owner_uid = info->owner_uid,
	};
	snprintf(s->comm, sizeof(s->comm), "%s", info->comm);
	if (f->request.own_processes && info->owner_uid == f->request.peer.uid)
		s->marks |= 1ULL << a->bit;
	ARRAY_EACH(&f->rules, struct rule, rule)
		if (rule->kind == RULE_EXE && info->exe_inode == rule->wire.inode &&
			((info->exe_major << 20) | info->exe_minor) == rule->wire.dev &&
			!rule->wire.require)
			s->marks |= 1ULL << rule->bit;
}

static void scan(struct follow *f)
{
	int r = target_scan(f->profd->io, on_scanned, on_scan_done, f);
	if (r < 0) {
		error_set(&f->error, r, EXIT_CODE_FAILED, "cannot read /proc: %s", strerror(-r));
		follow_fail(f);
	}
}

/* ---- patterns ---- */

static void resolve_next(struct follow *f);

static void on_resolved(void *userdata, int error, const struct target_resolved *r)
{
	struct follow *f = userdata;
	struct rule *rule = ARRAY_AT(&f->rules, struct rule, f->next_rule);

	if (error < 0) {
		error_set(&f->error, error, EXIT_CODE_NO_TARGET, "%s %s: %s",
			rule->kind == RULE_EXE ? "executable"
			: rule->unit	       ? "unit"
					       : "cgroup",
			rule->pattern,
			error == -ENOENT ? "there is no such thing" : strerror(-error));
		follow_fail(f);
		return;
	}
	rule->wire.inode = r->inode;
	rule->wire.dev = (r->major << 20) | r->minor;
	rule->wire.cgroup_id = r->cgroup_id;
	rule->wire.cgroup_level = r->cgroup_level;
	f->next_rule++;
	resolve_next(f);
}

static void rules_publish(struct follow *f)
{
	struct attachment *a = attachment_of(f);
	ARRAY_EACH(&f->rules, struct rule, rule) {
		kernel_target_rule(f->profd->kernel, rule->bit, &rule->wire);
		if (a && rule->kind == RULE_EXE)
			exes_add(f->profd, a, rule->bit, rule->pattern, &rule->wire);
	}
	scan(f);
}

static void resolve_next(struct follow *f)
{
	for (; f->next_rule < f->rules.n; f->next_rule++) {
		struct rule *rule = ARRAY_AT(&f->rules, struct rule, f->next_rule);
		if (rule->kind == RULE_COMM)
			continue;
		int r = target_resolve(f->profd->io,
			rule->kind == RULE_EXE ? TARGET_RESOLVE_EXE
			: rule->unit	       ? TARGET_RESOLVE_UNIT
					       : TARGET_RESOLVE_CGROUP,
			rule->pattern, on_resolved, f);
		if (r < 0) {
			error_set(&f->error, r, EXIT_CODE_FAILED, "%s: %s", rule->pattern,
				strerror(-r));
			follow_fail(f);
		}
		return;
	}
	rules_publish(f);
}

static int rule_add(
	struct follow *f, struct attachment *a, enum rule_kind kind, const char *pattern, bool unit)
{
	unsigned bit = a->bit;
	if (f->rules.n > 0) {
		int r = attachment_table_take_bit(f->profd->attachments, a, &bit);
		if (r < 0)
			return error_set(&f->error, r, EXIT_CODE_FAILED,
				"all %u attachments are taken: each further pattern takes one",
				LIMIT_ATTACHMENTS);
	}
	if (kind == RULE_COMM && strlen(pattern) >= ABI_GLOB)
		return error_set(&f->error, -EINVAL, EXIT_CODE_USAGE,
			"--comm %s: at most %d characters", pattern, ABI_GLOB - 1);
	struct rule *rule = array_push(&f->rules);
	if (!rule)
		return -ENOMEM;
	*rule = (struct rule){ .kind = kind, .bit = bit, .pattern = pattern, .unit = unit };
	rule->wire.kind = kind;
	rule->wire.require = f->below_bit;
	if (kind == RULE_COMM)
		snprintf(rule->wire.glob, sizeof(rule->wire.glob), "%s", pattern);
	return 0;
}

static int rules_make(struct follow *f, struct attachment *a)
{
	const struct target_spec *t = &a->target;
	int r = 0;

	if (t->n_below > 0 && (t->n_comms || t->n_exes)) {
		unsigned bit;
		r = attachment_table_take_bit(f->profd->attachments, a, &bit);
		if (r < 0)
			return error_set(&f->error, r, EXIT_CODE_FAILED, "no attachment is free");
		f->below_bit = 1ULL << bit;
	}
	for (size_t i = 0; i < t->n_comms && r >= 0; i++)
		r = rule_add(f, a, RULE_COMM, t->comms[i], false);
	for (size_t i = 0; i < t->n_exes && r >= 0; i++)
		r = rule_add(f, a, RULE_EXE, t->exes[i], false);
	for (size_t i = 0; i < t->n_cgroups && r >= 0; i++)
		r = rule_add(f, a, RULE_CGROUP, t->cgroups[i], false);
	for (size_t i = 0; i < t->n_units && r >= 0; i++)
		r = rule_add(f, a, RULE_CGROUP, t->units[i], true);
	return r;
}

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
		.scanned = ARRAY_INIT(struct scanned, MAX_SCANNED),
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
				      request->peer.uid, &a, &f->updated, &f->error);
	if (r < 0) {
		follow_fail(f);
		return;
	}
	f->attachment = a->id;
	if (!f->updated) {
		r = rules_make(f, a);
		if (r < 0) {
			follow_fail(f);
			return;
		}
		kernel_target_no_children(
			p->kernel, a->bits & ~f->below_bit, a->target.no_children);
		kernel_target_all(p->kernel, 1ULL << a->bit, a->target.all);
	}
	resolve_next(f);
}

void follow_detach(struct profd *p, struct attachment *a)
{
	pipeline_split(p);
	if (a->freq_hz)
		kernel_set_detach(p->kernel, a->event_set, a->bits);
	kernel_target_forget(p->kernel, a->bits);
	for (unsigned bit = 0; bit < ABI_ATTACHMENTS; bit++)
		if (a->bits >> bit & 1)
			aggregate_clear_bit(p->aggregate, bit);
	attachment_table_remove(p->attachments, a);
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
		if (a->freq_hz && !a->connection && only_pids(&a->target) &&
			follow_count(p, a) == 0)
			follow_detach(p, a);
		else
			i++;
	}
}

bool follow_descends(struct profd *p, const struct process *process, uint32_t pid)
{
	for (unsigned depth = 0; process && depth < MAX_DESCENT; depth++) {
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
