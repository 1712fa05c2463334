/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waits SECONDS LOG SCRATCH [PATH...]: a thread each that waits for 2 to 8 ms, again and again; LOG
 * gets every wait (waits.h), SCRATCH is a file that it may make, on the disk that is to be waited
 * for.
 *
 *   (thread)
 *   `- waiter_main
 *      `- path_mutex | path_condvar | path_rwlock | path_semaphore | path_nanosleep | path_pipe |
 *         path_socket | path_poll | path_epoll | path_futex | path_fsync | path_fault |
 * path_starved (thread, one for each of the paths that need one)
 *   `- partner_main
 *      `- release_mutex | release_condvar | ...
 *   (five threads) waiter_main `- path_five `- pass_five, (thread) five_main `- release_five
 *   (five threads) waiter_main `- path_readers,           (thread) readers_main `- release_readers
 *
 * path_starved burns on the CPU that hog_main burns on. The five wait for the mutex that one holds;
 * each passes it on at once. Readers are let in all at once by the writer.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "waits.h"

#define FIVE	    5
#define FAULT_BYTES (64U << 20)
#define FAULT_STEP  (1U << 18)

struct path {
	const char *name;
	void (*wait)(struct path *p, struct wait_times *t);
	void (*before)(struct path *p); /* what the waiter does itself, untimed */
	void (*after)(struct path *p);
	void (*hold)(struct path *p);	 /* partner, before the wait; NULL: nothing */
	void (*release)(struct path *p); /* partner, to end it; NULL: there is no partner */
	sem_t asked, held;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	pthread_rwlock_t rwlock;
	sem_t semaphore;
	_Atomic uint32_t word;
	bool flag;
	int fds[2], epoll;
	volatile unsigned char *map;
	uint32_t seed;
};

struct waiter {
	pthread_t handle;
	struct path *path;
	struct wait_times times;
};

static uint64_t end_ns;
static const char *scratch;
static atomic_bool stopped;

static uint32_t gettid_(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

/* Has the partner hold what is waited for, and release it after a while. */
static void ask(struct path *p)
{
	(void)sem_post(&p->asked);
	if (p->hold)
		while (sem_wait(&p->held))
			;
}

FRAME void path_mutex(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	(void)pthread_mutex_lock(&p->mutex);
	WAIT_END(t);
}

FRAME void pass_mutex(struct path *p)
{
	(void)pthread_mutex_unlock(&p->mutex);
}

static void hold_mutex(struct path *p)
{
	(void)pthread_mutex_lock(&p->mutex);
}

FRAME void release_mutex(struct path *p)
{
	(void)pthread_mutex_unlock(&p->mutex);
}

FRAME void path_condvar(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	(void)pthread_mutex_lock(&p->mutex);
	while (!p->flag)
		(void)pthread_cond_wait(&p->condition, &p->mutex);
	p->flag = false;
	(void)pthread_mutex_unlock(&p->mutex);
	WAIT_END(t);
}

FRAME void release_condvar(struct path *p)
{
	(void)pthread_mutex_lock(&p->mutex);
	p->flag = true;
	(void)pthread_mutex_unlock(&p->mutex);
	(void)pthread_cond_signal(&p->condition);
}

FRAME void path_rwlock(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	(void)pthread_rwlock_rdlock(&p->rwlock);
	WAIT_END(t);
}

FRAME void pass_rwlock(struct path *p)
{
	(void)pthread_rwlock_unlock(&p->rwlock);
}

static void hold_rwlock(struct path *p)
{
	(void)pthread_rwlock_wrlock(&p->rwlock);
}

FRAME void release_rwlock(struct path *p)
{
	(void)pthread_rwlock_unlock(&p->rwlock);
}

FRAME void path_semaphore(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	while (sem_wait(&p->semaphore))
		;
	WAIT_END(t);
}

FRAME void release_semaphore(struct path *p)
{
	(void)sem_post(&p->semaphore);
}

FRAME void path_nanosleep(struct path *p, struct wait_times *t)
{
	uint64_t ns = wait_length(&p->seed);

	WAIT_BEGIN(t);
	sleep_ns(ns);
	WAIT_END(t);
}

FRAME void path_pipe(struct path *p, struct wait_times *t)
{
	char c;

	WAIT_BEGIN(t);
	if (read(p->fds[0], &c, 1) != 1)
		abort();
	WAIT_END(t);
}

FRAME void path_socket(struct path *p, struct wait_times *t)
{
	char c;

	WAIT_BEGIN(t);
	if (recv(p->fds[0], &c, 1, 0) != 1)
		abort();
	WAIT_END(t);
}

FRAME void path_poll(struct path *p, struct wait_times *t)
{
	struct pollfd fd = { .fd = p->fds[0], .events = POLLIN };

	WAIT_BEGIN(t);
	(void)poll(&fd, 1, -1);
	WAIT_END(t);
}

FRAME void path_epoll(struct path *p, struct wait_times *t)
{
	struct epoll_event event;

	WAIT_BEGIN(t);
	(void)epoll_wait(p->epoll, &event, 1, -1);
	WAIT_END(t);
}

static void take_fd(struct path *p)
{
	char c;

	if (read(p->fds[0], &c, 1) != 1)
		abort();
}

FRAME void release_fd(struct path *p)
{
	if (write(p->fds[1], "", 1) != 1)
		abort();
}

FRAME void path_futex(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	while (!atomic_load(&p->word))
		(void)futex((uint32_t *)&p->word, FUTEX_WAIT, 0);
	WAIT_END(t);
	atomic_store(&p->word, 0);
}

FRAME void release_futex(struct path *p)
{
	atomic_store(&p->word, 1);
	(void)futex((uint32_t *)&p->word, FUTEX_WAKE, 1);
}

FRAME void path_fsync(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	(void)fsync(p->fds[1]);
	WAIT_END(t);
}

FRAME void write_page(struct path *p)
{
	static char page[4096];

	if (!p->fds[1])
		p->fds[1] = open(scratch, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	page[0]++;
	if (p->fds[1] < 0 || pwrite(p->fds[1], page, sizeof(page), 0) != sizeof(page))
		abort();
}

/* One pass over the file of map_file(), a page of each step. */
FRAME void path_fault(struct path *p, struct wait_times *t)
{
	unsigned sum = 0;

	WAIT_BEGIN(t);
	for (unsigned i = 0; i < FAULT_BYTES; i += FAULT_STEP)
		sum += p->map[i];
	WAIT_END(t);
	if (!sum)
		abort();
}

/* A mapping of a file of which nothing is in memory. */
FRAME void map_file(struct path *p)
{
	static const char ones[1 << 16] = { 1 };
	char name[4096];

	if (!p->fds[1]) {
		(void)snprintf(name, sizeof(name), "%s.fault", scratch);
		p->fds[1] = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		(void)unlink(name);
		for (unsigned i = 0; i < FAULT_BYTES; i += sizeof(ones))
			if (pwrite(p->fds[1], ones, sizeof(ones), i) != sizeof(ones))
				abort();
		(void)fsync(p->fds[1]);
	}
	(void)posix_fadvise(p->fds[1], 0, 0, POSIX_FADV_DONTNEED);
	p->map = mmap(NULL, FAULT_BYTES, PROT_READ, MAP_SHARED, p->fds[1], 0);
	if (p->map == MAP_FAILED)
		abort();
	(void)madvise((void *)p->map, FAULT_BYTES, MADV_RANDOM);
}

FRAME void unmap_file(struct path *p)
{
	(void)munmap((void *)p->map, FAULT_BYTES);
}

FRAME void pause_a_while(struct path *p)
{
	(void)p;
	sleep_ns(2000000);
}

static void use_last_cpu(void)
{
	cpu_set_t set;
	long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;

	CPU_ZERO(&set);
	CPU_SET((unsigned)last, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static FRAME void *hog_main(void *userdata)
{
	(void)userdata;
	use_last_cpu();
	while (!atomic_load(&stopped))
		burn(UNIT);
	return NULL;
}

FRAME void start_hogs(struct path *p)
{
	static pthread_t hogs[2];

	if (p->flag)
		return;
	use_last_cpu();
	for (int i = 0; i < 2; i++)
		if (pthread_create(&hogs[i], NULL, hog_main, NULL))
			abort();
	p->flag = true;
}

FRAME void path_starved(struct path *p, struct wait_times *t)
{
	(void)p;
	WAIT_BEGIN(t);
	burn(40 * UNIT);
	WAIT_END(t);
}

FRAME void path_five(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	(void)pthread_mutex_lock(&p->mutex);
	WAIT_END(t);
}

FRAME void pass_five(struct path *p)
{
	(void)pthread_mutex_unlock(&p->mutex);
	sleep_ns(1000000);
}

FRAME void release_five(struct path *p)
{
	(void)pthread_mutex_unlock(&p->mutex);
}

static FRAME void *five_main(void *userdata)
{
	struct path *p = userdata;

	while (!atomic_load(&stopped)) {
		(void)pthread_mutex_lock(&p->mutex);
		sleep_ns(20000000);
		release_five(p);
		sleep_ns(1000000);
	}
	return NULL;
}

FRAME void path_readers(struct path *p, struct wait_times *t)
{
	WAIT_BEGIN(t);
	(void)pthread_rwlock_rdlock(&p->rwlock);
	WAIT_END(t);
}

FRAME void pass_readers(struct path *p)
{
	(void)pthread_rwlock_unlock(&p->rwlock);
	sleep_ns(1000000);
}

FRAME void release_readers(struct path *p)
{
	(void)pthread_rwlock_unlock(&p->rwlock);
}

static FRAME void *readers_main(void *userdata)
{
	struct path *p = userdata;

	while (!atomic_load(&stopped)) {
		(void)pthread_rwlock_wrlock(&p->rwlock);
		sleep_ns(20000000);
		release_readers(p);
		sleep_ns(3000000);
	}
	return NULL;
}

static struct path paths[] = {
	{ .name = "path_mutex",
		.wait = path_mutex,
		.after = pass_mutex,
		.hold = hold_mutex,
		.release = release_mutex },
	{ .name = "path_condvar", .wait = path_condvar, .release = release_condvar },
	{ .name = "path_rwlock",
		.wait = path_rwlock,
		.after = pass_rwlock,
		.hold = hold_rwlock,
		.release = release_rwlock },
	{ .name = "path_semaphore", .wait = path_semaphore, .release = release_semaphore },
	{ .name = "path_nanosleep", .wait = path_nanosleep },
	{ .name = "path_pipe", .wait = path_pipe, .release = release_fd },
	{ .name = "path_socket", .wait = path_socket, .release = release_fd },
	{ .name = "path_poll", .wait = path_poll, .after = take_fd, .release = release_fd },
	{ .name = "path_epoll", .wait = path_epoll, .after = take_fd, .release = release_fd },
	{ .name = "path_futex", .wait = path_futex, .release = release_futex },
	{ .name = "path_fsync", .wait = path_fsync, .before = write_page, .after = pause_a_while },
	{ .name = "path_fault", .wait = path_fault, .before = map_file, .after = unmap_file },
	{ .name = "path_starved", .wait = path_starved, .before = start_hogs },
	{ .name = "path_five", .wait = path_five, .after = pass_five },
	{ .name = "path_readers", .wait = path_readers, .after = pass_readers },
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static void prepare(struct path *p, uint32_t i)
{
	struct epoll_event event = { .events = EPOLLIN };
	bool is_socket = p->wait == path_socket;

	p->seed = i + 1;
	(void)sem_init(&p->asked, 0, 0);
	(void)sem_init(&p->held, 0, 0);
	(void)sem_init(&p->semaphore, 0, 0);
	(void)pthread_mutex_init(&p->mutex, NULL);
	(void)pthread_cond_init(&p->condition, NULL);
	(void)pthread_rwlock_init(&p->rwlock, NULL);
	if (p->release == release_fd) {
		if (is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, p->fds) : pipe(p->fds))
			abort();
		p->epoll = epoll_create1(0);
		if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->fds[0], &event))
			abort();
	}
}

static FRAME void *partner_main(void *userdata)
{
	struct path *p = userdata;

	for (;;) {
		while (sem_wait(&p->asked))
			;
		if (atomic_load(&stopped))
			return NULL;
		if (p->hold) {
			p->hold(p);
			(void)sem_post(&p->held);
		}
		sleep_ns(wait_length(&p->seed));
		p->release(p);
	}
}

static FRAME void *waiter_main(void *userdata)
{
	struct waiter *w = userdata;

	w->times.tid = gettid_();
	while (wall_ns() < end_ns) {
		if (w->path->release)
			ask(w->path);
		if (w->path->before)
			w->path->before(w->path);
		w->path->wait(w->path, &w->times);
		if (w->path->after)
			w->path->after(w->path);
		wait_keep(&w->times);
	}
	switches_of(&w->times.whole);
	return NULL;
}

static bool wanted(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return n == 0;
}

int main(int argc, char **argv)
{
	static struct waiter waiters[PATHS * FIVE];
	static pthread_t partners[PATHS];
	size_t n = 0, n_partners = 0;
	FILE *log;

	if (argc < 4) {
		(void)fprintf(stderr, "usage: waits SECONDS LOG SCRATCH [PATH...]\n");
		return 2;
	}
	end_ns = wall_ns() + seconds_ns(argv[1]);
	log = fopen(argv[2], "w");
	scratch = argv[3];
	if (!log)
		return 1;
	for (size_t i = 0; i < PATHS; i++) {
		struct path *p = &paths[i];
		void *(*other)(void *) = p->wait == path_five	   ? five_main
					 : p->wait == path_readers ? readers_main
					 : p->release		   ? partner_main
								   : NULL;
		if (!wanted(p->name, argv + 4, argc - 4))
			continue;
		prepare(p, (uint32_t)i);
		if (other && pthread_create(&partners[n_partners++], NULL, other, p))
			return 1;
		for (unsigned j = 0; j < (p->release || !other ? 1 : FIVE); j++, n++) {
			waiters[n].path = p;
			waiters[n].times.path = (uint32_t)i;
			if (pthread_create(&waiters[n].handle, NULL, waiter_main, &waiters[n]))
				return 1;
		}
	}
	for (size_t i = 0; i < n; i++)
		(void)pthread_join(waiters[i].handle, NULL);
	atomic_store(&stopped, true);
	for (size_t i = 0; i < PATHS; i++)
		if (paths[i].release && wanted(paths[i].name, argv + 4, argc - 4))
			(void)sem_post(&paths[i].asked);
	for (size_t i = 0; i < n_partners; i++)
		(void)pthread_join(partners[i], NULL);
	for (size_t i = 0; i < n; i++)
		wait_report(&waiters[i].times, waiters[i].path->name, log);
	(void)unlink(scratch);
	return fclose(log) ? 1 : 0;
}
