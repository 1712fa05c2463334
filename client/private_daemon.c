/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a private profd: its process, its log and its socket's name. It leaves our process group, so
 * that Ctrl-C ends what is recorded and not what records; that it ends with us is its own care
 * (PR_SET_PDEATHSIG), which also holds when we are killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "client/interrupt.h"
#include "client/private_daemon.h"

#define START_MS 60000
#define STOP_MS	 10000

const char *private_daemon_path(char *buf, size_t n)
{
	static const char *const places[] = { "profd", "../daemon/profd", "../sbin/profd" };
	const char *env = getenv("PROFD_DAEMON");
	char self[LIMIT_PATH];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (env && *env)
		return env;
	self[MAX(length, 0)] = 0;
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(places); i++) {
		struct stat st;

		*slash = 0;
		if (snprintf(buf, n, "%s/%s", self, places[i]) < (int)n && stat(buf, &st) == 0 &&
			S_ISREG(st.st_mode) && access(buf, X_OK) == 0)
			return buf;
	}
	return "profd";
}

static void run_daemon(const struct private_daemon *d, const char *path, int ready)
{
	static const char *const systemd[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM" };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char number[16];

	interrupt_restore();
	setsid();
	/* We may run inside of a service: what systemd said to that one is not meant for profd. */
	for (size_t i = 0; i < ARRAY_SIZE(systemd); i++)
		unsetenv(systemd[i]);
	snprintf(number, sizeof(number), "%d", ready);
	setenv("PROFD_READY_FD", number, 1);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(d->log, STDERR_FILENO);
	fcntl(ready, F_SETFD, 0);
	execlp(path, "profd", "run", "--private", "--socket", d->socket, (char *)NULL);
	dprintf(STDERR_FILENO, "cannot execute the daemon %s: %s\n", path, strerror(errno));
	_exit(EXIT_CODE_NO_DAEMON);
}

/* A name that nobody can have taken or guessed, and no folder of its own that could stay behind. */
static int choose_socket(struct private_daemon *d, struct error *error)
{
	const char *tmp = getenv("TMPDIR");
	const char *folders[] = { "/run", tmp && *tmp ? tmp : "/tmp", "/tmp" };
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return error_set(
			error, -EIO, EXIT_CODE_FAILED, "the kernel gives no random number");
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		int n = snprintf(d->socket, sizeof(d->socket), "%s/profctl.%016llx.sock",
			folders[i], (unsigned long long)random);

		if (n < (int)sizeof(d->socket) && access(folders[i], W_OK | X_OK) == 0)
			return 0;
	}
	d->socket[0] = 0;
	return error_set(error, -EACCES, EXIT_CODE_FAILED,
		"cannot write to /run, TMPDIR or /tmp: there is no place for a private daemon's "
		"socket");
}

/* The last line it logged, without its name and level; the caller's, or NULL. */
static char *last_line(const struct private_daemon *d)
{
	_cleanup_free_ char *text = NULL;
	char *line, *colon;
	size_t n;

	if (lseek(d->log, 0, SEEK_SET) < 0 || io_read_fd(d->log, 16 * MIB, &text, &n) < 0)
		return NULL;
	while (n && text[n - 1] == '\n')
		text[--n] = 0;
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (line[0] == '<' && line[1] && line[2] == '>')
		line += 3;
	colon = strstr(line, "profd: ");
	if (colon == line)
		line += strlen("profd: ");
	return *line ? strdup(line) : NULL;
}

static int ended(struct private_daemon *d, struct error *error)
{
	_cleanup_free_ char *line = NULL;
	int status = 0, code;

	while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	d->pid = 0;
	line = last_line(d);
	code = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_CODE_FAILED;
	if (WIFSIGNALED(status))
		return error_set(error, -ECHILD, code,
			"the private daemon was ended by signal %d%s%s", WTERMSIG(status),
			line ? ": " : "", line ? line : "");
	return error_set(
		error, -ECHILD, code, "%s", line ? line : "the private daemon ended at once");
}

static int wait_ready(struct private_daemon *d, int ready, struct error *error)
{
	uint64_t deadline_ns = clock_monotonic_ns() + START_MS * NS_PER_MS;

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = ready, .events = POLLIN },
			{ .fd = interrupt_fd(), .events = POLLIN },
		};
		struct interrupt interrupt;
		char byte;

		if (clock_monotonic_ns() > deadline_ns)
			return error_set(error, -ETIMEDOUT, EXIT_CODE_FAILED,
				"the private daemon is not ready after %d s", START_MS / 1000);
		if (poll(p, 2, 1000) <= 0)
			continue;
		if (p[1].revents && interrupt_take(&interrupt))
			return error_set(error, -ECANCELED, EXIT_CODE_FAILED,
				"interrupted before anything was started");
		if (p[0].revents)
			return read(ready, &byte, 1) == 1 ? 0 : ended(d, error);
	}
}

int private_daemon_start(struct private_daemon *d, struct error *error)
{
	_cleanup_close_ int ready = -1;
	char room[LIMIT_PATH];
	const char *path = private_daemon_path(room, sizeof(room));
	int ends[2];
	int r;

	d->log = io_memfd("profd-log");
	if (d->log < 0)
		return error_set(error, d->log, EXIT_CODE_FAILED, "cannot make a memfd: %s",
			strerror(-d->log));
	r = choose_socket(d, error);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(
			error, -errno, EXIT_CODE_FAILED, "cannot make a pipe: %s", strerror(errno));
	ready = ends[0];
	fflush(NULL);
	d->pid = fork();
	if (d->pid == 0)
		run_daemon(d, path, ends[1]);
	close(ends[1]);
	if (d->pid < 0) {
		d->pid = 0;
		return error_set(error, -errno, EXIT_CODE_FAILED, "cannot start a process: %s",
			strerror(errno));
	}
	return wait_ready(d, ready, error);
}

void private_daemon_hide(struct private_daemon *d)
{
	if (d->socket[0])
		unlink(d->socket);
	d->socket[0] = 0;
}

void private_daemon_stop(struct private_daemon *d)
{
	uint64_t deadline_ns = clock_monotonic_ns() + STOP_MS * NS_PER_MS;

	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		while (waitpid(d->pid, NULL, WNOHANG) == 0) {
			if (clock_monotonic_ns() > deadline_ns)
				kill(d->pid, SIGKILL);
			poll(NULL, 0, 5);
		}
	}
	private_daemon_hide(d);
	d->log = close_fd(d->log);
	*d = (struct private_daemon)PRIVATE_DAEMON_INIT;
}
