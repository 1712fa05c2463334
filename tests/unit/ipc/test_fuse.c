/* SPDX-License-Identifier: Apache-2.0 */
/* A peer sends a file on a FUSE of its own, which never lets a close(2) return. */
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "harness.h"
#include "ipc/dispose.h"

#define GIVE_UP_S 20 /* then the file system goes away, and a loop that hangs in it is set free */

static void reply(int fd, uint64_t unique, const void *body, size_t n)
{
	struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + n), .unique = unique };
	char out[512];

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), body, n);
	if (write(fd, out, head.len) != (ssize_t)head.len)
		_exit(1);
}

/* One directory that holds one file; FLUSH, which is what close(2) asks, is heard and not answered.
 */
static void serve(int fd, int heard)
{
	static char in[1 << 20];
	struct fuse_attr file = { .ino = 2, .mode = S_IFREG | 0644, .nlink = 1 };
	struct fuse_attr folder = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 };

	(void)alarm(GIVE_UP_S);
	while (read(fd, in, sizeof(in)) > 0) {
		struct fuse_in_header *h = (struct fuse_in_header *)in;
		struct fuse_init_out init = {
			.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096
		};
		struct fuse_entry_out entry = { .nodeid = 2, .attr = file };
		struct fuse_attr_out attr = { .attr = h->nodeid == 1 ? folder : file };
		struct fuse_open_out opened = { .fh = 1 };

		if (h->opcode == FUSE_INIT)
			reply(fd, h->unique, &init, sizeof(init));
		else if (h->opcode == FUSE_LOOKUP)
			reply(fd, h->unique, &entry, sizeof(entry));
		else if (h->opcode == FUSE_GETATTR)
			reply(fd, h->unique, &attr, sizeof(attr));
		else if (h->opcode == FUSE_OPEN)
			reply(fd, h->unique, &opened, sizeof(opened));
		else if (h->opcode == FUSE_FLUSH && write(heard, "f", 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static void send_with_fd(struct client *c, int fd)
{
	Profd__V1__Request m = PROFD__V1__REQUEST__INIT;
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	Profd__V1__Target target = PROFD__V1__TARGET__INIT;
	uint32_t pid = 1;

	target.pids = &pid;
	target.n_pids = target.n_pidfds = 1;
	dump.target = &target;
	m.id = 5;
	m.body_case = PROFD__V1__REQUEST__BODY_DUMP;
	m.dump = &dump;
	/* A duplicate in our own queue would have to be closed by us: it is sent as it is. */
	uint8_t bytes[64];
	size_t n = profd__v1__request__pack(&m, bytes + 4);
	bytes[0] = (uint8_t)n;
	bytes[1] = bytes[2] = bytes[3] = 0;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = bytes, .iov_len = n + 4 };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&h);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	assert_int_equal(sendmsg(c->fd, &h, 0), (ssize_t)n + 4);
}

static void a_file_that_cannot_be_closed_does_not_stop_the_server(void **state)
{
	char folder[] = "/tmp/profd-test-fuse-XXXXXX", options[128], path[64];
	struct harness h;
	struct client honest, hostile;
	int heard[2];
	char byte;

	(void)state;
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (getuid() != 0 || dev < 0 || unshare(CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	assert_non_null(mkdtemp(folder));
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (mount("profd-test", folder, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		rmdir(folder);
		skip();
	}
	assert_int_equal(pipe2(heard, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(heard[0]);
		serve(dev, heard[1]);
	}
	close(dev);
	close(heard[1]);
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);

	harness_init(&h);
	say_hello_to(&h, &honest);
	say_hello_to(&h, &hostile);
	send_with_fd(&hostile, fd);
	pump(&h);
	expect_error(&hostile, 0, EXIT_CODE_USAGE, "not a pidfd");
	expect_closed(&hostile);
	client_deinit(&hostile);

	/* The close is under way and does not end; the loop serves. */
	assert_int_equal(read(heard[0], &byte, 1), 1);
	assert_false(dispose_ready(getuid()));
	send_status(&honest, 9);
	pump(&h);
	expect_reply(&honest, 9, PROFD__V1__REPLY__BODY_STATUS);

	/* And this user's descriptors are not even received now. */
	say_hello_to(&h, &hostile);
	send_with_fd(&hostile, fd);
	pump(&h);
	expect_error(&hostile, 0, EXIT_CODE_USAGE, "no descriptors are accepted at present");
	client_deinit(&hostile);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (!dispose_ready(getuid()))
		usleep(1000);
	close(fd);
	close(heard[0]);
	client_deinit(&honest);
	harness_deinit(&h);
	assert_int_equal(umount2(folder, MNT_DETACH), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_cannot_be_closed_does_not_stop_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
