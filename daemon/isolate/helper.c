/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the pools: which process has which job and what has overstayed; what waits is job.c's. Runs
 * in the daemon and never blocks: jobs are sent without waiting, replies are read when they are
 * there, the dead are reaped when their pidfd says so.
 *
 * Invariants: a job is in the queue, with one process, or done. BUSY + STUCK <= LIMIT_HELPER_STUCK,
 * so that even if all that are busy hang, no more than that many are stuck. Callbacks are the last
 * thing a handler does. What a helper of a parsing role says is not trusted: a reply that does not
 * fit the question ends the process like a crash.
 */
#include "isolate/helper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/limits.h"
#include "isolate/channel.h"
#include "isolate/process.h"
#include "isolate/spawn.h"

#define START_DEADLINE_MS 10000U /* exec and sandbox, on a loaded machine */
#define END_GRACE_MS	  1000U	 /* killed or told to end, and still there: stuck */
#define JOB_TRIES	  2U	 /* a process that died idle is not the job's fault */
#define BACKOFF_MIN_MS	  100U
#define BACKOFF_MAX_MS	  10000U
#define START_FAILURES	  3U  /* in a row, then waiting jobs are answered */
#define FREE_WAIT_MS	  100 /* for the killed to be reaped at the end of a pool */

struct helper_pool {
	sd_event *event; /* owned reference */
	struct helper_options options;
	struct helper_process *processes;
	unsigned n_state[HELPER_STUCK + 1];

	struct job_queue queue;
	uint64_t next_id;

	sd_event_source *on_work;  /* something can be handed over or answered */
	sd_event_source *on_retry; /* the back-off after failed starts is over */
	unsigned start_failures;
	bool backing_off, closing;
	bool ahead; /* keep one started for the next job; until trimmed */

	struct helper_stats stats;
	struct channel_message message; /* in or out; valid during a handler */
};

static void set_state(struct helper_process *p, enum helper_state state)
{
	p->pool->n_state[p->state]--;
	p->state = state;
	p->pool->n_state[state]++;
}

static unsigned n_live(const struct helper_pool *p)
{
	return p->n_state[HELPER_STARTING] + p->n_state[HELPER_IDLE] + p->n_state[HELPER_BUSY];
}

static unsigned n_all(const struct helper_pool *p)
{
	return n_live(p) + p->n_state[HELPER_ENDING] + p->n_state[HELPER_STUCK];
}

static void wake(struct helper_pool *p)
{
	if (p->on_work)
		(void)sd_event_source_set_enabled(p->on_work, SD_EVENT_ONESHOT);
}

/* Answers what waits now; what the callbacks submit meanwhile is left. */
static void queue_fail(struct helper_pool *p, int error)
{
	struct helper_job *jobs = job_queue_take_all(&p->queue);

	while (jobs) {
		struct helper_job *j = jobs;

		jobs = j->next;
		p->stats.jobs++;
		p->stats.failed++;
		helper_job_finish(j, error, NULL, 0, NULL, 0);
	}
}

/* ---- processes ---- */

static void process_remove(struct helper_process *process)
{
	struct helper_pool *p = process->pool;
	struct helper_process **at = &p->processes;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	p->n_state[process->state]--;
	helper_process_free(process);
	wake(p);
}

/* Kills it, reaps it if that works at once, else leaves it to its pidfd. */
static void process_end(struct helper_process *process, enum helper_state state)
{
	struct helper_pool *p = process->pool;

	helper_process_kill(process);
	helper_process_clear_timer(process);
	if (helper_process_reap(process, &p->stats.cpu_ns)) {
		process_remove(process);
		return;
	}
	set_state(process, state);
	if (state == HELPER_ENDING)
		helper_process_set_timer(process, END_GRACE_MS);
	wake(p);
}

