/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dump requests, from the message to the reply: whose, which span, attach for `--seconds`, wait,
 * dump, answer. Owns the jobs under way; each belongs to one ipc_request and ends with its reply or
 * its cancellation.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "comments.h"
#include "profd.h"

#define PROGRESS_US (100 * 1000)
#define SECONDS_MAX (24ULL * 3600 * NS_PER_SEC)
#define SETTLE_US   (5 * 1000)
#define SETTLE_MAX  (1 * NS_PER_SEC)

struct dump_job {
	struct pending pending;
	struct profd *profd;
	struct ipc_request *request;
	struct peer peer;
	struct target_spec target;
	uint32_t *dead_pids; /* owned: pids named that have ended */
	size_t n_dead;
	bool any; /* no target: everything the peer may see */
	bool slots;
	uint64_t attachment_bits; /* of the attachment asked for, or of our own; 0: by target */
	uint64_t attachment_since_ns;
	uint64_t attachment;	 /* id of either */
	uint64_t own_attachment; /* id, made for --seconds */
	uint64_t from_ns, until_ns;
	uint64_t seconds_ns;
	char event[32];
	sd_event_source *timer;	 /* of --seconds */
	sd_event_source *settle; /* until samples of the span that wait for tables are walked, */
	uint64_t settle_ns;	 /* or that time */
	struct dump *dump;
	char *interpreters; /* owned; comments_interpreters() */
	bool attaching;	    /* follow_attach() owes us a call */
	bool gone;	    /* cancelled while it does */
	struct dump_job *next;
};

static void job_free(struct dump_job *j)
{
	struct profd *p = j->profd;

	for (struct dump_job **at = &p->dumps; *at; at = &(*at)->next) {
		if (*at == j) {
			*at = j->next;
			break;
		}
	}
	struct attachment *a = attachment_table_by_id(p->attachments, j->own_attachment);
	if (j->own_attachment && a)
		follow_detach(p, a);
	dump_free(j->dump);
	sd_event_source_disable_unref(j->timer);
	sd_event_source_disable_unref(j->settle);
	target_spec_deinit(&j->target);
	free(j->interpreters);
	free(j->dead_pids);
	free(j);
}

static void job_fail(struct dump_job *j, const struct error *error)
{
	if (j->request)
		ipc_request_fail(j->request, error);
	j->request = NULL;
	job_free(j);
}

/* ---- which samples ---- */

static bool pid_matches(struct dump_job *j, const struct process *process)
{
	for (size_t i = 0; i < j->target.n_pids + j->n_dead; i++) {
		uint32_t pid = i < j->target.n_pids ? j->target.pids[i].pid
						    : j->dead_pids[i - j->target.n_pids];
		if (process->pid == pid ||
			(!j->target.no_children && follow_descends(j->profd, process, pid)))
			return true;
	}
	return false;
}

static bool descends(void *userdata, uint32_t pid)
{
	void **both = userdata;
	return follow_descends(both[0], both[1], pid);
}

static bool target_matches(struct dump_job *j, const struct series_key *key)
{
	struct profd *p = j->profd;
	const struct process *process = process_table_get(p->processes, key->process);

	if (j->attachment_bits)
		return (key->attachments & j->attachment_bits) != 0;
	if (j->any || j->target.all)
		return true;
	if (!process)
		return false;
	if (pid_matches(j, process))
		return true;
	void *both[] = { p, (void *)process };
	struct target_candidate candidate = {
		.pid = process->pid,
		.comm = aggregate_name(p->aggregate, key->comm),
		.exe = process->exe ? process->exe : "",
		.cgroup = aggregate_name(p->aggregate, aggregate_cgroup(p->aggregate, key->cgroup)),
		.descends = descends,
		.userdata = both,
	};
	return target_spec_matches(&j->target, &candidate);
}

static bool series_matches(void *userdata, const struct series_key *key)
{
	struct dump_job *j = userdata;
	const struct aggregate_rate *rate = aggregate_rate(j->profd->aggregate, key->rate);

	return authz_allows(&j->peer, AUTHZ_DUMP_PROCESS, key->owner_uid) &&
	       strcmp(rate->event, j->event) == 0 && target_matches(j, key);
}

/* ---- the end ---- */

