/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the program's signalfd. State of the process, not of an object: signal masks are.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "client/interrupt.h"

static int fd = -1;
static sigset_t before;
static struct sigaction pipe_before;
static bool pipe_ignored;

int interrupt_open(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	sigset_t blocked;

	if (fd >= 0)
		return fd;
	sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct sigaction now;

		/* nohup and a shell's background jobs ignore some of them; a blocked signal would
		 * be queued all the same. */
		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&blocked, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &blocked, &before) < 0)
		return -errno;
	fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int interrupt_fd(void)
{
	return fd;
}

bool interrupt_take(struct interrupt *ret)
{
	struct signalfd_siginfo info;

	if (fd < 0 || read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	ret->signal = info.ssi_signo;
	ret->from_terminal = info.ssi_code == SI_KERNEL;
	return true;
}

void interrupt_ignore_pipe(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	pipe_ignored = sigaction(SIGPIPE, &ignore, &pipe_before) == 0;
}

void interrupt_restore(void)
{
	if (fd >= 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	if (pipe_ignored)
		sigaction(SIGPIPE, &pipe_before, NULL);
}
