/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connection and the thread. Only the thread uses the connection once it runs; the lock is
 * about the portion and about how it is told to go on.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "client/fetch.h"
#include "client/load.h"
#include "live/feed.h"
#include "profile/pprof.h"

#define PROBE_MS 1000

struct feed {
	const struct attach_options *o;
	struct remote *remote;
	uint64_t interval_ns;
	/* Who may see only its own processes cannot attach to all there are: then each portion is
	 * collected by itself. */
	bool by_itself;
	uint64_t since_wall_ns; /* where the next portion begins */
	pthread_t thread;
	bool running;
	int ready, wake; /* eventfds; owned */
	pthread_mutex_t lock;
	struct portion portion;
	bool has_portion, paused, ended;
};

static int dump(struct feed *f, struct fetched *ret, struct error *error)
{
	Profd__V1__DumpRequest request = PROFD__V1__DUMP_REQUEST__INIT;
	struct remote_wait wait = { .interrupts = false };
	struct target_message message;

	target_args_message(&f->o->target, &message);
	/* Everything that may be seen, not a wish to see what may not. */
	message.wire.all = false;
	request.type = (char *)f->o->types[0];
	request.target = &message.wire;
	if (f->by_itself)
		request.seconds_ns = f->interval_ns;
	else
		request.since_wall_ns = f->since_wall_ns;
	return fetch_profile_waiting(f->remote, &request, &message, wait, ret, error);
}

static bool is_ended(struct feed *f)
{
	bool ended;

	pthread_mutex_lock(&f->lock);
	ended = f->ended;
	pthread_mutex_unlock(&f->lock);
	return ended;
}

/* One interval, or until it is woken up. */
static void pause_thread(struct feed *f)
{
	struct pollfd p = { .fd = f->wake, .events = POLLIN };
	bool paused;
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	paused = f->paused;
	pthread_mutex_unlock(&f->lock);
	if (poll(&p, 1, paused ? -1 : (int)(f->by_itself ? 0 : f->interval_ns / NS_PER_MS)) > 0)
		(void)!read(f->wake, &n, sizeof(n));
	/* What was sampled while nobody looked is not part of the next interval. */
	if (paused)
		f->since_wall_ns = clock_wall_ns() - f->interval_ns;
}

static void fetch(struct feed *f, struct portion *ret)
{
	CLEANUP(fetched_deinit) struct fetched fetched = FETCHED_INIT;
	struct error error = ERROR_INIT;
	uint64_t since = f->since_wall_ns, now = clock_wall_ns();
	int r = dump(f, &fetched, &error);

	*ret = (struct portion){ .span_ns = f->by_itself ? f->interval_ns : now - since };
	if (r == 0) {
		f->since_wall_ns = fetched.reply->dump->to_wall_ns;
		if (!f->by_itself && f->since_wall_ns > since)
			ret->span_ns = f->since_wall_ns - since;
		r = pprof_decode(fetched.data, fetched.n, &ret->profile, &error);
	} else if (error.code == EXIT_CODE_EMPTY) {
		f->since_wall_ns = now;
		return;
	}
	if (r < 0)
		ret->error = error;
}

static void post(struct feed *f, struct portion *portion)
{
	uint64_t one = 1;

	pthread_mutex_lock(&f->lock);
	if (f->has_portion)
		profile_free(f->portion.profile);
	f->portion = *portion;
	f->has_portion = true;
	pthread_mutex_unlock(&f->lock);
	(void)!write(f->ready, &one, sizeof(one));
}

static void *run(void *userdata)
{
	struct feed *f = userdata;
	struct portion portion;

	for (;;) {
		pause_thread(f);
		if (is_ended(f))
			return NULL;
		fetch(f, &portion);
		if (portion.error.code && is_ended(f))
			return NULL;
		post(f, &portion);
		if (portion.error.code)
			return NULL;
	}
}

static bool collects(const Profd__V1__Attachment *a, const char *type, const char *target)
{
	if (strcmp(a->target, target) != 0 && strcmp(a->target, "--all") != 0)
		return false;
	for (size_t i = 0; i < a->n_types; i++)
		if (!strcmp(a->types[i], type))
			return true;
	return false;
}

