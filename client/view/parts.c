/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the threads of a piece of work: they end before it does. A part that gets no thread is done
 * by the caller's. What parts have in common is the caller's to keep unchanged.
 */
#include "view/parts.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include "base/cleanup.h"

/* Fewer are done before a thread has begun. */
#define MIN_ITEMS 16384U

struct part {
	parts_fn work;
	void *ctx; /* borrowed */
	unsigned number;
	size_t first, end;
	int result;
	pthread_t thread;
	bool threaded;
};

unsigned parts_of(size_t n)
{
	cpu_set_t cpus;
	size_t most = MIN(n / MIN_ITEMS, PARTS_MAX);

	if (most < 2 || sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return 1;
	return (unsigned)MAX(MIN(most, (size_t)CPU_COUNT(&cpus)), 1U);
}

static void *run(void *data)
{
	struct part *p = data;

	p->result = p->work(p->ctx, p->number, p->first, p->end);
	return NULL;
}

int parts_run(size_t n, unsigned parts, parts_fn work, void *ctx)
{
	struct part all[PARTS_MAX];
	sigset_t every, before;
	int r = 0;

	for (unsigned i = 0; i < parts; i++)
		all[i] = (struct part){ .work = work,
			.ctx = ctx,
			.number = i,
			.first = n / parts * i,
			.end = i + 1 < parts ? n / parts * (i + 1) : n };
	/* Signals are for the thread that was there before. */
	(void)sigfillset(&every);
	(void)pthread_sigmask(SIG_SETMASK, &every, &before);
	for (unsigned i = 1; i < parts; i++)
		all[i].threaded = !pthread_create(&all[i].thread, NULL, run, &all[i]);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (unsigned i = 0; i < parts; i++)
		if (!all[i].threaded)
			(void)run(&all[i]);
	for (unsigned i = 0; i < parts; i++) {
		if (all[i].threaded)
			(void)pthread_join(all[i].thread, NULL);
		r = r < 0 ? r : all[i].result;
	}
	return r;
}