static const char *nothing_collected(struct profd *p)
{
	return attachment_table_at(p->attachments, 0)
		       ? "what is collected does not cover it (profctl ps); `--seconds 10` "
			 "collects it now"
		       : "nothing is collected; `profctl attach --pid PID` or `--seconds 10` "
			 "collects it";
}

static void reply_empty(struct dump_job *j)
{
	struct error error = ERROR_INIT;
	const struct attachment *a = attachment_table_by_id(j->profd->attachments, j->attachment);
	const struct target_spec *spec = a ? &a->target : &j->target;
	_cleanup_free_ char *target = target_spec_format(spec);
	const char *of = target && *target ? " of " : "";

	if (!target)
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	else if (j->seconds_ns || j->attachment_bits)
		error_set(&error, -ENODATA, EXIT_CODE_EMPTY,
			"no cpu samples%s%s: nothing %s used CPU in that time", of, target,
			spec->n_pids || spec->all ? "of it" : "that matches");
	else
		error_set(&error, -ENODATA, EXIT_CODE_EMPTY, "no cpu samples%s%s in that span: %s",
			of, target, nothing_collected(j->profd));
	job_fail(j, &error);
}

static void on_dumped(void *userdata, int error, struct dump_result *result)
{
	struct dump_job *j = userdata;
	struct profd *p = j->profd;

	j->dump = NULL;
	if (error == -ENODATA) {
		reply_empty(j);
		return;
	}
	if (error < 0) {
		struct error e = ERROR_INIT;
		error_set(&e, error, EXIT_CODE_FAILED, "the profile could not be written: %s",
			strerror(-error));
		job_fail(j, &e);
		return;
	}
	int64_t wall = (int64_t)(clock_wall_ns() - clock_monotonic_ns());
	_cleanup_free_ char *notes = comments_notes(p, result->from_ns, result->until_ns,
		j->interpreters ? j->interpreters : "", authz_privileged(&j->peer));
	char *note[32];
	size_t n_notes = 0;
	for (char *at = notes; at && *at && n_notes < ARRAY_SIZE(note);) {
		note[n_notes++] = at;
		at = strchrnul(at, '\n');
		if (*at)
			*at++ = '\0';
	}
	Profd__V1__DumpReply dump = PROFD__V1__DUMP_REPLY__INIT;
	dump.from_wall_ns = result->from_ns + (uint64_t)wall;
	dump.to_wall_ns = result->until_ns + (uint64_t)wall;
	dump.samples = result->samples;
	dump.bytes = result->bytes;
	dump.notes = note;
	dump.n_notes = n_notes;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	reply.body_case = PROFD__V1__REPLY__BODY_DUMP;
	reply.dump = &dump;
	if (j->request)
		ipc_request_reply(j->request, &reply, TAKE_FD(result->fd));
	j->request = NULL;
	job_free(j);
}

static char *on_comments(void *userdata, const struct dump *d)
{
	struct dump_job *j = userdata;
	const struct selection *s = dump_selection(d);
	free(j->interpreters);
	j->interpreters = comments_interpreters(j->profd, s);
	return j->interpreters
		       ? comments_profile(j->profd, s, j->interpreters, authz_privileged(&j->peer))
		       : NULL;
}

