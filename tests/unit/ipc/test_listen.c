/* SPDX-License-Identifier: Apache-2.0 */
/* Making the socket: beside a living daemon, after a dead one, where it cannot be. */
#include <sys/stat.h>
#include <sys/wait.h>
#include "harness.h"

static char folder[64], path[100];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/profd-test-listen-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/run/profd.sock", folder);
	return 0;
}

static int teardown(void **state)
{
	char run[128];

	(void)state;
	(void)snprintf(run, sizeof(run), "%s/run", folder);
	(void)unlink(path);
	(void)rmdir(run);
	return rmdir(folder);
}

static void everybody_can_reach_the_socket_whatever_the_umask(void **state)
{
	char run[128];
	struct stat st;

	(void)state;
	(void)snprintf(run, sizeof(run), "%s/run", folder);
	mode_t before = umask(0077);
	_cleanup_close_ int fd = ipc_listen(path, NULL);
	assert_int_equal(umask(before), 0077);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0666);
	assert_int_equal(stat(run, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void a_living_daemon_is_left_alone(void **state)
{
	struct error error = ERROR_INIT;

	(void)state;
	_cleanup_close_ int fd = ipc_listen(path, NULL);
	assert_true(fd >= 0);
	assert_int_equal(ipc_listen(path, &error), -EADDRINUSE);
	assert_int_equal(error.code, EXIT_CODE_FAILED);
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, "profctl"));
	_cleanup_close_ int client = connect_raw(path);
	assert_true(client >= 0);
}

static void a_daemon_too_busy_to_accept_is_alive(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int clients[4] = { -1, -1, -1, -1 };

	(void)state;
	close(ipc_listen(path, NULL));
	unlink(path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = connect_raw(path);
	assert_int_equal(ipc_listen(path, NULL), -EADDRINUSE);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		close_fd(clients[i]);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct stat before, after;

	(void)state;
	close(ipc_listen(path, NULL));
	assert_int_equal(stat(path, &before), 0);
	_cleanup_close_ int fd = ipc_listen(path, NULL);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true(
		before.st_ino != after.st_ino || before.st_ctim.tv_nsec != after.st_ctim.tv_nsec);
	_cleanup_close_ int client = connect_raw(path);
	assert_true(client >= 0);
}

static void a_file_that_is_no_socket_is_never_removed(void **state)
{
	struct error error = ERROR_INIT;
	struct stat st;

	(void)state;
	close(ipc_listen(path, NULL));
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(ipc_listen(path, &error), -EEXIST);
	assert_non_null(strstr(error.text, "is not a socket"));
	assert_int_equal(stat(path, &st), 0);
}

static void a_path_that_no_socket_can_have_is_said_so(void **state)
{
	char longer[200];
	struct error error = ERROR_INIT;

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(ipc_listen(longer, &error), -ENAMETOOLONG);
	assert_non_null(strstr(error.text, "199 characters, 1 to 107 are possible"));
	assert_int_equal(ipc_listen("", NULL), -ENAMETOOLONG);
	error = (struct error)ERROR_INIT;
	assert_int_equal(ipc_listen("/proc/no/such/place", &error), -ENOENT);
	assert_int_equal(error.code, EXIT_CODE_FAILED);
	assert_non_null(strstr(error.text, "/proc/no/such"));
}

static void without_permission_the_exit_code_says_denied(void **state)
{
	int status;

	(void)state;
	if (getuid() != 0)
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		struct error error = ERROR_INIT;
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		int r = ipc_listen(path, &error);
		_exit(r == -EACCES && error.code == EXIT_CODE_DENIED &&
					strstr(error.text, "--socket")
				? 0
				: 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			everybody_can_reach_the_socket_whatever_the_umask, setup, teardown),
		cmocka_unit_test_setup_teardown(a_living_daemon_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_daemon_too_busy_to_accept_is_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_no_socket_is_never_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_path_that_no_socket_can_have_is_said_so, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_permission_the_exit_code_says_denied, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
