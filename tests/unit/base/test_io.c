/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors over sockets, whole files and writes, sealed memfds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static int pair(void **state, int type)
{
	int *fds = malloc(2 * sizeof(int));

	if (!fds || socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	*state = fds;
	return 0;
}

static int stream_pair(void **state)
{
	return pair(state, SOCK_STREAM);
}

static int packet_pair(void **state)
{
	return pair(state, SOCK_SEQPACKET);
}

static int close_pair(void **state)
{
	int *fds = *state;

	fds[0] = close_fd(fds[0]);
	fds[1] = close_fd(fds[1]);
	free(fds);
	return 0;
}

static void descriptors_arrive_and_close_on_exec(void **state)
{
	const int *s = *state;
	int fds[2] = { -1, -1 }, pipe_fds[2];
	size_t n_fds = 0;
	char text[16], c = 0;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(io_send_fds(s[0], "hello", 5, pipe_fds, 2, 0), 5);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), fds, 2, &n_fds, 0), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(n_fds, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(io_write_full(fds[1], "x", 1), 0);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	for (size_t i = 0; i < 2; i++) {
		close_fd(fds[i]);
		close_fd(pipe_fds[i]);
	}
}

static void descriptors_nobody_asked_for_are_closed(void **state)
{
	const int *s = *state;
	const int many[8] = { 0, 1, 2, 0, 1, 2, 0, 1 };
	int fds[3] = { -1, -1, -1 };
	size_t before = open_fds(), n_fds = 9;
	char text[4];

	assert_int_equal(io_send_fds(s[0], "a", 1, many, 8, 0), 1);
	assert_int_equal(io_send_fds(s[0], "b", 1, many, 8, 0), 1);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), fds, 3, &n_fds, 0), 1);
	assert_int_equal(n_fds, 3);
	assert_int_equal(open_fds(), before + 3);
	for (size_t i = 0; i < 3; i++)
		close_fd(fds[i]);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), NULL, 0, NULL, 0), 1);
	assert_int_equal(open_fds(), before);
}

/* A hostile peer sends as many as the kernel lets it, more than we ever ask for. */
static void a_flood_of_descriptors_leaves_none_behind(void **state)
{
	const int *s = *state;
	union {
		char bytes[CMSG_SPACE(200 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)"x", .iov_len = 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	size_t before = open_fds(), n_fds = 0;
	int fds[2] = { -1, -1 };
	char text[4];

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(200 * sizeof(int));
	memset(CMSG_DATA(c), 0, 200 * sizeof(int));
	assert_int_equal(sendmsg(s[0], &m, 0), 1);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), fds, 2, &n_fds, 0), 1);
	assert_int_equal(n_fds, 2);
	close_fd(fds[0]);
	close_fd(fds[1]);
	assert_int_equal(open_fds(), before);
}

static void a_truncated_message_is_an_error_and_leaks_nothing(void **state)
{
	const int *s = *state;
	const int one[1] = { 0 };
	size_t before = open_fds(), n_fds = 9;
	int fd = -1;
	char text[4];

	assert_int_equal(io_send_fds(s[0], "too long", 8, one, 1, 0), 8);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), &fd, 1, &n_fds, 0), -EMSGSIZE);
	assert_int_equal(fd, -1);
	assert_int_equal(n_fds, 9);
	assert_int_equal(open_fds(), before);
}

static void credentials_do_not_push_descriptors_out(void **state)
{
	const int *s = *state;
	const int many[8] = { 0, 1, 2, 0, 1, 2, 0, 1 }, on = 1;
	int fds[8];
	size_t n_fds = 0;
	char text[4];

	assert_int_equal(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	assert_int_equal(io_send_fds(s[0], "a", 1, many, 8, 0), 1);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), fds, 8, &n_fds, 0), 1);
	assert_int_equal(n_fds, 8);
	for (size_t i = 0; i < 8; i++)
		close_fd(fds[i]);
}