static void start_failed(struct helper_pool *p)
{
	uint64_t ms = (uint64_t)BACKOFF_MIN_MS << MIN(p->start_failures, 7U);

	if (p->start_failures < UINT32_MAX)
		p->start_failures++;
	p->backing_off = true;
	(void)sd_event_source_set_time(
		p->on_retry, clock_monotonic_ns() / NS_PER_US + MIN(ms, BACKOFF_MAX_MS) * 1000);
	(void)sd_event_source_set_enabled(p->on_retry, SD_EVENT_ONESHOT);
	wake(p);
}

/* The process is of no use any more; its job, if it has one, gets the error. */
static void process_failed(struct helper_process *process, int error)
{
	struct helper_pool *p = process->pool;
	struct helper_job *job = TAKE_PTR(process->job);
	bool starting = process->state == HELPER_STARTING;

	if (job) {
		p->stats.jobs++;
		if (error == -ETIMEDOUT)
			p->stats.timed_out++;
		else
			p->stats.crashed++;
	}
	process_end(process, error == -ETIMEDOUT ? HELPER_STUCK : HELPER_ENDING);
	if (starting)
		start_failed(p);
	if (job)
		helper_job_finish(job, error, NULL, 0, NULL, 0);
}

static void reply_arrived(struct helper_process *process, int *fds, size_t n_fds)
{
	struct helper_pool *p = process->pool;
	struct helper_job *job = TAKE_PTR(process->job);
	const struct channel_frame *f = &p->message.frame;
	int error = f->status < 0 ? f->status : 0;

	p->stats.jobs++;
	if (error < 0)
		p->stats.failed++;
	p->ahead = p->options.fresh_process_per_job;
	helper_process_clear_timer(process);
	if (p->options.fresh_process_per_job || (f->flags & CHANNEL_LAST))
		process_end(process, HELPER_ENDING);
	else
		set_state(process, HELPER_IDLE);
	wake(p);
	if (error < 0)
		helper_job_finish(job, error, NULL, 0, NULL, 0);
	else
		helper_job_finish(job, 0, p->message.bytes, f->n, fds, n_fds);
}

static bool reply_fits(const struct helper_process *process)
{
	const struct channel_frame *f = &process->pool->message.frame;

	if (process->state == HELPER_STARTING)
		return f->job == 0 && f->n == 0;
	return process->state == HELPER_BUSY && f->job == process->job->id &&
	       f->n == (f->status > 0 ? (uint32_t)f->status : 0);
}

