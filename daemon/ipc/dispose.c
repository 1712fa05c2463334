/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the threads that close hostile descriptors: at most one for a uid and DISPOSE_THREADS in
 * all. A thread takes the descriptor out of the table first and only then waits for the file
 * system, so the rest of the daemon, and what it forks, never meets it. Threads share nothing but
 * `slots`.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ipc/dispose.h"
#include "wire/frame.h"

#define STACK_BYTES (256 * KIB)

struct slot {
	atomic_bool busy; /* set by the loop, cleared (release) by the thread as its last act */
	uid_t uid;
	size_t n;
	int fds[WIRE_MAX_FDS];
};

static struct slot slots[DISPOSE_THREADS];

static bool is_busy(struct slot *s)
{
	/* Pairs with the release in run(). */
	return atomic_load_explicit(&s->busy, memory_order_acquire);
}

bool dispose_ready(uid_t uid)
{
	bool some_free = false;

	for (size_t i = 0; i < DISPOSE_THREADS; i++) {
		if (!is_busy(&slots[i]))
			some_free = true;
		else if (slots[i].uid == uid)
			return false;
	}
	return some_free;
}

static void *run(void *userdata)
{
	struct slot *s = userdata;

	for (size_t i = 0; i < s->n; i++)
		close_fd(s->fds[i]);
	atomic_store_explicit(&s->busy, false, memory_order_release);
	return NULL;
}

static int start(struct slot *s)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;

	int r = pthread_attr_init(&attr);
	if (r != 0)
		return -r;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, run, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return -r;
}

void dispose_fds(uid_t uid, const int *fds, size_t n)
{
	struct slot *s = slots;

	while (s < slots + DISPOSE_THREADS && is_busy(s))
		s++;
	if (n == 0 || n > WIRE_MAX_FDS || s == slots + DISPOSE_THREADS)
		return;
	s->uid = uid;
	s->n = n;
	memcpy(s->fds, fds, n * sizeof(int));
	atomic_store_explicit(&s->busy, true, memory_order_relaxed);
	/* Without a thread the slot stays taken: to leak a few is better than to hang. */
	if (start(s) < 0)
		log_warning("no thread to close %zu descriptors that uid %u sent; they stay open",
			n, uid);
}