static void a_peer_that_is_gone_is_an_error_not_a_signal(void **state)
{
	int *s = *state;
	char text[4];
	size_t n_fds;

	s[0] = close_fd(s[0]);
	assert_int_equal(io_send_fds(s[1], "a", 1, NULL, 0, 0), -EPIPE);
	assert_int_equal(io_recv_fds(s[1], text, sizeof(text), NULL, 0, &n_fds, 0), 0);
	assert_int_equal(io_send_fds(s[1], "a", 1, NULL, 9, 0), -EINVAL);
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
	_cleanup_close_ int fd = io_memfd("data");
	_cleanup_free_ char *text = NULL;
	char data[10000], *refused = NULL;
	size_t n = 0;

	(void)state;
	memset(data, 'z', sizeof(data));
	assert_int_equal(io_write_full(fd, data, sizeof(data)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(fd, sizeof(data) - 1, &refused, &n), -EFBIG);
	assert_null(refused);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(fd, sizeof(data), &text, &n), 0);
	assert_int_equal(n, sizeof(data));
	assert_memory_equal(text, data, sizeof(data));
	assert_int_equal(text[n], '\0');
}

static void files_without_a_size_are_read(void **state)
{
	_cleanup_free_ char *stat = NULL, *empty = NULL;
	char *none = NULL;
	size_t n;

	(void)state;
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/stat", 65536, &stat, &n), 0);
	assert_int_equal(n, strlen(stat));
	assert_true(n > 20);
	assert_int_equal(io_read_file(AT_FDCWD, "/dev/null", 0, &empty, &n), 0);
	assert_int_equal(n, 0);
	assert_string_equal(empty, "");
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/no-such", 10, &none, &n), -ENOENT);
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self", 10, &none, &n), -EISDIR);
	assert_null(none);
}

static void a_sealed_memfd_cannot_change_under_its_reader(void **state)
{
	_cleanup_close_ int fd = io_memfd("sealed");
	size_t n = 0;

	(void)state;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(io_write_full(fd, "data", 4), 0);
	assert_int_equal(io_memfd_seal(fd), 0);
	assert_int_equal(io_write_full(fd, "x", 1), -EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
	assert_ptr_equal(mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(io_regular_size(fd, 4, &n), 0);
	assert_int_equal(n, 4);
}

static void only_regular_files_have_a_size(void **state)
{
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int file = io_memfd("file");
	size_t n = 7;

	(void)state;
	assert_int_equal(io_regular_size(null, SIZE_MAX, &n), -EINVAL);
	assert_int_equal(io_regular_size(folder, SIZE_MAX, &n), -EINVAL);
	assert_int_equal(ftruncate(file, 100), 0);
	assert_int_equal(io_regular_size(file, 99, &n), -EFBIG);
	assert_int_equal(io_regular_size(-1, 99, &n), -EBADF);
	assert_int_equal(n, 7);
	assert_int_equal(io_regular_size(file, 100, &n), 0);
	assert_int_equal(n, 100);
}

static void a_write_that_fails_says_why(void **state)
{
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(io_write_full(full, "x", 1), -ENOSPC);
	assert_int_equal(io_write_full(full, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			descriptors_arrive_and_close_on_exec, stream_pair, close_pair),
		cmocka_unit_test_setup_teardown(
			descriptors_nobody_asked_for_are_closed, stream_pair, close_pair),
		cmocka_unit_test_setup_teardown(
			a_flood_of_descriptors_leaves_none_behind, stream_pair, close_pair),
		cmocka_unit_test_setup_teardown(
			a_truncated_message_is_an_error_and_leaks_nothing, packet_pair, close_pair),
		cmocka_unit_test_setup_teardown(
			credentials_do_not_push_descriptors_out, stream_pair, close_pair),
		cmocka_unit_test_setup_teardown(
			a_peer_that_is_gone_is_an_error_not_a_signal, stream_pair, close_pair),
		cmocka_unit_test(a_file_is_read_whole_or_not_at_all),
		cmocka_unit_test(files_without_a_size_are_read),
		cmocka_unit_test(a_sealed_memfd_cannot_change_under_its_reader),
		cmocka_unit_test(only_regular_files_have_a_size),
		cmocka_unit_test(a_write_that_fails_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