/* Everything is attached, or the target is in the same words: as far as the caller is told. */
static int is_attached(struct feed *f, bool *ret, struct error *error)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__ListRequest list = PROFD__V1__LIST_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	char text[1024];
	int r;

	request.body_case = PROFD__V1__REQUEST__BODY_LIST;
	request.list = &list;
	r = remote_call(
		f->remote, &request, NULL, PROFD__V1__REPLY__BODY_LIST, &wait, &reply, NULL, error);
	if (r < 0)
		return r;
	target_args_text(&f->o->target, text, sizeof(text));
	*ret = false;
	for (size_t i = 0; i < reply->list->n_attachments && !*ret; i++)
		*ret = collects(reply->list->attachments[i], f->o->types[0], text);
	return 0;
}

/* Samples of the target come although its user is not told of an attachment. */
static int is_sampled(struct feed *f, bool *ret, struct error *error)
{
	CLEANUP(fetched_deinit) struct fetched fetched = FETCHED_INIT;
	struct error why = ERROR_INIT;

	f->since_wall_ns = clock_wall_ns();
	(void)poll(NULL, 0, PROBE_MS);
	*ret = dump(f, &fetched, &why) == 0;
	if (!*ret && why.code != EXIT_CODE_EMPTY)
		return error_set(error, -EREMOTEIO, why.code, "%s", why.text);
	return 0;
}

static int is_covered(struct feed *f, bool *ret, struct error *error)
{
	int r = is_attached(f, ret, error);

	f->since_wall_ns = clock_wall_ns();
	if (r < 0 || *ret || remote_hello(f->remote)->privileged)
		return r;
	return is_sampled(f, ret, error);
}

static int cover(struct feed *f, struct error *error)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	struct target_args all = { .all = true, .below_pidfd = -1 };
	bool everything = target_args_empty(&f->o->target) || f->o->target.all, covered;
	struct error why = ERROR_INIT;
	int r = is_covered(f, &covered, error);

	if (r < 0 || covered)
		return r;
	r = attach_send(f->remote, f->o, everything ? &all : &f->o->target, true, &reply, &why);
	if (r < 0 && everything && why.code == EXIT_CODE_DENIED) {
		f->by_itself = true;
		return 0;
	}
	if (r < 0)
		return error_set(error, r, why.code, "%s", why.text);
	f->since_wall_ns = clock_wall_ns();
	return 0;
}

static int start(struct feed *f, struct error *error)
{
	int r = remote_connect(f->o->socket, &f->remote, error);

	if (r < 0)
		return r;
	r = cover(f, error);
	if (r < 0)
		return r;
	f->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = f->ready < 0 || f->wake < 0 ? errno : pthread_create(&f->thread, NULL, run, f);
	if (r)
		return error_set(
			error, -r, EXIT_CODE_FAILED, "cannot start a thread: %s", strerror(r));
	f->running = true;
	return 0;
}

int feed_new(struct feed **ret, const struct attach_options *o, uint64_t interval_ns,
	struct error *error)
{
	struct feed *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	f->o = o;
	f->interval_ns = interval_ns;
	f->ready = f->wake = -1;
	pthread_mutex_init(&f->lock, NULL);
	r = start(f, error);
	if (r < 0) {
		feed_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

struct feed *feed_free(struct feed *f)
{
	uint64_t one = 1;

	if (!f)
		return NULL;
	if (f->running) {
		pthread_mutex_lock(&f->lock);
		f->ended = true;
		pthread_mutex_unlock(&f->lock);
		(void)!write(f->wake, &one, sizeof(one));
		(void)shutdown(remote_fd(f->remote), SHUT_RDWR);
		(void)pthread_join(f->thread, NULL);
	}
	if (f->has_portion)
		profile_free(f->portion.profile);
	close_fd(f->ready);
	close_fd(f->wake);
	remote_free(f->remote);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return NULL;
}

int feed_fd(const struct feed *f)
{
	return f->ready;
}

bool feed_take(struct feed *f, struct portion *ret)
{
	bool has;
	uint64_t n;

	(void)!read(f->ready, &n, sizeof(n));
	pthread_mutex_lock(&f->lock);
	has = f->has_portion;
	if (has)
		*ret = f->portion;
	f->has_portion = false;
	pthread_mutex_unlock(&f->lock);
	return has;
}

void feed_pause(struct feed *f, bool paused)
{
	uint64_t one = 1;

	pthread_mutex_lock(&f->lock);
	f->paused = paused;
	pthread_mutex_unlock(&f->lock);
	(void)!write(f->wake, &one, sizeof(one));
}