static void job_dump_now(struct dump_job *j)
{
	struct profd *p = j->profd;
	struct dump_rooms rooms = {
		.event = p->event,
		.aggregate = p->aggregate,
		.processes = p->processes,
		.modules = p->modules,
		.symbolizer = p->symbolizer,
		.strings = &p->strings,
		.encoder = p->encoder,
	};
	struct dump_request request = {
		.from_ns = MAX(j->from_ns, j->attachment_since_ns),
		.until_ns = j->until_ns,
		.slots = j->slots,
		.kernel_addresses = authz_allows(&j->peer, AUTHZ_KERNEL_ADDRESSES, j->peer.uid),
		.matches = series_matches,
		.comments = on_comments,
		.userdata = j,
	};
	int r = dump_new(&j->dump, &rooms, &request, on_dumped, j);
	if (r < 0) {
		struct error error = ERROR_INIT;
		error_set(&error, r, EXIT_CODE_FAILED, "cannot make a dump: %s", strerror(-r));
		job_fail(j, &error);
	}
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dump_job *j = userdata;

	(void)usec;
	if (early_oldest_ns(j->profd->early) < j->until_ns && clock_monotonic_ns() < j->settle_ns) {
		(void)sd_event_source_set_time_relative(source, SETTLE_US);
		(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	sd_event_source_disable_unref(TAKE_PTR(j->settle));
	early_flush(j->profd->early, UINT32_MAX, j->until_ns);
	job_dump_now(j);
	return 0;
}

/* What is in the span is known from here on; some of it may wait for its tables. */
static void job_dump(struct dump_job *j)
{
	uint64_t now = pipeline_split(j->profd);

	j->until_ns = j->until_ns ? MIN(j->until_ns, now) : now;
	j->settle_ns = clock_monotonic_ns() + SETTLE_MAX;
	if (early_oldest_ns(j->profd->early) >= j->until_ns ||
		sd_event_add_time_relative(j->profd->event, &j->settle, CLOCK_MONOTONIC, SETTLE_US,
			1000, on_settle, j) < 0)
		job_dump_now(j);
}

/* ---- --seconds ---- */

static void seconds_over(struct dump_job *j)
{
	sd_event_source_disable_unref(TAKE_PTR(j->timer));
	j->until_ns = 0;
	job_dump(j);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dump_job *j = userdata;
	uint64_t done = clock_monotonic_ns() - j->from_ns;

	(void)usec;
	if (done >= j->seconds_ns) {
		seconds_over(j);
		return 0;
	}
	uint64_t left_us = (j->seconds_ns - done) / NS_PER_US;
	ipc_request_progress(j->request, done, j->seconds_ns, "collecting");
	(void)sd_event_source_set_time_relative(source, MIN(left_us + 1, (uint64_t)PROGRESS_US));
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static void on_attached(
	void *userdata, struct attachment *a, bool updated, const struct error *error)
{
	struct dump_job *j = userdata;

	(void)updated;
	j->attaching = false;
	if (!a) {
		if (j->gone)
			job_free(j);
		else
			job_fail(j, error);
		return;
	}
	j->attachment = j->own_attachment = a->id;
	j->attachment_bits = a->bits;
	j->from_ns = a->since_ns;
	if (j->gone) {
		job_free(j);
		return;
	}
	int r = sd_event_add_time_relative(
		j->profd->event, &j->timer, CLOCK_MONOTONIC, 1, 1000, on_tick, j);
	if (r < 0) {
		struct error e = ERROR_INIT;
		error_set(&e, r, EXIT_CODE_FAILED, "no timer: %s", strerror(-r));
		job_fail(j, &e);
	}
}

static void job_attach(struct dump_job *j, uint32_t freq_hz)
{
	struct profd *p = j->profd;
	struct follow_request follow = {
		.target = j->target,
		.types = ATTACHMENT_TYPE_CPU,
		.freq_hz = freq_hz ? freq_hz : p->config.freq_hz,
		.event = j->event,
		.unwind = "auto",
		.peer = j->peer,
		.connection = ipc_request_connection(j->request),
		.transient = true,
	};
	j->target = (struct target_spec){ 0 };
	if (j->any || follow.target.all) {
		follow.target.all = authz_privileged(&j->peer);
		follow.own_processes = !authz_privileged(&j->peer);
	}
	j->attaching = true;
	follow_attach(p, &follow, on_attached, j);
}

/* ---- the beginning ---- */

/* A pid that has ended is fine for a dump of the past; the message is left with those that live. */
static int take_dead_pids(struct dump_job *j, Profd__V1__Target *t)
{
	if (t->n_pids == 0 || t->n_pidfds > 0)
		return 0;
	if (t->n_pids > LIMIT_PIDS)
		return -E2BIG;
	j->dead_pids = calloc(t->n_pids, sizeof(uint32_t));
	if (!j->dead_pids)
		return -ENOMEM;
	size_t alive = 0;
	for (size_t i = 0; i < t->n_pids; i++) {
		if (kill((pid_t)t->pids[i], 0) < 0 && errno == ESRCH)
			j->dead_pids[j->n_dead++] = t->pids[i];
		else
			t->pids[alive++] = t->pids[i];
	}
	t->n_pids = alive;
	return 0;
}

static int parse(struct dump_job *j, const Profd__V1__DumpRequest *m, int *fds, size_t n_fds,
	struct error *error)
{
	struct profd *p = j->profd;
	int64_t wall = (int64_t)(clock_wall_ns() - clock_monotonic_ns());

	if (strcmp(m->type, "cpu") != 0 && *m->type)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"no profile type %s: this daemon has cpu", m->type);
	if (m->seconds_ns && (m->since_wall_ns || m->until_wall_ns))
		return error_set(
			error, -EINVAL, EXIT_CODE_USAGE, "seconds goes without since and until");
	if (m->seconds_ns > SECONDS_MAX)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "seconds is at most a day");
	if (m->freq_hz && (m->freq_hz < LIMIT_FREQ_MIN_HZ || m->freq_hz > LIMIT_FREQ_MAX_HZ))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "frequency %u Hz: %u to %u",
			m->freq_hz, LIMIT_FREQ_MIN_HZ, LIMIT_FREQ_MAX_HZ);
	snprintf(j->event, sizeof(j->event), "%s", *m->event ? m->event : p->config.event);
	j->slots = m->slots;
	j->seconds_ns = m->seconds_ns;
	if (m->since_wall_ns)
		j->from_ns = (uint64_t)MAX((int64_t)m->since_wall_ns - wall, 1);
	if (m->until_wall_ns)
		j->until_ns = (uint64_t)MAX((int64_t)m->until_wall_ns - wall, 1);
	if (m->attachment) {
		const struct attachment *a = attachment_table_by_id(p->attachments, m->attachment);
		if (!a || !authz_allows(&j->peer, AUTHZ_DETACH, a->owner_uid))
			return error_set(error, -ENOENT, EXIT_CODE_NO_TARGET, "no attachment %llu",
				(unsigned long long)m->attachment);
		j->attachment = a->id;
		j->attachment_bits = a->bits;
		j->attachment_since_ns = a->since_ns;
		snprintf(j->event, sizeof(j->event), "%s", a->event);
		return 0;
	}
	if (!m->target) {
		j->any = true;
		return 0;
	}
	int r = take_dead_pids(j, m->target);
	if (r >= 0)
		r = target_spec_from_wire(&j->target, m->target, fds, n_fds, error);
	if (r < 0)
		return r;
	if (j->n_dead && j->seconds_ns)
		return error_set(
			error, -ESRCH, EXIT_CODE_NO_TARGET, "no process %u", j->dead_pids[0]);
	j->any = target_spec_empty(&j->target) && j->n_dead == 0;
	return 0;
}

