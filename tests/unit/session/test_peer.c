/* SPDX-License-Identifier: Apache-2.0 */
/* Who the kernel says is there: real processes of other users and user namespaces on a socket. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "session/authz.h"
#include "session/group_file.h"

#define GROUPS                    \
	"root:x:0:\n"             \
	"profdx:x:1:\n"           \
	"# profd:x:2:\n"          \
	":x:3:\n"                 \
	"profd:x:987:alice,bob\n" \
	"profd:x:988:\n"

static void the_group_is_found_by_its_whole_name(void **state)
{
	gid_t gid = 0;

	(void)state;
	assert_int_equal(group_file_find(GROUPS, strlen(GROUPS), "profd", &gid), 0);
	assert_int_equal(gid, 987);
	assert_int_equal(group_file_find(GROUPS, strlen(GROUPS), "prof", &gid), -ENOENT);
	assert_int_equal(group_file_find("", 0, "profd", &gid), -ENOENT);
	assert_int_equal(group_file_find("profd:x:5", 9, "profd", &gid), 0);
	assert_int_equal(gid, 5);
	/* Cut at every byte: never a number that is not there. */
	for (size_t n = 0; n < strlen(GROUPS); n++) {
		char *exact = malloc(n + 1);
		assert_non_null(exact);
		memcpy(exact, GROUPS, n);
		gid = 1;
		if (group_file_find(exact, n, "profd", &gid) == 0)
			assert_true(gid == 9 || gid == 98 || gid == 987);
		free(exact);
	}
}

static void lines_that_are_no_group_are_passed_over(void **state)
{
	static const char *const bad[] = { "profd", "profd:", "profd:x",
		"profd:x:", "profd:x:a:", "profd:x:-1:", "profd:x:4294967295:",
		"profd:x:99999999999999999999:", "profd:x:1a:", " profd:x:1:", "+profd:x:1:" };
	gid_t gid;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(group_file_find(bad[i], strlen(bad[i]), "profd", &gid), -ENOENT);
}

static void a_changed_file_is_read_again(void **state)
{
	char path[] = "/tmp/profd-test-group-XXXXXX";
	struct group_lookup l = GROUP_LOOKUP_INIT(path, "profd");
	gid_t gid = 0;

	(void)state;
	_cleanup_close_ int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(group_lookup_gid(&l, &gid), -ENOENT);
	assert_int_equal(pwrite(fd, "profd:x:12:\n", 12, 0), 12);
	assert_int_equal(group_lookup_gid(&l, &gid), 0);
	assert_int_equal(gid, 12);
	assert_int_equal(pwrite(fd, "profd:x:123:\n", 13, 0), 13);
	assert_int_equal(group_lookup_gid(&l, &gid), 0);
	assert_int_equal(gid, 123);
	assert_int_equal(ftruncate(fd, GROUP_FILE_BYTES + 1), 0);
	assert_int_equal(group_lookup_gid(&l, &gid), -EFBIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(group_lookup_gid(&l, &gid), -ENOENT);
}

/* What a child that connects after become() looks like from here. */
static struct peer peer_of(int (*become)(void))
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct peer peer;

	(void)snprintf(
		address.sun_path + 1, sizeof(address.sun_path) - 1, "profd-test-%d", getpid());
	_cleanup_close_ int listening =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 1), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		int r = become();
		if (r != 0)
			_exit(r);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	_cleanup_close_ int fd = -1;
	/* Either it connects, or it ends because this is not possible here. */
	while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
		int status;
		if (waitpid(pid, &status, WNOHANG) == pid) {
			assert_int_equal(WEXITSTATUS(status), 77);
			skip();
		}
		usleep(1000);
	}
	assert_int_equal(peer_from_socket(fd, &peer), 0);
	assert_int_equal(peer.pid, pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return peer;
}

static int become_nothing(void)
{
	return 0;
}

static int become_nobody(void)
{
	if (getuid() != 0)
		return 77;
	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0)
		return 1;
	return setresuid(65534, 65534, 65534) < 0;
}

static int become_another_namespace(void)
{
	int r = become_nobody();

	if (r == 0 && unshare(CLONE_NEWUSER) < 0)
		r = 77;
	return r;
}

static int become_root_of_a_namespace(void)
{
	_cleanup_close_ int fd = -1;

	if (getuid() != 0 || unshare(CLONE_NEWUSER) < 0)
		return 77;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	return fd < 0 || io_write_full(fd, "0 0 1", 5) < 0;
}

static void a_process_like_ours_is_of_our_namespace(void **state)
{
	struct peer p = peer_of(become_nothing);

	(void)state;
	assert_int_equal(p.uid, getuid());
	assert_int_equal(p.gid, getgid());
	assert_true(p.same_user_ns);
}

static void another_user_is_seen_with_its_own_uid_and_is_not_privileged(void **state)
{
	struct peer p = peer_of(become_nobody);

	(void)state;
	assert_int_equal(p.uid, 65534);
	assert_int_equal(p.gid, 65534);
	assert_true(p.same_user_ns);
	assert_false(p.in_group);
	assert_false(authz_privileged(&p));
}

static void a_user_of_another_namespace_is_a_stranger(void **state)
{
	struct peer p = peer_of(become_another_namespace);

	(void)state;
	assert_int_equal(p.uid, 65534);
	assert_false(p.same_user_ns);
	assert_false(authz_allows(&p, AUTHZ_DUMP_PROCESS, 65534));
}

static void uid_0_of_another_namespace_is_not_root(void **state)
{
	struct peer p = peer_of(become_root_of_a_namespace);

	(void)state;
	assert_int_equal(p.uid, 0);
	assert_false(p.same_user_ns);
	assert_false(authz_privileged(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_group_is_found_by_its_whole_name),
		cmocka_unit_test(lines_that_are_no_group_are_passed_over),
		cmocka_unit_test(a_changed_file_is_read_again),
		cmocka_unit_test(a_process_like_ours_is_of_our_namespace),
		cmocka_unit_test(another_user_is_seen_with_its_own_uid_and_is_not_privileged),
		cmocka_unit_test(a_user_of_another_namespace_is_a_stranger),
		cmocka_unit_test(uid_0_of_another_namespace_is_not_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
