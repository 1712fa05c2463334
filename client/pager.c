/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the pager process: `sh -c PAGER`, or less. Without one that starts, output goes to the
 * terminal as it would have.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "client/interrupt.h"
#include "client/pager.h"

static pid_t pager;

static void run_pager(const char *command, int in)
{
	interrupt_restore();
	dup2(in, STDIN_FILENO);
	setenv("LESS", "FRSX", 0);
	if (command)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	else
		execlp("less", "less", (char *)NULL);
	execlp("cat", "cat", (char *)NULL);
	_exit(127);
}

void pager_open(void)
{
	const char *command = getenv("PAGER"), *term = getenv("TERM");
	int ends[2];

	if (!isatty(STDOUT_FILENO) || !term || !strcmp(term, "dumb"))
		return;
	if (command && (!*command || !strcmp(command, "cat")))
		return;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	fflush(stdout);
	pager = fork();
	if (pager == 0)
		run_pager(command, ends[0]);
	if (pager > 0) {
		dup2(ends[1], STDOUT_FILENO);
		/* Ctrl-C is the pager's to understand; it ends and we get EPIPE. */
		signal(SIGINT, SIG_IGN);
	}
	close(ends[0]);
	close(ends[1]);
}

void pager_close(void)
{
	if (pager <= 0)
		return;
	fflush(stdout);
	/* The pager was the only reader: what it did not take, nobody wanted. */
	clearerr(stdout);
	close(STDOUT_FILENO);
	while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
		;
	pager = 0;
	/* What is printed after this has nowhere to go; the descriptor must not become another
	 * file. */
	(void)open("/dev/null", O_WRONLY);
}
