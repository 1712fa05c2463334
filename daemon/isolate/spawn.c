/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the start of helper processes: vfork and execveat of the image this process itself runs
 * from, held open since the start. The child gets /dev/null for standard input and output (and
 * error, unless it is the target helper), the channel as fd 3, nothing else, an almost empty
 * environment, and SIGKILL when we die. Between vfork and exec the child makes system calls only.
 */
#include "isolate/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "isolate/channel.h"

static const char *const role_names[HELPER_ROLES] = {
	[HELPER_TARGET] = "target",
	[HELPER_SYMBOLIZER] = "symbolizer",
	[HELPER_ENCODER] = "encoder",
};

static int image_fd = -1; /* O_PATH; for the life of the process */

const char *helper_role_name(enum helper_role role)
{
	return role < HELPER_ROLES ? role_names[role] : "";
}

enum helper_role helper_role_parse(const char *name)
{
	for (unsigned i = 0; i < HELPER_ROLES; i++)
		if (!strcmp(name, role_names[i]))
			return i;
	return HELPER_ROLES;
}

int spawn_prepare(void)
{
	if (image_fd >= 0)
		return 0;
	image_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	return image_fd < 0 ? -errno : 0;
}

/* What sanitizers are told by the environment is kept, so that a test controls its helpers too. */
static void helper_environment(char *out[4])
{
	size_t n = 0;

#ifdef PROFD_SANITIZE
	extern char **environ;
	static const char *const keep[] = { "ASAN_OPTIONS=", "UBSAN_OPTIONS=" };
	for (char **e = environ; *e && n < 3; e++)
		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			if (n < 3 && !strncmp(*e, keep[i], strlen(keep[i])))
				out[n++] = *e;
#endif
	out[n] = NULL;
}

struct child_start {
	int null_fd, channel_fd;
	bool keep_stderr;
	pid_t parent;
	char *const *argv;
	char *const *envp;
};

/* Runs in the parent's memory, on a stack of its own frame only: system calls, nothing else. */
static void child_exec(const struct child_start *s)
{
	(void)setsid(); /* a Ctrl-C of the terminal is for the daemon */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != s->parent)
		_exit(EXIT_FAILURE);
	if (dup2(s->null_fd, 0) < 0 || dup2(s->null_fd, 1) < 0)
		_exit(EXIT_FAILURE);
	if (!s->keep_stderr && dup2(s->null_fd, 2) < 0)
		_exit(EXIT_FAILURE);
	if (dup2(s->channel_fd, CHANNEL_FD) < 0)
		_exit(EXIT_FAILURE);
	/* The image's fd must live until the exec, so the rest is marked instead of closed. */
	if (syscall(SYS_close_range, CHANNEL_FD + 1, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) < 0)
		_exit(EXIT_FAILURE);
	(void)syscall(SYS_execveat, image_fd, "", s->argv, s->envp, AT_EMPTY_PATH);
	_exit(EXIT_FAILURE);
}

static pid_t start_child(const struct child_start *s)
{
	sigset_t all, before;
	pid_t pid;

	/* No handler of ours may run in the child; it unblocks what it wants in helper_main(). */
	(void)sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
		return -errno;
	pid = vfork();
	if (pid == 0)
		child_exec(s);
	if (pid < 0)
		pid = -errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* A descriptor above those the child's numbers 0..3 are put on. */
static int above_channel(int fd)
{
	int high;

	if (fd > CHANNEL_FD || fd < 0)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
	(void)close(fd);
	return high;
}

int spawn_helper(enum helper_role role, pid_t *ret_pid, int *ret_pidfd, int *ret_channel)
{
	_cleanup_close_ int null_fd = -1, ours = -1, theirs = -1, pidfd = -1;
	char *argv[] = { (char *)"profd", (char *)"--helper", (char *)helper_role_name(role),
		NULL };
	char *envp[4];
	int pair[2];
	int size = (int)sizeof(struct channel_message) * 2;
	int r = spawn_prepare();

	if (r < 0)
		return r;
	image_fd = above_channel(image_fd);
	null_fd = above_channel(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (null_fd < 0 || image_fd < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = above_channel(pair[1]);
	if (theirs < 0 || fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	/* Best effort: the default holds one message already. */
	(void)setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));

	helper_environment(envp);
	struct child_start start = {
		.null_fd = null_fd,
		.channel_fd = theirs,
		.parent = getpid(),
		.argv = argv,
		.envp = envp,
#ifdef PROFD_SANITIZE
		.keep_stderr = true, /* a report must be seen */
#else
		.keep_stderr = role == HELPER_TARGET,
#endif
	};
	pid_t pid = start_child(&start);
	if (pid < 0)
		return pid;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		r = -errno;
		/* Ours and not reaped, so the number is still its own; it has done nothing yet. */
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	*ret_channel = TAKE_FD(ours);
	return 0;
}
