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
	/* Who may see only its own processes cannot attach to all there are, and who has attached
	 * the target for other types would change that: then each portion is collected by itself.
	 */
	bool by_itself;
	/* What covers the target, its own or somebody else's; 0: nothing that the user is told of.
	 */
	uint64_t attachment;
	/* One of its own, of this target and other types, which must not become another. */
	bool own_is_other;
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
	request.type = (char *)f->o->types.names[0];
	attach_states(f->o, request.type, &request);
	request.target = &message.wire;
	if (f->by_itself) {
		request.seconds_ns = f->interval_ns;
		request.threshold_ns = f->o->waits.threshold_ns;
		request.threshold_all = f->o->waits.has_threshold && !request.threshold_ns;
	} else
		request.since_wall_ns = f->since_wall_ns;
	return fetch_profile_waiting(f->remote, &request, &message, wait, ret, error);
}

static void read_state(struct feed *f, bool *ret_paused, bool *ret_ended)
{
	pthread_mutex_lock(&f->lock);
	*ret_paused = f->paused;
	*ret_ended = f->ended;
	pthread_mutex_unlock(&f->lock);
}

static bool is_ended(struct feed *f)
{
	bool paused, ended;

	read_state(f, &paused, &ended);
	return ended;
}

/* One interval, or the end of a pause. */
static void wait_for_interval(struct feed *f)
{
	struct pollfd p = { .fd = f->wake, .events = POLLIN };
	uint64_t n, now = clock_monotonic_ns();
	uint64_t until = now + (f->by_itself ? 0 : f->interval_ns);
	bool paused, ended, was_paused = false;

	for (;; now = clock_monotonic_ns()) {
		read_state(f, &paused, &ended);
		if (ended || (!paused && (was_paused || now >= until)))
			break;
		was_paused = paused;
		if (poll(&p, 1, paused ? -1 : (int)((until - now) / NS_PER_MS) + 1) > 0)
			(void)!read(f->wake, &n, sizeof(n));
	}
	/* What was sampled while nobody looked is not part of the next interval. */
	if (was_paused)
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

static void drop_portion(struct feed *f)
{
	if (f->has_portion)
		profile_free(f->portion.profile);
	f->has_portion = false;
}

static void post(struct feed *f, struct portion *portion)
{
	uint64_t one = 1;

	pthread_mutex_lock(&f->lock);
	/* It was on its way when the pause began. That there is nothing more is said all the same.
	 */
	if (f->paused && !portion->error.code) {
		profile_free(portion->profile);
	} else {
		drop_portion(f);
		f->portion = *portion;
		f->has_portion = true;
	}
	pthread_mutex_unlock(&f->lock);
	(void)!write(f->ready, &one, sizeof(one));
}

/* An attachment without a target is its owner's: it covers what that user may see. */
static bool collects(const Profd__V1__Attachment *a, const char *type, const char *target)
{
	if (!*a->target || (strcmp(a->target, target) != 0 && strcmp(a->target, "--all") != 0))
		return false;
	for (size_t i = 0; i < a->n_types; i++)
		if (!strcmp(a->types[i], type))
			return true;
	return false;
}

/* What is relied on is still there; else everything is attached, or the target in the same words.
 * As far as the caller is told. */
static int find_attachment(struct feed *f, struct error *error)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__ListRequest list = PROFD__V1__LIST_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	uint64_t found = 0;
	bool other = false;
	char text[1024];
	int r;

	request.body_case = PROFD__V1__REQUEST__BODY_LIST;
	request.list = &list;
	r = remote_call(
		f->remote, &request, NULL, PROFD__V1__REPLY__BODY_LIST, &wait, &reply, NULL, error);
	if (r < 0)
		return r;
	target_args_text(&f->o->target, text, sizeof(text));
	for (size_t i = 0; i < reply->list->n_attachments; i++) {
		const Profd__V1__Attachment *a = reply->list->attachments[i];

		if (f->attachment && a->id == f->attachment)
			return 0;
		if (!found && collects(a, f->o->types.names[0], text))
			found = a->id;
		else if (!strcmp(a->target, text) && a->owner_uid == geteuid())
			other = !f->o->target.all; /* that of everything is the configuration's */
	}
	f->attachment = found;
	f->own_is_other = other;
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
	int r = find_attachment(f, error);

	f->since_wall_ns = clock_wall_ns();
	*ret = f->attachment != 0;
	if (r < 0 || *ret || remote_hello(f->remote)->privileged)
		return r;
	return is_sampled(f, ret, error);
}

static int attach(struct feed *f, struct error *error)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	struct target_args all = { .all = true, .below_pidfd = -1 };
	bool everything = target_args_empty(&f->o->target) || f->o->target.all;
	struct error why = ERROR_INIT;
	int r;

	if (f->own_is_other) {
		f->by_itself = true;
		return 0;
	}
	r = attach_send(f->remote, f->o, everything ? &all : &f->o->target, true, &reply, &why);
	if (r < 0 && everything && why.code == EXIT_CODE_DENIED) {
		f->by_itself = true;
		return 0;
	}
	if (r < 0)
		return error_set(error, r, why.code, "%s", why.text);
	f->attachment = reply->attach->attachment->id;
	return 0;
}

static int cover(struct feed *f, struct error *error)
{
	bool covered;
	int r = is_covered(f, &covered, error);

	if (r == 0 && !covered)
		r = attach(f, error);
	f->since_wall_ns = clock_wall_ns();
	return r;
}

/* What covered the target may have been detached: it is another's, or another command's. A target
 * that has ended may have left samples, or have children. */
static int stay_covered(struct feed *f, bool empty, struct error *error)
{
	bool told = f->attachment != 0;
	int r = 0;

	if (told)
		r = find_attachment(f, error);
	if (r < 0 || f->by_itself || f->attachment || (!told && !empty))
		return r;
	r = attach(f, error);
	if (r == 0 || error->code != EXIT_CODE_NO_TARGET)
		return r;
	*error = (struct error)ERROR_INIT;
	return 0;
}

static void *run(void *userdata)
{
	struct feed *f = userdata;
	struct portion portion;

	for (;;) {
		wait_for_interval(f);
		if (is_ended(f))
			return NULL;
		fetch(f, &portion);
		if (!portion.error.code)
			(void)stay_covered(f, !portion.profile, &portion.error);
		if (portion.error.code && is_ended(f)) {
			profile_free(portion.profile);
			return NULL;
		}
		post(f, &portion);
		if (portion.error.code)
			return NULL;
	}
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
	drop_portion(f);
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
	if (paused && !f->portion.error.code)
		drop_portion(f);
	pthread_mutex_unlock(&f->lock);
	(void)!write(f->wake, &one, sizeof(one));
}
