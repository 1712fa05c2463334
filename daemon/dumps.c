/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dump requests, from the message to the end of their span: whose, which span, attach for
 * `--seconds`, wait, have told what goes on. Owns the jobs under way; each belongs to one
 * ipc_request and ends with its reply or its cancellation.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "dumps.h"

#define PROGRESS_US (100 * 1000)
#define SECONDS_MAX (24ULL * 3600 * NS_PER_SEC)
#define SETTLE_US   (5 * 1000)
#define SETTLE_MAX  (1 * NS_PER_SEC)
#define DRAIN_NS    (16 * NS_PER_MS)

_Static_assert(WAIT_COUNT <= 32, "states are bits");

void dump_job_free(struct dump_job *j)
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
	flush_forget(&p->flush, &j->flush);
	living_forget(j->living);
	dump_free(j->dump);
	sd_event_source_disable_unref(j->timer);
	sd_event_source_disable_unref(j->settle);
	target_spec_deinit(&j->target);
	free(j->hints);
	free(j->threads);
	free(j->dead_pids);
	free(j);
}

void dump_job_fail(struct dump_job *j, const struct error *error)
{
	if (j->request)
		ipc_request_fail(j->request, error);
	j->request = NULL;
	dump_job_free(j);
}

/* ---- the end of the span ---- */

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
	dump_job_write(j);
	return 0;
}

/* What is in the span is known from here on; some of it may wait for its tables. */
static void job_settle(struct dump_job *j)
{
	j->settle_ns = clock_monotonic_ns() + SETTLE_MAX;
	if (early_oldest_ns(j->profd->early) >= j->until_ns ||
		sd_event_add_time_relative(j->profd->event, &j->settle, CLOCK_MONOTONIC, SETTLE_US,
			1000, on_settle, j) < 0)
		dump_job_write(j);
}

static void on_living(void *userdata, int error, struct dump_thread *threads, size_t n_threads)
{
	struct dump_job *j = userdata;
	struct error e = ERROR_INIT;

	j->living = NULL;
	if (error < 0) {
		error_set(&e, error, EXIT_CODE_FAILED, "cannot list threads: %s", strerror(-error));
		dump_job_fail(j, &e);
		return;
	}
	j->threads = threads;
	j->n_threads = n_threads;
	/* They were made before they were listed. */
	pipeline_drain(j->profd, DRAIN_NS);
	job_settle(j);
}

static void on_flushed(void *userdata, bool cancelled)
{
	struct dump_job *j = userdata;

	if (cancelled)
		return;
	/* What has ended since, with what went on in the span. */
	pipeline_drain(j->profd, DRAIN_NS);
	job_settle(j);
}

/* Bits of those who collect what the profile is of. */
static uint64_t collecting_bits(const struct dump_job *j)
{
	const struct attachment *a;
	uint64_t bits = 0;

	for (size_t i = 0; (a = attachment_table_at(j->profd->attachments, i)); i++)
		if (a->on && types_serve(a->types, j->type))
			bits |= a->bits;
	return j->attachment_bits ? bits & j->attachment_bits : bits;
}

/* A boundary, so that what is told later of a time before it is told apart. */
static void job_dump(struct dump_job *j)
{
	uint64_t now = pipeline_split(j->profd);
	uint64_t bits = collecting_bits(j);

	j->until_ns = j->until_ns ? MIN(j->until_ns, now) : now;
	if (j->type == PROFILE_THREADCREATE && bits) {
		int r = living_ask(&j->living, j->profd, dump_job_matches_process, on_living, j);
		if (r < 0)
			on_living(j, r, NULL, 0);
	} else if (types_go_on(1U << j->type) && bits) {
		j->flush = (struct flush_wait){ .bits = bits, .done = on_flushed, .userdata = j };
		flush_ask(&j->profd->flush, &j->flush);
	} else {
		job_settle(j);
	}
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
			dump_job_free(j);
		else
			dump_job_fail(j, error);
		return;
	}
	j->attachment = j->own_attachment = a->id;
	j->attachment_bits = a->bits;
	j->from_ns = a->since_ns;
	if (j->gone) {
		dump_job_free(j);
		return;
	}
	int r = sd_event_add_time_relative(
		j->profd->event, &j->timer, CLOCK_MONOTONIC, 1, 1000, on_tick, j);
	if (r < 0) {
		struct error e = ERROR_INIT;
		error_set(&e, r, EXIT_CODE_FAILED, "no timer: %s", strerror(-r));
		dump_job_fail(j, &e);
	}
}

static void job_attach(struct dump_job *j, uint32_t freq_hz)
{
	struct profd *p = j->profd;
	struct follow_request follow = {
		.target = j->target,
		.types = 1U << j->type,
		.threshold_ns = j->threshold_ns,
		.event = j->event,
		.unwind = "auto",
		.peer = j->peer,
		.connection = ipc_request_connection(j->request),
		.transient = true,
	};
	if (profile_type_probes(follow.types) & PROBE_CPU)
		follow.freq_hz = freq_hz ? freq_hz : p->config.freq_hz;
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

static int unknown_state(const char *name, struct error *error)
{
	char all[256], shown[40];
	size_t at = 0;

	for (int i = 0; i < WAIT_COUNT && at < sizeof(all); i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? ", " : "",
			wait_state_name((enum wait_state)i));
	return error_set(error, -EINVAL, EXIT_CODE_USAGE, "no state %s: there are %s, all",
		io_printable(name, shown, sizeof(shown)), all);
}

static int parse_type(struct dump_job *j, const Profd__V1__DumpRequest *m, struct error *error)
{
	uint32_t types;
	int r = types_from_names((const char *const *)&m->type, *m->type ? 1 : 0, &types, error);

	if (r >= 0)
		r = types_threshold(m->threshold_ns, m->threshold_all, &j->threshold_ns, error);
	if (r < 0)
		return r;
	j->type = (enum profile_type)__builtin_ctz(types);
	for (size_t i = 0; i < m->n_states; i++) {
		int state = wait_state_find(m->states[i]);
		if (strcmp(m->states[i], "all") == 0)
			j->states |= UINT32_MAX;
		else if (state < 0)
			return unknown_state(m->states[i], error);
		else
			j->states |= 1U << state;
	}
	if (j->states && !types_have_threshold(types))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"%s has no states: those are of what waits",
			profile_type_info(j->type)->name);
	return 0;
}

static int parse(struct dump_job *j, const Profd__V1__DumpRequest *m, int *fds, size_t n_fds,
	struct error *error)
{
	struct profd *p = j->profd;
	int64_t wall = (int64_t)(clock_wall_ns() - clock_monotonic_ns());

	int r = parse_type(j, m, error);
	if (r < 0)
		return r;
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
	r = take_dead_pids(j, m->target);
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
	dump_job_fail(j, &error);
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
		dump_job_fail(j, &error);
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
			dump_job_free(j);
	}
}
