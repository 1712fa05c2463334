/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex_lock SECONDS LOG: four threads and a lock that is a futex with three values, as that of
 * Rust's standard library: free, locked, and locked with somebody waiting. LOG: waits.h.
 *
 *   (thread)
 *   `- locker_main
 *      |- path_lock
 *      |  `- lock_contended
 *      |- hold
 *      `- unlock_wake
 */
#include <stdatomic.h>
#include <stdbool.h>
#include "waits.h"

#define THREADS 4

static _Atomic uint32_t lock_word;
static uint64_t end_ns;
static atomic_ulong n_wakes;

struct locker {
	pthread_t handle;
	struct wait_times times;
};

static bool try_lock(void)
{
	uint32_t expected = 0;

	return atomic_compare_exchange_strong(&lock_word, &expected, 1);
}

FRAME void lock_contended(void)
{
	for (int spin = 0; spin < 100 && atomic_load(&lock_word) == 1; spin++)
		__builtin_ia32_pause();
	while (atomic_exchange(&lock_word, 2) != 0)
		(void)futex((uint32_t *)&lock_word, FUTEX_WAIT, 2);
}

FRAME void path_lock(struct wait_times *t)
{
	WAIT_BEGIN(t);
	if (!try_lock())
		lock_contended();
	WAIT_END(t);
}

FRAME void unlock_wake(void)
{
	atomic_fetch_add(&n_wakes, 1);
	(void)futex((uint32_t *)&lock_word, FUTEX_WAKE, 1);
}

static FRAME void *locker_main(void *userdata)
{
	struct locker *l = userdata;

	l->times.tid = (uint32_t)syscall(SYS_gettid);
	while (wall_ns() < end_ns) {
		path_lock(&l->times);
		sleep_ns(3000000);
		if (atomic_exchange(&lock_word, 0) == 2)
			unlock_wake();
		wait_keep(&l->times);
		sleep_ns(500000);
	}
	switches_of(&l->times.whole);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct locker lockers[THREADS];
	FILE *log = argc == 3 ? fopen(argv[2], "w") : NULL;

	if (!log) {
		(void)fprintf(stderr, "usage: futex_lock SECONDS LOG\n");
		return 2;
	}
	end_ns = wall_ns() + seconds_ns(argv[1]);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&lockers[i].handle, NULL, locker_main, &lockers[i]))
			return 1;
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(lockers[i].handle, NULL);
	for (int i = 0; i < THREADS; i++)
		wait_report(&lockers[i].times, "path_lock", log);
	(void)printf("{\"wakes\":%lu}\n", (unsigned long)n_wakes);
	return fclose(log) ? 1 : 0;
}
