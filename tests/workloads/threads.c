/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads N SECONDS: N named threads; "worker-0" is busy for one part, "worker-1" for two, and so
 * on, and asleep for the rest.
 *
 *   (thread)
 *   `- thread_main
 *      `- thread_work
 */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "workload.h"

#define THREADS_MAX 64

struct thread {
	pthread_t handle;
	unsigned parts;
	uint64_t end_ns, spent_ns;
	long tid;
	char name[16];
};

FRAME void thread_work(unsigned parts)
{
	burn(parts * UNIT);
}

static FRAME void *thread_main(void *userdata)
{
	struct thread *t = userdata;
	struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t start = thread_ns();

	(void)pthread_setname_np(pthread_self(), t->name);
	t->tid = syscall(SYS_gettid);
	while (wall_ns() < t->end_ns) {
		thread_work(t->parts);
		(void)nanosleep(&pause, NULL);
	}
	t->spent_ns = thread_ns() - start;
	return NULL;
}

int main(int argc, char **argv)
{
	static struct thread threads[THREADS_MAX];
	unsigned long n;
	uint64_t end, sum = 0;

	if (argc != 3 || (n = strtoul(argv[1], NULL, 10)) == 0 || n > THREADS_MAX) {
		(void)fprintf(stderr, "usage: threads N SECONDS    N in 1..%d\n", THREADS_MAX);
		return 2;
	}
	end = wall_ns() + seconds_ns(argv[2]);
	for (unsigned i = 0; i < n; i++) {
		threads[i] = (struct thread){ .parts = i + 1, .end_ns = end };
		(void)snprintf(threads[i].name, sizeof(threads[i].name), "worker-%u", i);
		if (pthread_create(&threads[i].handle, NULL, thread_main, &threads[i])) {
			(void)fprintf(stderr, "threads: cannot start thread %u\n", i);
			return 1;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		(void)pthread_join(threads[i].handle, NULL);
		sum += threads[i].spent_ns;
		(void)printf("{\"thread\":\"%s\",\"tid\":%ld,\"cpu_ns\":%llu}\n", threads[i].name,
			threads[i].tid, (unsigned long long)threads[i].spent_ns);
	}
	print_function("thread_work", sum, sum);
	print_total();
	return 0;
}
