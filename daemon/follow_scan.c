/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks for what runs already: named processes, those that a pattern matches, and who descends from
 * either. Owners are checked here, where they are read. Comms and paths are the processes' own
 * words: they are compared, never followed.
 */
#include "follow.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"

#define TABLES_WAIT_NS (2 * NS_PER_SEC)

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

/* Children inherit what their parent was marked with; until nothing changes any more. */
static void inherit_marks(struct follow *f, uint64_t inherited)
{
	bool changed = true;
	for (unsigned depth = 0; changed && depth < FOLLOW_MAX_DESCENT; depth++) {
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

static int check_owner(struct follow *f, const struct scanned *s)
{
	if (f->request.from_config ||
		authz_allows(&f->request.peer, AUTHZ_ATTACH_PROCESS, s->owner_uid))
		return 0;
	return error_set(&f->error, -EPERM, EXIT_CODE_DENIED,
		"denied: process %u is not one of uid %u alone; root or group profd may attach it",
		s->pid, (unsigned)f->request.peer.uid);
}

/* cancelled: the daemon ends. */
static void on_tables(void *userdata, bool cancelled)
{
	struct follow *f = userdata;

	if (cancelled) {
		error_set(&f->error, -ECANCELED, EXIT_CODE_FAILED, "the daemon ends");
		follow_fail(f);
	} else {
		follow_start(f);
	}
}

static void on_scan_done(void *userdata, int error)
{
	struct follow *f = userdata;
	struct profd *p = f->profd;
	struct attachment *a = follow_attachment(f);

	if (!a) {
		follow_gone(f);
		return;
	}
	if (error < 0) {
		error_set(&f->error, error, EXIT_CODE_FAILED, "cannot read /proc: %s",
			strerror(-error));
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
	struct attachment *a = follow_attachment(f);

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

void follow_scan(struct follow *f)
{
	int r = target_scan(f->profd->io, on_scanned, on_scan_done, f);
	if (r < 0) {
		error_set(&f->error, r, EXIT_CODE_FAILED, "cannot read /proc: %s", strerror(-r));
		follow_fail(f);
	}
}
