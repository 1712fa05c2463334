/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a parser that was taken over could try. Each try happens in a helper of its own; it must end
 * that helper or be refused, and never anything else.
 */
#include "helper_fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/io.h"
#include "isolate/sandbox.h"

static int try(const char *what, char *reply)
{
	static char *const argv[] = { (char *)"true", NULL };
	int fd = -1;

	if (!strcmp(what, "exec"))
		execv("/bin/true", argv);
	else if (!strcmp(what, "socket"))
		fd = socket(AF_INET, SOCK_STREAM, 0);
	else if (!strcmp(what, "unix socket"))
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
	else if (!strcmp(what, "kill"))
		return kill(getppid(), 0);
	else if (!strcmp(what, "fork"))
		return fork();
	else if (!strcmp(what, "clone"))
		return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	else if (!strcmp(what, "exec memory"))
		return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0) == MAP_FAILED
			       ? -errno
			       : 0;
	else if (!strcmp(what, "ptrace"))
		return (int)syscall(SYS_ptrace, 16, getppid(), 0, 0);
	else if (!strcmp(what, "bpf"))
		return (int)syscall(SYS_bpf, 0, NULL, 0);
	else if (!strcmp(what, "mount"))
		return (int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
	else if (!strcmp(what, "unlink"))
		return unlink("/nonexistent/profd");
	else if (!strcmp(what, "32-bit call"))
		__asm__ volatile("int $0x80" : : "a"(20) : "memory"); /* getpid of i386 */
	else if (!strcmp(what, "open"))
		fd = open("/etc/passwd", O_RDONLY);
	else if (!strcmp(what, "proc"))
		fd = open("/proc/self/maps", O_RDONLY);
	else if (!strcmp(what, "write file"))
		fd = open("/tmp/profd-escape", O_WRONLY | O_CREAT, 0600);
	else if (!strcmp(what, "abort"))
		abort();
	else if (!strcmp(what, "nothing"))
		return 0;
	else if (!strcmp(what, "memory")) {
		/* Writable memory, a memfd and its size are what a worker may have. */
		char *p = mmap(
			NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		_cleanup_close_ int m = io_memfd("answer");
		if (p == MAP_FAILED || m < 0 || ftruncate(m, 4096) < 0 || io_memfd_seal(m) < 0)
			return -EIO;
		memcpy(reply, "ok", 2);
		return 2;
	} else if (!strcmp(what, "too much memory")) {
		void *p = malloc(5UL << 30);

		memcpy(reply, p ? "yes" : "no", 2);
		free(p);
		return 2;
	}
	return fd < 0 ? -errno : 0;
}

static int serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	char what[64] = "";

	(void)fds, (void)n_fds, (void)reply_fds, (void)n_reply_fds;
	memcpy(what, req, MIN(req_n, sizeof(what) - 1));
	return try(what, reply);
}

static const helper_serve_fn serves[HELPER_ROLES] = { serve, serve, serve };

static sd_event *event;
static struct helper_pool *pool;

static void start(enum helper_role role)
{
	assert_true(sd_event_new(&event) >= 0);
	pool = pool_of(event, role, 1, 20000, false);
}

static void stop(void)
{
	pool = helper_pool_free(pool);
	event = sd_event_unref(event);
}

static void expect(const char *what, int error)
{
	struct answer a = ask(event, pool, what);

	if (a.error != error)
		fail_msg("\"%s\" gave %d instead of %d", what, a.error, error);
	/* Whatever it did to itself, the next one is served. */
	assert_int_equal(ask(event, pool, "nothing").error, 0);
}

static void deadly_in_a_parser(enum helper_role role)
{
	static const char *const deadly[] = { "exec", "socket", "unix socket", "kill", "fork",
		"clone", "exec memory", "ptrace", "bpf", "mount", "unlink", "32-bit call",
		"abort" };

	start(role);
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		expect(deadly[i], -EPIPE);
	stop();
}

static void the_symbolizer_dies_of_what_it_may_not_do(void **state)
{
	(void)state;
	deadly_in_a_parser(HELPER_SYMBOLIZER);
}

static void the_encoder_dies_of_what_it_may_not_do(void **state)
{
	(void)state;
	deadly_in_a_parser(HELPER_ENCODER);
}

static void no_path_can_be_opened_in_a_parser(void **state)
{
	(void)state;
	start(HELPER_SYMBOLIZER);
	expect("open", -EACCES);
	expect("proc", -EACCES);
	expect("write file", -EACCES);
	stop();
}

static void a_parser_has_memory_and_memfds_but_not_without_end(void **state)
{
	(void)state;
	start(HELPER_SYMBOLIZER);
	struct answer a = ask(event, pool, "memory");
	assert_int_equal(a.error, 0);
	assert_memory_equal(a.bytes, "ok", 2);
#ifndef PROFD_SANITIZE
	a = ask(event, pool, "too much memory");
	assert_int_equal(a.error, 0);
	assert_memory_equal(a.bytes, "no", 2);
#endif
	stop();
}

static void the_target_helper_reads_but_does_not_act(void **state)
{
	static const char *const deadly[] = { "exec", "socket", "unix socket", "kill", "fork",
		"clone", "ptrace", "bpf", "mount", "unlink", "32-bit call" };

	(void)state;
	start(HELPER_TARGET);
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		expect(deadly[i], -EPIPE);
	expect("open", 0);
	stop();
}

/* In a child of its own: the sandbox is for good. */
static void all_parts_hold_for_root(void **state)
{
	unsigned parts = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	start(HELPER_SYMBOLIZER);
	struct answer who = ask(event, pool, "nothing");
	assert_int_equal(who.error, 0);
	stop();
	pid_t child = fork();
	if (child == 0) {
		if (sandbox_enter(HELPER_SYMBOLIZER, &parts) < 0)
			_exit(99);
		_exit((int)parts);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 99);
	assert_int_equal(WEXITSTATUS(status) & (SANDBOX_SECCOMP | SANDBOX_CAPS | SANDBOX_UID),
		SANDBOX_SECCOMP | SANDBOX_CAPS | SANDBOX_UID);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_symbolizer_dies_of_what_it_may_not_do),
		cmocka_unit_test(the_encoder_dies_of_what_it_may_not_do),
		cmocka_unit_test(no_path_can_be_opened_in_a_parser),
		cmocka_unit_test(a_parser_has_memory_and_memfds_but_not_without_end),
		cmocka_unit_test(the_target_helper_reads_but_does_not_act),
		cmocka_unit_test(all_parts_hold_for_root),
	};

	if (argc == 3 && !strcmp(argv[1], "--helper"))
		return helper_main(argv[2], serves);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
