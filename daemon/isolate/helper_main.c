/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's side: prepares what needs files or privileges, enters the sandbox, says hello, then
 * answers one message after the other until the channel closes. The daemon is trusted; what it
 * hands over may be hostile, which is why this process exists.
 *
 * A helper leaves by _exit: after the sandbox nothing of the image's exit handlers has any business
 * (the leak checker of sanitizer builds would be killed by the filter).
 */
#include "isolate/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/table.h"
#include "isolate/channel.h"
#include "isolate/sandbox.h"
#include "isolate/spawn.h"

/* After this much CPU a process says so with its reply and ends: it is below RLIMIT_CPU of the
 * sandbox by more than one job may take. */
#define CPU_ENOUGH_NS (5 * NS_PER_SEC)

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
}

static int prepare(enum helper_role role, const char *name)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1,
		SIGUSR2 };
	char title[16] = "profd-";
	int type = 0;
	socklen_t n = sizeof(type);
	pid_t parent = getppid();
	sigset_t none;

	if (getsockopt(CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EINVAL;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH;
	/* A service manager signals the whole group when it stops us; the daemon may need one more
	 * answer then. Helpers end when their channel does. */
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);

	strncat(title, name, sizeof(title) - strlen(title) - 1);
	(void)prctl(PR_SET_NAME, title);
	/* Where it is not allowed, the kernel's own choice stands. */
	(void)write_file("/proc/self/oom_score_adj", "1000");
	/* What would be opened at first use, later, where nothing can be opened. */
	tzset();
	(void)hash_seed();
	/* Nobody needs the daemon's working directory; keeping it would pin a mount. */
	if (role != HELPER_TARGET && chdir("/") < 0)
		return -errno;
	return 0;
}

static int serve_one(helper_serve_fn serve, struct channel_message *in, struct channel_message *out,
	int *fds, size_t n_fds)
{
	int reply_fds[LIMIT_HELPER_FDS];
	size_t n_reply_fds = 0;
	int status = serve ? serve(in->bytes, in->frame.n, fds, n_fds, out->bytes, reply_fds,
				     &n_reply_fds)
			   : -EOPNOTSUPP;
	int r;

	out->frame = (struct channel_frame){
		.job = in->frame.job,
		.status = status,
		.n = status > 0 ? (uint32_t)status : 0,
		.flags = clock_process_cpu_ns() > CPU_ENOUGH_NS ? CHANNEL_LAST : 0,
	};
	r = channel_send(CHANNEL_FD, out, reply_fds, status < 0 ? 0 : n_reply_fds, 0);
	for (size_t i = 0; i < n_reply_fds; i++)
		(void)close_fd(reply_fds[i]);
	return r;
}

static int serve_loop(helper_serve_fn serve)
{
	/* Static: the stack limit is none of the messages' business. */
	static struct channel_message in, out;
	int fds[LIMIT_HELPER_FDS];
	int r;

	do {
		size_t n_fds = 0;

		r = channel_receive(CHANNEL_FD, &in, fds, &n_fds, MSG_CMSG_CLOEXEC);
		if (r <= 0)
			return r;
		r = serve_one(serve, &in, &out, fds, n_fds);
		for (size_t i = 0; i < n_fds; i++)
			(void)close_fd(fds[i]);
	} while (r == 0 && !(out.frame.flags & CHANNEL_LAST));
	return r;
}

int helper_main(const char *role_name, const helper_serve_fn serve[HELPER_ROLES])
{
	enum helper_role role = helper_role_parse(role_name);
	static struct channel_message hello;
	unsigned parts = 0;
	int r;

	if (role == HELPER_ROLES)
		return EXIT_CODE_USAGE;
	r = prepare(role, role_name);
	if (r < 0)
		return EXIT_CODE_FAILED;
	r = sandbox_enter(role, &parts);
	if (r < 0)
		_exit(EXIT_CODE_FAILED);
	hello.frame.flags = parts;
	r = channel_send(CHANNEL_FD, &hello, NULL, 0, 0);
	if (r == 0)
		r = serve_loop(serve[role]);
	_exit(r < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK);
}
