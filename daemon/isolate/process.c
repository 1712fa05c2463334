/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns one helper process: descriptors, event sources, its job. Knows nothing of queues. Nothing
 * here waits: a process that cannot die is left behind, watched by its pidfd.
 */
#include "isolate/process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include "base/clock.h"
#include "base/io.h"
#include "isolate/spawn.h"

static int watch(struct helper_process *p, sd_event *event, const struct helper_events *events)
{
	int r = sd_event_add_io(event, &p->on_exit, p->pidfd, EPOLLIN, events->on_exit, p);

	if (r < 0)
		return r;
	r = sd_event_add_io(event, &p->on_channel, p->channel, EPOLLIN, events->on_channel, p);
	if (r < 0)
		return r;
	r = sd_event_add_time(event, &p->on_time, CLOCK_MONOTONIC, 0, 0, events->on_time, p);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(p->on_time, SD_EVENT_OFF);
}

int helper_process_new(struct helper_process **ret, struct helper_pool *pool, sd_event *event,
	enum helper_role role, const struct helper_events *events)
{
	CLEANUP(helper_process_freep) struct helper_process *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->pool = pool;
	p->pidfd = p->channel = -1;
	r = spawn_helper(role, &p->pid, &p->pidfd, &p->channel);
	if (r < 0)
		return r;
	r = watch(p, event, events);
	if (r < 0) {
		/* Fresh and not yet ours to see: killed, and reaped in a moment it cannot refuse.
		 */
		helper_process_kill(p);
		(void)waitpid(p->pid, NULL, 0);
		return r;
	}
	*ret = TAKE_PTR(p);
	return 0;
}

struct helper_process *helper_process_free(struct helper_process *p)
{
	if (!p)
		return NULL;
	sd_event_source_disable_unref(p->on_time);
	sd_event_source_disable_unref(p->on_channel);
	sd_event_source_disable_unref(p->on_exit);
	(void)close_fd(p->channel);
	(void)close_fd(p->pidfd);
	helper_job_free(p->job);
	free(p);
	return NULL;
}

void helper_process_set_timer(struct helper_process *p, uint64_t ms)
{
	/* Both fail for a NULL source or a bad time only. */
	(void)sd_event_source_set_time(p->on_time, clock_monotonic_ns() / NS_PER_US + ms * 1000);
	(void)sd_event_source_set_enabled(p->on_time, SD_EVENT_ONESHOT);
}

void helper_process_clear_timer(struct helper_process *p)
{
	(void)sd_event_source_set_enabled(p->on_time, SD_EVENT_OFF);
}

void helper_process_kill(struct helper_process *p)
{
	(void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	p->on_channel = sd_event_source_disable_unref(p->on_channel);
	p->channel = close_fd(p->channel);
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * NS_PER_SEC + (uint64_t)tv->tv_usec * NS_PER_US;
}

bool helper_process_reap(struct helper_process *p, uint64_t *cpu_ns)
{
	struct rusage usage = { 0 };
	pid_t r = wait4(p->pid, NULL, WNOHANG, &usage);

	if (r == 0 || (r < 0 && errno != ECHILD))
		return false;
	if (r > 0)
		*cpu_ns += timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
	return true;
}

uint64_t helper_process_cpu_ns(const struct helper_process *p)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t helper_process_rss_bytes(const struct helper_process *p)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	uint64_t pages = 0;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", p->pid);
	if (io_read_file(AT_FDCWD, path, 4096, &text, &n) < 0 ||
		sscanf(text, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
