/* SPDX-License-Identifier: Apache-2.0 */
/*
 * starved N SECONDS: N busy threads on the last CPU. Each prints how long it was there, how long it
 * ran, and how long it waited for the CPU as the kernel counts it (/proc/PID/task/TID/schedstat).
 *
 *   (thread)
 *   `- starved_main
 *      `- starved_burn
 */
#include <sched.h>
#include "waits.h"

#define THREADS_MAX 64

static struct thread {
	pthread_t handle;
	struct wait_log log;
	uint64_t runq_ns;
} threads[THREADS_MAX];
static uint64_t end_ns;

static uint64_t runq_ns(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	unsigned long long waited = 0;

	if (!f || fscanf(f, "%*u %llu", &waited) != 1)
		abort();
	(void)fclose(f);
	return waited;
}

FRAME void starved_burn(void)
{
	while (wall_ns() < end_ns)
		burn(UNIT / 10);
}

static FRAME void *starved_main(void *userdata)
{
	struct thread *t = userdata;
	struct wait_times times = { 0 };

	times.tid = (uint32_t)syscall(SYS_gettid);
	WAIT_BEGIN(&times);
	t->runq_ns = runq_ns();
	starved_burn();
	t->runq_ns = runq_ns() - t->runq_ns;
	WAIT_END(&times);
	t->log = times.now;
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	cpu_set_t set;

	if (n == 0 || n > THREADS_MAX) {
		(void)fprintf(stderr, "usage: starved N SECONDS    N in 1..%d\n", THREADS_MAX);
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET((unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* its threads inherit it */
	end_ns = wall_ns() + seconds_ns(argv[2]);
	for (unsigned long i = 0; i < n; i++)
		if (pthread_create(&threads[i].handle, NULL, starved_main, &threads[i]))
			return 1;
	for (unsigned long i = 0; i < n; i++)
		(void)pthread_join(threads[i].handle, NULL);
	for (unsigned long i = 0; i < n; i++)
		(void)printf("{\"thread\":%u,\"wall_ns\":%llu,\"cpu_ns\":%llu,\"runq_ns\":%llu,"
			     "\"voluntary\":%u,\"involuntary\":%u}\n",
			threads[i].log.tid,
			(unsigned long long)(threads[i].log.end_ns - threads[i].log.begin_ns),
			(unsigned long long)threads[i].log.cpu_ns,
			(unsigned long long)threads[i].runq_ns, threads[i].log.voluntary,
			threads[i].log.involuntary);
	return 0;
}
