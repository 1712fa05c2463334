/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forkstorm PER_SECOND SECONDS: starts storm_child, which lies beside it, PER_SECOND times a
 * second. The truth: how many were started and ended well, their CPU time as the kernel accounts it
 * (with exec and the loader), and the part of it that was in storm_work(). Starts that are due
 * while 64 children live wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "workload.h"

#define ALIVE_MAX 64U

extern char **environ;

static unsigned long children, failed;
static unsigned alive;
static uint64_t child_ns, work_ns;

static void read_reports(int fd)
{
	uint64_t spent[64];
	ssize_t n;

	while ((n = read(fd, spent, sizeof(spent))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(spent[0]); i++)
			work_ns += spent[i];
	}
}

static void reap(bool block)
{
	struct rusage usage;
	int status;

	while (alive && wait4(-1, &status, block ? 0 : WNOHANG, &usage) > 0) {
		alive--;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			failed++;
		child_ns +=
			(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000U +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000U;
	}
}

static void start(const char *path, char *fd_text)
{
	char *argv[] = { (char *)"storm_child", fd_text, NULL };
	pid_t pid;
	int r = posix_spawn(&pid, path, NULL, NULL, argv, environ);

	if (r) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(r));
		exit(1);
	}
	alive++;
	children++;
}

int main(int argc, char **argv)
{
	char path[4096], fd_text[16];
	uint64_t begin, end, due;
	unsigned long rate;
	ssize_t n;
	int fds[2];

	if (argc != 3 || (rate = strtoul(argv[1], NULL, 10)) == 0 || rate > 100000) {
		(void)fprintf(stderr, "usage: forkstorm PER_SECOND SECONDS\n");
		return 2;
	}
	n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("storm_child"));
	if (n < 0 || pipe2(fds, O_NONBLOCK) < 0) {
		perror("forkstorm");
		return 1;
	}
	path[n] = '\0';
	(void)strcpy(strrchr(path, '/') + 1, "storm_child");
	(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	(void)snprintf(fd_text, sizeof(fd_text), "%d", fds[1]);

	begin = due = wall_ns();
	end = begin + seconds_ns(argv[2]);
	while (due < end) {
		struct timespec at = { .tv_sec = (time_t)(due / 1000000000U),
			.tv_nsec = (long)(due % 1000000000U) };

		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		reap(false);
		read_reports(fds[0]);
		if (alive >= ALIVE_MAX) {
			due = wall_ns() + 1000000U;
			continue;
		}
		start(path, fd_text);
		due += 1000000000U / rate;
	}
	reap(true);
	read_reports(fds[0]);
	(void)printf(
		"{\"children\":%lu,\"failed\":%lu,\"child_cpu_ns\":%llu,\"elapsed_ns\":%llu}\n",
		children, failed, (unsigned long long)child_ns,
		(unsigned long long)(wall_ns() - begin));
	print_function("storm_work", work_ns, work_ns);
	print_total();
	return failed ? 1 : 0;
}
