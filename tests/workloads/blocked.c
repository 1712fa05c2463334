/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocked hang SECONDS: a thread that waits for nothing to come, until the process exits around it.
 * blocked many N SECONDS: N threads that sleep, each a while, all the time.
 * blocked storm RATE SECONDS: RATE threads a second, each of which waits for 5 ms and ends.
 * blocked life SECONDS: threads that sleep, burn and hang, and say how long they lived.
 *
 *   (thread) hang_main  `- path_hang
 *   (thread) many_main  `- path_many
 *   (thread) storm_main `- path_storm
 *   main `- spawn_hang | spawn_many | spawn_storm
 *   (thread) life_main  `- life_sleep | life_burn | life_mixed
 */
#include <semaphore.h>
#include <stdatomic.h>
#include "waits.h"

#define SMALL_STACK 65536

static uint64_t end_ns;
static atomic_ulong n_waits, waited_ns;
static atomic_uint n_ready;

static pthread_t thread_of(void *(*run)(void *), void *userdata)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, SMALL_STACK);
	r = pthread_create(&thread, &attr, run, userdata);
	if (r) {
		(void)fprintf(stderr, "blocked: cannot start a thread: %s\n", strerror(r));
		exit(1);
	}
	(void)pthread_attr_destroy(&attr);
	return thread;
}

static void say_ready(void)
{
	(void)printf("ready\n");
	(void)fflush(stdout);
}

FRAME void path_hang(int fd)
{
	char c;

	if (read(fd, &c, 1) != 0)
		abort();
	__asm__ volatile("");
}

static FRAME void *hang_main(void *userdata)
{
	path_hang(*(int *)userdata);
	return NULL;
}

FRAME void spawn_hang(int *fds)
{
	(void)thread_of(hang_main, fds);
}

static int hang(void)
{
	static int fds[2];

	if (pipe(fds))
		return 1;
	spawn_hang(fds);
	sleep_ns(100000000);
	say_ready();
	while (wall_ns() < end_ns)
		sleep_ns(10000000);
	_exit(0);
}

FRAME void path_many(uint32_t *seed)
{
	uint64_t ns = 500 * wait_length(seed), begin = wall_ns();

	sleep_ns(ns);
	waited_ns += wall_ns() - begin;
	n_waits++;
}

static FRAME void *many_main(void *userdata)
{
	uint32_t seed = (uint32_t)(uintptr_t)userdata;

	n_ready++;
	while (wall_ns() < end_ns)
		path_many(&seed);
	return NULL;
}

FRAME pthread_t spawn_many(uintptr_t i)
{
	return thread_of(many_main, (void *)i);
}

static int many(unsigned long n)
{
	pthread_t *threads = calloc(n, sizeof(*threads));

	if (!threads)
		return 1;
	for (unsigned long i = 0; i < n; i++)
		threads[i] = spawn_many(i);
	while (n_ready < n)
		sleep_ns(1000000);
	say_ready();
	for (unsigned long i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	free(threads);
	return 0;
}

FRAME void path_storm(void)
{
	uint64_t begin = wall_ns();

	sleep_ns(5000000);
	waited_ns += wall_ns() - begin;
	n_waits++;
}

static FRAME void *storm_main(void *userdata)
{
	(void)userdata;
	path_storm();
	return NULL;
}

FRAME void spawn_storm(void)
{
	(void)pthread_detach(thread_of(storm_main, NULL));
}

static int storm(unsigned long rate)
{
	uint64_t begin = wall_ns(), n = 0;

	say_ready();
	while (wall_ns() < end_ns) {
		while (n < (wall_ns() - begin) * rate / 1000000000U) {
			spawn_storm();
			n++;
		}
		sleep_ns(1000000);
	}
	while (n_waits < n)
		sleep_ns(1000000);
	return 0;
}

static struct life {
	const char *name;
	void (*live)(void);
	pthread_t handle;
	uint32_t tid;
	uint64_t born_ns, begin_ns, end_ns, gone_ns, cpu_ns;
} lives[];

FRAME void life_sleep(void)
{
	sleep_ns(300000000);
	__asm__ volatile("");
}

FRAME void life_burn(void)
{
	burn(UNIT);
}

FRAME void life_mixed(void)
{
	burn(UNIT / 5);
	sleep_ns(200000);
	__asm__ volatile("");
}

static FRAME void *life_main(void *userdata)
{
	struct life *l = userdata;

	l->begin_ns = wall_ns();
	l->tid = (uint32_t)syscall(SYS_gettid);
	n_ready++;
	while (wall_ns() < end_ns)
		l->live();
	l->cpu_ns = thread_ns();
	l->end_ns = wall_ns();
	return NULL;
}

/* Those that end first are in front. */
static struct life lives[] = { { .name = "life_burn", .live = life_burn },
	{ .name = "life_mixed", .live = life_mixed },
	{ .name = "life_sleep", .live = life_sleep } };
#define LIVES (sizeof(lives) / sizeof(lives[0]))

static int live(void)
{
	sleep_ns(300000000); /* a life begins within what is looked at */
	for (size_t i = 0; i < LIVES; i++) {
		lives[i].born_ns = wall_ns();
		lives[i].handle = thread_of(life_main, &lives[i]);
	}
	while (n_ready < LIVES)
		sleep_ns(1000000);
	for (size_t i = 0; i < LIVES; i++)
		(void)printf("{\"lives\":\"%s\",\"tid\":%u}\n", lives[i].name, lives[i].tid);
	say_ready();
	for (size_t i = 0; i < LIVES; i++) {
		(void)pthread_join(lives[i].handle, NULL);
		lives[i].gone_ns = wall_ns();
	}
	for (size_t i = 0; i < LIVES; i++)
		(void)printf("{\"life\":\"%s\",\"tid\":%u,\"wall_ns\":%llu,\"most_ns\":%llu,"
			     "\"cpu_ns\":%llu}\n",
			lives[i].name, lives[i].tid,
			(unsigned long long)(lives[i].end_ns - lives[i].begin_ns),
			(unsigned long long)(lives[i].gone_ns - lives[i].born_ns),
			(unsigned long long)lives[i].cpu_ns);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	unsigned long n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	int r = 2;

	if (argc > 2)
		end_ns = wall_ns() + seconds_ns(argv[argc - 1]);
	if (strcmp(mode, "hang") == 0)
		r = hang();
	else if (strcmp(mode, "life") == 0)
		r = live();
	else if (strcmp(mode, "many") == 0 && n > 0)
		r = many(n);
	else if (strcmp(mode, "storm") == 0 && n > 0)
		r = storm(n);
	else
		(void)fprintf(stderr, "usage: blocked hang|life SECONDS, many|storm N SECONDS\n");
	if (n_waits)
		(void)printf("{\"waits\":%lu,\"waited_ns\":%lu}\n", (unsigned long)n_waits,
			(unsigned long)waited_ns);
	return r;
}
