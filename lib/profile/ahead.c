/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the thread and the ring of windows. Invariant: windows [taken, made) are the reader's, the
 * others the thread's; the counters change under the lock only. The window that the reader holds is
 * the one before `taken`'s next and stays untouched, since at most AHEAD_WINDOWS - 1 are made
 * ahead.
 */
#include "profile/ahead.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct window {
	size_t n;
	int result;
	struct error error;
	uint8_t bytes[AHEAD_BYTES];
};

struct ahead {
	ahead_fill fill;
	void *ctx; /* borrowed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t made, taken; /* windows */
	bool stop;
	struct window windows[AHEAD_WINDOWS];
};

/* false: nobody wants more. */
static bool wait_for_room(struct ahead *a)
{
	bool go;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->stop && a->made - a->taken >= AHEAD_WINDOWS - 1)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	go = !a->stop;
	(void)pthread_mutex_unlock(&a->lock);
	return go;
}

static void *run(void *data)
{
	struct ahead *a = data;
	struct window *w = NULL;

	do {
		if (!wait_for_room(a))
			break;
		w = &a->windows[a->made % AHEAD_WINDOWS];
		w->n = 0;
		w->error.code = EXIT_CODE_OK;
		w->result = a->fill(a->ctx, w->bytes, &w->n, &w->error);
		(void)pthread_mutex_lock(&a->lock);
		a->made++;
		(void)pthread_cond_signal(&a->changed);
		(void)pthread_mutex_unlock(&a->lock);
	} while (w->result >= 0 && w->n);
	return NULL;
}

int ahead_new(struct ahead **ret, ahead_fill fill, void *ctx)
{
	struct ahead *a = malloc(sizeof(*a));
	sigset_t all, before;
	int r;

	if (!a)
		return -ENOMEM;
	a->fill = fill;
	a->ctx = ctx;
	a->made = a->taken = 0;
	a->stop = false;
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->changed, NULL);
	/* Signals are for the thread that was there before. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&a->thread, NULL, run, a);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		free(a);
		return -r;
	}
	*ret = a;
	return 0;
}

struct ahead *ahead_free(struct ahead *a)
{
	if (!a)
		return NULL;
	(void)pthread_mutex_lock(&a->lock);
	a->stop = true;
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->thread, NULL);
	(void)pthread_cond_destroy(&a->changed);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
	return NULL;
}

int ahead_next(struct ahead *a, const uint8_t **ret, size_t *ret_n, struct error *error)
{
	struct window *w;

	(void)pthread_mutex_lock(&a->lock);
	while (a->made == a->taken)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	w = &a->windows[a->taken % AHEAD_WINDOWS];
	/* The last one stays, so that the end is the end however often it is asked for. */
	if (w->result >= 0 && w->n)
		a->taken++;
	(void)pthread_cond_signal(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
	if (w->result < 0)
		return w->error.code
			       ? error_set(error, w->result, w->error.code, "%s", w->error.text)
			       : w->result;
	*ret = w->bytes;
	*ret_n = w->n;
	return 0;
}
