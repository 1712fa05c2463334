/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the process of `record -- COMMAND`. Its standard streams and signals are as ours were.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "client/command.h"
#include "client/interrupt.h"

static void run_command(char **argv, int go, int failed)
{
	char byte;
	ssize_t n;
	int why;

	do {
		n = read(go, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(EXIT_CODE_RECORD_FAILED);
	interrupt_restore();
	execvp(argv[0], argv);
	why = errno;
	(void)!write(failed, &why, sizeof(why));
	_exit(why == ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_CANNOT_EXECUTE);
}

int command_start(struct command *c, char **argv, struct error *error)
{
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return error_set(error, -errno, EXIT_CODE_RECORD_FAILED, "cannot make a pipe: %s",
			strerror(errno));
	if (pipe2(failed, O_CLOEXEC) < 0) {
		close(go[0]);
		close(go[1]);
		return error_set(error, -errno, EXIT_CODE_RECORD_FAILED, "cannot make a pipe: %s",
			strerror(errno));
	}
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0) {
		/* Its own end of the pipe would keep it waiting for ever when we are gone. */
		close(go[1]);
		run_command(argv, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	c->go = go[1];
	c->failed = failed[0];
	if (c->pid < 0) {
		c->pid = 0;
		return error_set(error, -errno, EXIT_CODE_RECORD_FAILED,
			"cannot start a process: %s", strerror(errno));
	}
	c->pidfd = syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd < 0)
		return error_set(error, -errno, EXIT_CODE_RECORD_FAILED, "cannot open a pidfd: %s",
			strerror(errno));
	return 0;
}

int command_release(struct command *c, const char *name, struct error *error)
{
	ssize_t n;
	int why;

	if (write(c->go, "", 1) != 1)
		return error_set(error, -EPIPE, EXIT_CODE_RECORD_FAILED,
			"the command was killed before it began");
	c->go = close_fd(c->go);
	do {
		n = read(c->failed, &why, sizeof(why));
	} while (n < 0 && errno == EINTR);
	c->failed = close_fd(c->failed);
	if (n != sizeof(why))
		return 0;
	return error_set(error, -why,
		why == ENOENT ? EXIT_CODE_NOT_FOUND : EXIT_CODE_CANNOT_EXECUTE,
		"cannot execute %.200s: %s", name, strerror(why));
}

int command_status(struct command *c)
{
	siginfo_t info = { 0 };

	while (waitid(P_PID, c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void command_deinit(struct command *c)
{
	c->go = close_fd(c->go);
	c->failed = close_fd(c->failed);
	if (c->pid > 0)
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	c->pidfd = close_fd(c->pidfd);
	c->pid = 0;
}