/* Reads one message if one is there. False: nothing there. */
static bool process_read(struct helper_process *process)
{
	struct helper_pool *p = process->pool;
	int fds[LIMIT_HELPER_FDS];
	size_t n_fds = 0;
	int r = channel_receive(
		process->channel, &p->message, fds, &n_fds, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (r == -EAGAIN)
		return false;
	if (r <= 0 || !reply_fits(process)) {
		process_failed(process, -EPIPE);
	} else if (process->state == HELPER_STARTING) {
		set_state(process, HELPER_IDLE);
		helper_process_clear_timer(process);
		p->start_failures = 0;
		wake(p);
	} else {
		reply_arrived(process, fds, n_fds);
	}
	for (size_t i = 0; i < n_fds; i++)
		(void)close_fd(fds[i]);
	return true;
}

static int on_channel(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	(void)s, (void)fd, (void)events;
	(void)process_read(userdata);
	return 0;
}

static int on_exit_seen(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct helper_process *process = userdata;
	struct helper_pool *p = process->pool;

	(void)s, (void)fd, (void)events;
	/* Its last words may still be there: the reply of a process that said it was the last. */
	if (process->channel >= 0 && process_read(process))
		return 0;
	if (process->state <= HELPER_BUSY) {
		process_failed(process, -EPIPE);
		return 0;
	}
	if (helper_process_reap(process, &p->stats.cpu_ns))
		process_remove(process);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct helper_process *process = userdata;

	(void)s, (void)usec;
	if (process->state == HELPER_ENDING) {
		set_state(process, HELPER_STUCK);
		wake(process->pool);
		return 0;
	}
	/* After a suspend or a SIGSTOP of ours the answer may be there with the deadline. */
	if (process->state <= HELPER_BUSY && process->channel >= 0 && !process_read(process))
		process_failed(process, -ETIMEDOUT);
	return 0;
}

static void process_start(struct helper_pool *p)
{
	static const struct helper_events events = { on_exit_seen, on_channel, on_deadline };
	struct helper_process *process = NULL;

	if (helper_process_new(&process, p, p->event, p->options.role, &events) < 0) {
		start_failed(p);
		return;
	}
	process->next = p->processes;
	p->processes = process;
	process->state = HELPER_STARTING;
	p->n_state[HELPER_STARTING]++;
	helper_process_set_timer(process, START_DEADLINE_MS);
}

/* ---- handing over ---- */

static struct helper_process *find_idle(const struct helper_pool *p)
{
	for (struct helper_process *i = p->processes; i; i = i->next)
		if (i->state == HELPER_IDLE)
			return i;
	return NULL;
}

static void hand_over(struct helper_process *process, struct helper_job *job)
{
	struct helper_pool *p = process->pool;
	int r;

	p->message.frame = (struct channel_frame){ .job = job->id, .n = (uint32_t)job->n };
	if (job->n > 0)
		memcpy(p->message.bytes, job->bytes, job->n);
	job->tries++;
	r = channel_send(process->channel, &p->message, job->fds, job->n_fds, MSG_DONTWAIT);
	if (r == 0) {
		/* The helper has its own now; ours would be one close too many later. */
		for (size_t i = 0; i < job->n_fds; i++)
			job->fds[i] = close_fd(job->fds[i]);
		job->n_fds = 0;
		process->job = job;
		set_state(process, HELPER_BUSY);
		helper_process_set_timer(process, p->options.deadline_ms);
		return;
	}
	if (job->tries < JOB_TRIES)
		job_queue_put_back(&p->queue, job);
	else
		process->job = job;
	process_failed(process, -EPIPE);
}

static bool may_start(const struct helper_pool *p)
{
	return !p->backing_off && n_live(p) < p->options.max_processes &&
	       n_all(p) < p->options.max_processes + LIMIT_HELPER_STUCK &&
	       p->n_state[HELPER_STUCK] < LIMIT_HELPER_STUCK;
}

static unsigned wanted(const struct helper_pool *p)
{
	return p->queue.n + (p->ahead ? 1 : 0);
}

static int on_work(sd_event_source *s, void *userdata)
{
	struct helper_pool *p = userdata;

	(void)s;
	while (p->queue.first &&
		p->n_state[HELPER_BUSY] + p->n_state[HELPER_STUCK] < LIMIT_HELPER_STUCK) {
		struct helper_process *idle = find_idle(p);

		if (!idle)
			break;
		hand_over(idle, job_queue_take(&p->queue));
	}
	while (p->n_state[HELPER_STARTING] + p->n_state[HELPER_IDLE] < wanted(p) && may_start(p))
		process_start(p);
	if (p->n_state[HELPER_STUCK] >= LIMIT_HELPER_STUCK)
		queue_fail(p, -EBUSY);
	else if (n_live(p) == 0 && p->start_failures >= START_FAILURES)
		queue_fail(p, -EPIPE);
	return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct helper_pool *p = userdata;

	(void)s, (void)usec;
	p->backing_off = false;
	wake(p);
	return 0;
}

/* ---- the pool ---- */

DEFINE_CLEANUP(struct helper_pool *, helper_pool_free)

int helper_pool_new(struct helper_pool **ret, sd_event *event, const struct helper_options *options)
{
	CLEANUP(helper_pool_freep) struct helper_pool *p = NULL;
	int r = spawn_prepare();

	if (r < 0)
		return r;
	if (options->role >= HELPER_ROLES || options->max_processes == 0)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->options = *options;
	p->event = sd_event_ref(event);
	job_queue_init(&p->queue);
	r = sd_event_add_defer(event, &p->on_work, on_work, p);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(p->on_work, SD_EVENT_OFF);
	if (r < 0)
		return r;
	r = sd_event_add_time(event, &p->on_retry, CLOCK_MONOTONIC, 0, 0, on_retry, p);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(p->on_retry, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

/* Gives the killed a moment, so that they are not left as zombies of a daemon that goes on; what is
 * stuck is left to init. */
static void reap_all(struct helper_pool *p)
{
	uint64_t until = clock_monotonic_ns() + FREE_WAIT_MS * NS_PER_MS;

	for (struct helper_process *i = p->processes; i; i = i->next) {
		struct pollfd wait = { .fd = i->pidfd, .events = POLLIN };
		uint64_t now = clock_monotonic_ns();

		if (i->state != HELPER_STUCK && now < until)
			(void)poll(&wait, 1, (int)((until - now) / NS_PER_MS) + 1);
		(void)helper_process_reap(i, &p->stats.cpu_ns);
	}
}

struct helper_pool *helper_pool_free(struct helper_pool *p)
{
	if (!p)
		return NULL;
	p->closing = true;
	for (struct helper_process *i = p->processes; i; i = i->next) {
		helper_process_kill(i);
		if (i->job)
			job_queue_put_back(&p->queue, TAKE_PTR(i->job));
	}
	queue_fail(p, -ECANCELED);
	reap_all(p);
	while (p->processes) {
		struct helper_process *next = p->processes->next;

		helper_process_free(p->processes);
		p->processes = next;
	}
	sd_event_source_disable_unref(p->on_retry);
	sd_event_source_disable_unref(p->on_work);
	sd_event_unref(p->event);
	free(p);
	return NULL;
}

int helper_pool_submit(struct helper_pool *p, const void *req, size_t n, const int *fds,
	size_t n_fds, helper_done_fn done, void *userdata, uint64_t *ret_id)
{
	CLEANUP(helper_job_freep) struct helper_job *j = NULL;
	int r;

	if (n > LIMIT_HELPER_MESSAGE || n_fds > LIMIT_HELPER_FDS)
		return -E2BIG;
	if (p->closing || p->n_state[HELPER_STUCK] >= LIMIT_HELPER_STUCK)
		return -EBUSY;
	if (!job_queue_has_room(&p->queue, n, n_fds))
		return -ENOBUFS;
	r = helper_job_new(&j, req, n, fds, n_fds);
	if (r < 0)
		return r;
	j->id = ++p->next_id;
	j->done = done;
	j->userdata = userdata;
	if (ret_id)
		*ret_id = j->id;
	job_queue_push(&p->queue, TAKE_PTR(j));
	wake(p);
	return 0;
}

void helper_pool_cancel(struct helper_pool *p, uint64_t id)
{
	for (struct helper_process *i = p->processes; i; i = i->next)
		if (i->job && i->job->id == id)
			i->job->done = NULL;
	helper_job_free(job_queue_take_id(&p->queue, id));
}

void helper_pool_get_stats(struct helper_pool *p, struct helper_stats *ret)
{
	*ret = p->stats;
	ret->running = n_live(p);
	ret->stuck = p->n_state[HELPER_STUCK];
	ret->queued = p->queue.n;
	for (struct helper_process *i = p->processes; i; i = i->next) {
		ret->cpu_ns += helper_process_cpu_ns(i);
		if (i->state <= HELPER_BUSY)
			ret->rss_bytes += helper_process_rss_bytes(i);
	}
}

void helper_pool_trim(struct helper_pool *p)
{
	struct helper_process *next;

	p->ahead = false;
	for (struct helper_process *i = p->processes; i; i = next) {
		next = i->next;
		if (i->state == HELPER_IDLE)
			process_end(i, HELPER_ENDING);
	}
}
