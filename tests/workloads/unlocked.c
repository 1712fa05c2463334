/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unlocked condvars|semaphores|pool SECONDS: threads that wake each other by futexes, a few hundred
 * times a second, and never wait for a lock: nobody but the one who waits takes its mutex.
 *
 *   (four threads) wait_condvar | wait_semaphore | pool_worker
 *   main
 *   `- signal_all | post_all | submit_all
 */
#include <semaphore.h>
#include <stdatomic.h>
#include "waits.h"

#define THREADS 4

struct place {
	pthread_t handle;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	sem_t semaphore;
	atomic_uint work;
	atomic_ulong done;
};

static struct place places[THREADS];
static uint64_t end_ns;

/* Whoever signals does not take the mutex; a signal that comes too early is made up for. */
static void wait_in(struct place *p, uint64_t limit_ns)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)limit_ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_mutex_lock(&p->mutex);
	if (!atomic_load(&p->work))
		(void)pthread_cond_timedwait(&p->condition, &p->mutex, &until);
	(void)pthread_mutex_unlock(&p->mutex);
}

FRAME void *wait_condvar(void *userdata)
{
	struct place *p = userdata;

	while (wall_ns() < end_ns) {
		wait_in(p, 50000000);
		p->done += atomic_exchange(&p->work, 0);
	}
	return NULL;
}

FRAME void signal_all(void)
{
	for (int i = 0; i < THREADS; i++) {
		atomic_store(&places[i].work, 1);
		(void)pthread_cond_signal(&places[i].condition);
		sleep_ns(1000000);
	}
}

FRAME void *wait_semaphore(void *userdata)
{
	struct place *p = userdata;

	while (wall_ns() < end_ns) {
		while (sem_wait(&p->semaphore))
			;
		p->done++;
	}
	return NULL;
}

FRAME void post_all(void)
{
	for (int i = 0; i < THREADS; i++) {
		(void)sem_post(&places[i].semaphore);
		sleep_ns(1000000);
	}
}

/* Idle but for a task now and then. */
FRAME void *pool_worker(void *userdata)
{
	struct place *p = userdata;

	while (wall_ns() < end_ns) {
		wait_in(p, 200000000);
		if (atomic_exchange(&p->work, 0)) {
			burn(UNIT / 10);
			p->done++;
		}
	}
	return NULL;
}

FRAME void submit_all(void)
{
	for (int i = 0; i < THREADS; i++) {
		sleep_ns(20000000);
		atomic_store(&places[i].work, 1);
		(void)pthread_cond_signal(&places[i].condition);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void *(*wait)(void *);
		void (*wake)(void);
	} modes[] = {
		{ "condvars", wait_condvar, signal_all },
		{ "semaphores", wait_semaphore, post_all },
		{ "pool", pool_worker, submit_all },
	};
	unsigned m = 0, done = 0;

	while (argc == 3 && m < 3 && strcmp(modes[m].name, argv[1]) != 0)
		m++;
	if (argc != 3 || m == 3) {
		(void)fprintf(stderr, "usage: unlocked condvars|semaphores|pool SECONDS\n");
		return 2;
	}
	end_ns = wall_ns() + seconds_ns(argv[2]);
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_mutex_init(&places[i].mutex, NULL);
		(void)pthread_cond_init(&places[i].condition, NULL);
		(void)sem_init(&places[i].semaphore, 0, 0);
		if (pthread_create(&places[i].handle, NULL, modes[m].wait, &places[i]))
			return 1;
	}
	while (wall_ns() < end_ns)
		modes[m].wake();
	post_all();
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(places[i].handle, NULL);
		done += (unsigned)places[i].done;
	}
	(void)printf("{\"wakings\":%u}\n", done);
	return 0;
}