static void dump_cancelled(struct pending *pending, bool finish, bool gone)
{
	struct dump_job *j = (struct dump_job *)pending;
	struct error error = ERROR_INIT;

	if (finish && !gone) {
		if (j->timer)
			seconds_over(j);
		else if (j->attaching)
			j->seconds_ns = 1; /* over as soon as it has begun */
		return;
	}
	if (gone)
		j->request = NULL;
	if (j->attaching) {
		j->gone = true;
		if (j->request) {
			error_set(&error, -ECANCELED, EXIT_CODE_FAILED, "cancelled");
			ipc_request_fail(j->request, &error);
			j->request = NULL;
		}
		return;
	}
	error_set(&error, -ECANCELED, EXIT_CODE_FAILED, "cancelled");
	job_fail(j, &error);
}

void dumps_start(struct profd *p, struct ipc_request *r, const Profd__V1__DumpRequest *m, int *fds,
	size_t n_fds)
{
	struct error error = ERROR_INIT;
	struct dump_job *j = calloc(1, sizeof(*j));
	if (!j) {
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		ipc_request_fail(r, &error);
		return;
	}
	j->profd = p;
	j->request = r;
	j->peer = *ipc_request_peer(r);
	j->next = p->dumps;
	p->dumps = j;
	j->pending.cancel = dump_cancelled;
	ipc_request_set_userdata(r, &j->pending);
	p->dumped_ns = clock_monotonic_ns();
	if (parse(j, m, fds, n_fds, &error) < 0) {
		if (!error.code)
			error_set(
				&error, -EINVAL, EXIT_CODE_FAILED, "the request cannot be served");
		job_fail(j, &error);
		return;
	}
	if (j->seconds_ns)
		job_attach(j, m->freq_hz);
	else
		job_dump(j);
}

void dumps_free_all(struct profd *p)
{
	struct dump_job *next;

	for (struct dump_job *j = p->dumps; j; j = next) {
		next = j->next;
		if (!j->attaching)
			job_free(j);
	}
}
