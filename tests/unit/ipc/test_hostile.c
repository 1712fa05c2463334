/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that lie, flood, stall or never read: the server lives, answers or closes, and serves the
 * others. */
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "harness.h"
#include "ipc/dispose.h"

static void expect_served(struct harness *h, struct client *honest, uint32_t id)
{
	send_status(honest, id);
	pump(h);
	expect_reply(honest, id, PROFD__V1__REPLY__BODY_STATUS);
}

/* Reads to the end; true when the server has closed. */
static bool drain(struct client *c)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		;
	return n == 0 || (errno != EAGAIN);
}

static size_t pack_sample(uint8_t *out, uint32_t pick)
{
	Profd__V1__Request m = PROFD__V1__REQUEST__INIT;
	Profd__V1__HelloRequest hello = PROFD__V1__HELLO_REQUEST__INIT;
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	Profd__V1__Target target = PROFD__V1__TARGET__INIT;
	uint32_t pids[] = { 1, 2, 300 };

	m.id = pick;
	hello.version = WIRE_VERSION;
	hello.client = (char *)"hostile";
	dump.type = (char *)"cpu";
	target.pids = pids;
	target.n_pids = 3;
	target.n_pidfds = pick % 3;
	target.comms = (char *[]){ (char *)"a*" };
	target.n_comms = 1;
	dump.target = &target;
	m.body_case = pick % 2 ? PROFD__V1__REQUEST__BODY_HELLO : PROFD__V1__REQUEST__BODY_DUMP;
	if (pick % 2)
		m.hello = &hello;
	else
		m.dump = &dump;
	size_t n = profd__v1__request__pack(&m, out + 4);
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(n >> 8 * i);
	return n + 4;
}

static void ten_thousand_malformed_frames_end_nothing_but_their_connection(void **state)
{
	static const uint32_t lengths[] = { 0, 0x80000000, 0xffffffff, 0x100001, 0x100000, 1 };
	struct harness h;
	struct client honest, c;
	unsigned before = open_fds();

	(void)state;
	srandom(7);
	harness_init(&h);
	say_hello_to(&h, &honest);
	for (uint32_t i = 0; i < 10000; i++) {
		uint8_t bytes[512];
		size_t n = 0;
		client_init(&c, h.path);
		if (i % 4 != 0)
			send_hello(&c, WIRE_VERSION);
		n = pack_sample(bytes, i);
		switch (i % 5) {
		case 0: /* a length that lies */
			memcpy(bytes, &lengths[i / 5 % ARRAY_SIZE(lengths)], 4);
			break;
		case 1: /* flipped bits in the message */
			for (int k = 0; k < 4; k++)
				bytes[4 + (size_t)random() % (n - 4)] ^=
					(uint8_t)(1 << random() % 8);
			break;
		case 2: /* noise of the right length */
			for (size_t k = 4; k < n; k++)
				bytes[k] = (uint8_t)random();
			break;
		case 3: /* cut, and gone */
			n = (size_t)random() % n;
			break;
		default: /* whole, in an order of chance, announcing descriptors that do not come */
			break;
		}
		(void)send(c.fd, bytes, n, MSG_NOSIGNAL);
		if (i % 5 == 3)
			shutdown(c.fd, SHUT_WR);
		pump(&h);
		(void)drain(&c);
		client_deinit(&c);
		if (i % 500 == 0)
			expect_served(&h, &honest, i + 2);
	}
	pump(&h);
	assert_int_equal(ipc_server_n_connections(h.server), 1);
	expect_served(&h, &honest, 100000);
	client_deinit(&honest);
	harness_deinit(&h);
	assert_int_equal(open_fds(), before);
}

static void a_length_that_lies_is_answered_and_closed_at_once(void **state)
{
	static const uint32_t lengths[] = { 0, 0x80000000, 0xffffffff, 0x100001 };
	struct harness h;
	struct client c;

	(void)state;
	harness_init(&h);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		say_hello_to(&h, &c);
		assert_int_equal(send(c.fd, &lengths[i], 4, 0), 4);
		pump(&h);
		expect_error(&c, 0, EXIT_CODE_USAGE, "must be 1 to 1048576 bytes");
		expect_closed(&c);
		client_deinit(&c);
	}
	harness_deinit(&h);
}

static void send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 253)];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = (void *)p, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	assert_int_equal(sendmsg(sock, &m, MSG_NOSIGNAL), (ssize_t)n);
}

static void wait_for_disposal(void)
{
	/* The threads that close what was refused are nobody's to wait for, but here. */
	while (!dispose_ready(getuid()))
		usleep(1000);
}

static void descriptors_nobody_asked_for_end_the_connection_and_do_not_stay(void **state)
{
	static const size_t counts[] = { 1, 64, 65, 253 };
	uint8_t bytes[512];
	struct harness h;
	struct client c;
	int fds[253];

	(void)state;
	size_t n = pack_sample(bytes, 6); /* announces none */
	harness_init(&h);
	unsigned before = open_fds();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		for (int pidfds = 0; pidfds < 2; pidfds++) {
			int fd = pidfds ? (int)syscall(SYS_pidfd_open, getpid(), 0)
					: open("/dev/null", O_RDONLY | O_CLOEXEC);
			for (size_t k = 0; k < counts[i]; k++)
				fds[k] = fd;
			say_hello_to(&h, &c);
			send_fds(c.fd, bytes, n, fds, counts[i]);
			pump(&h);
			assert_true(drain(&c));
			client_deinit(&c);
			close(fd);
			wait_for_disposal();
			assert_int_equal(open_fds(), before);
		}
	assert_int_equal(ipc_server_n_connections(h.server), 0);
	harness_deinit(&h);
}

static void announced_pidfds_arrive_and_are_closed_when_not_taken(void **state)
{
	uint8_t bytes[512];
	struct harness h;
	struct client c;

	(void)state;
	size_t n = pack_sample(bytes, 2); /* announces two */
	harness_init(&h);
	unsigned before = open_fds();
	say_hello_to(&h, &c);
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	for (int i = 0; i < 50; i++) {
		send_fds(c.fd, bytes, n, (int[]){ fd, fd }, 2);
		pump(&h);
		expect_reply(&c, 2, PROFD__V1__REPLY__BODY_STATUS);
	}
	assert_int_equal(h.n_fds, 100);
	/* One less than announced. */
	send_fds(c.fd, bytes, n, &fd, 1);
	pump(&h);
	expect_error(&c, 2, EXIT_CODE_USAGE, "2 descriptors announced, 1 came");
	expect_closed(&c);
	close(fd);
	client_deinit(&c);
	pump(&h);
	assert_int_equal(open_fds(), before);
	harness_deinit(&h);
}

static void one_byte_at_a_time_is_fine_within_the_deadline(void **state)
{
	uint8_t bytes[512];
	struct harness h;
	struct client c;

	(void)state;
	size_t n = pack_sample(bytes, 6);
	harness_init(&h);
	say_hello_to(&h, &c);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(send(c.fd, bytes + i, 1, 0), 1);
		pump(&h);
		ipc_server_sweep(h.server, clock_monotonic_ns());
		pump(&h);
	}
	expect_reply(&c, 6, PROFD__V1__REPLY__BODY_STATUS);
	client_deinit(&c);
	harness_deinit(&h);
}

static void deadlines_end_those_who_stall_and_nobody_else(void **state)
{
	uint8_t bytes[512];
	struct harness h;
	struct client silent, slow, honest, waiting;
	uint64_t now;

	(void)state;
	size_t n = pack_sample(bytes, 6);
	harness_init(&h);
	client_init(&silent, h.path);
	say_hello_to(&h, &slow);
	say_hello_to(&h, &honest);
	say_hello_to(&h, &waiting);
	h.hold = true;
	send_status(&waiting, 3);
	assert_int_equal(send(slow.fd, bytes, n - 1, 0), (ssize_t)n - 1);
	pump(&h);
	h.hold = false;
	now = clock_monotonic_ns();

	ipc_server_sweep(h.server, now + (LIMIT_HANDSHAKE_MS + 100) * NS_PER_MS);
	pump(&h);
	expect_closed(&silent);
	assert_int_equal(ipc_server_n_connections(h.server), 3);

	ipc_server_sweep(h.server, now + (LIMIT_FRAME_MS + 100) * NS_PER_MS);
	pump(&h);
	expect_closed(&slow);
	expect_served(&h, &honest, 9);

	/* Idle ends too, but not while an answer is still to come. */
	ipc_server_sweep(h.server, clock_monotonic_ns() + (IPC_IDLE_MS + 100) * NS_PER_MS);
	pump(&h);
	expect_closed(&honest);
	assert_int_equal(ipc_server_n_connections(h.server), 1);
	answer_status(h.held[0]);
	pump(&h);
	expect_reply(&waiting, 3, PROFD__V1__REPLY__BODY_STATUS);

	client_deinit(&silent);
	client_deinit(&slow);
	client_deinit(&honest);
	client_deinit(&waiting);
	harness_deinit(&h);
}

static void a_client_that_never_reads_is_dropped_and_others_are_served(void **state)
{
	struct harness h;
	struct client deaf, honest;
	uint32_t id = 2;

	(void)state;
	harness_init(&h);
	say_hello_to(&h, &honest);
	say_hello_to(&h, &deaf);
	while (ipc_server_n_connections(h.server) == 2) {
		assert_true(id < 1000000);
		for (int i = 0; i < 100; i++)
			send_status(&deaf, id++);
		pump(&h);
		expect_served(&h, &honest, id);
	}
	assert_int_equal(h.n_closed, 1);
	expect_served(&h, &honest, 1);
	client_deinit(&deaf);
	client_deinit(&honest);
	harness_deinit(&h);
}

static void bytes_that_wait_are_bounded_over_all_connections_of_a_uid(void **state)
{
	static uint8_t chunk[64 * KIB];
	static struct client c[32];
	struct harness h;

	(void)state;
	harness_init(&h);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		say_hello_to(&h, &c[i]);
	/* Each begins the largest frame and never ends it. */
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		uint32_t length = LIMIT_MESSAGE_BYTES;
		if (send(c[i].fd, &length, 4, MSG_NOSIGNAL) < 0)
			continue;
		for (size_t k = 0; k < 15; k++) {
			(void)send(c[i].fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
			pump(&h);
		}
		assert_non_null(h.server->users.first);
		assert_true(h.server->users.first->bytes <= IPC_BYTES_PER_UID);
	}
	assert_true(ipc_server_n_connections(h.server) < ARRAY_SIZE(c));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		client_deinit(&c[i]);
	pump(&h);
	assert_int_equal(ipc_server_n_connections(h.server), 0);
	assert_null(h.server->users.first);
	harness_deinit(&h);
}

static void out_of_descriptors_the_loop_does_not_spin(void **state)
{
	struct rlimit before, few;
	struct harness h;
	struct client honest;
	int fds[256], n = 0;

	(void)state;
	harness_init(&h);
	say_hello_to(&h, &honest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	int late = connect_raw(h.path);
	int next = dup(0);
	few.rlim_cur = (rlim_t)next + 3;
	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 256 && (fds[n] = dup(0)) >= 0)
		n++;
	pump(&h); /* ends: the one that waits was shut */
	char byte;
	assert_int_equal(recv(late, &byte, 1, MSG_DONTWAIT), 0);
	expect_served(&h, &honest, 5);
	while (n > 0)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(late);
	struct client again;
	say_hello_to(&h, &again);
	client_deinit(&again);
	client_deinit(&honest);
	harness_deinit(&h);
}

/* A child of another uid that connects as often as it can and stays. */
static pid_t flooder(const char *path, uid_t uid, unsigned connections, int *ret_ready)
{
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(ready[1]);
		*ret_ready = ready[0];
		return pid;
	}
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(1);
	for (unsigned i = 0; i < connections; i++)
		(void)connect_raw(path);
	if (write(ready[1], "x", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

static unsigned connections_of(struct harness *h, uid_t uid)
{
	for (struct user *u = h->server->users.first; u; u = u->next)
		if (u->uid == uid)
			return u->n_connections;
	return 0;
}

static void a_flood_of_one_uid_leaves_the_others_their_place(void **state)
{
	struct harness h;
	struct client root;
	int ready, honest_ready;
	char byte;

	(void)state;
	if (getuid() != 0)
		skip();
	harness_init(&h);
	pid_t flood = flooder(h.path, 65533, 500, &ready);
	assert_int_equal(read(ready, &byte, 1), 1);
	pump(&h);
	assert_int_equal(connections_of(&h, 65533), LIMIT_CONNECTIONS_PER_UID);
	pid_t honest = flooder(h.path, 65534, 3, &honest_ready);
	assert_int_equal(read(honest_ready, &byte, 1), 1);
	pump(&h);
	assert_int_equal(connections_of(&h, 65534), 3);
	say_hello_to(&h, &root);
	expect_served(&h, &root, 2);
	kill(flood, SIGKILL);
	kill(honest, SIGKILL);
	assert_int_equal(waitpid(flood, NULL, 0), flood);
	assert_int_equal(waitpid(honest, NULL, 0), honest);
	pump(&h);
	assert_int_equal(ipc_server_n_connections(h.server), 1);
	close(ready);
	close(honest_ready);
	client_deinit(&root);
	harness_deinit(&h);
}

static void the_one_too_many_is_told_why(void **state)
{
	struct harness h;
	struct client c;
	struct user *held[LIMIT_CONNECTIONS];
	size_t n = 0;

	(void)state;
	harness_init(&h);
	/* Not by real sockets: the table is what decides. */
	while (user_table_connect(&h.server->users, 0, &held[n]) == 0)
		n++;
	assert_int_equal(n, LIMIT_CONNECTIONS);
	client_init(&c, h.path);
	pump(&h);
	expect_error(&c, 0, EXIT_CODE_FAILED, "too many connections");
	expect_closed(&c);
	client_deinit(&c);
	while (n > 0)
		user_table_disconnect(&h.server->users, held[--n]);
	say_hello_to(&h, &c);
	client_deinit(&c);
	harness_deinit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_malformed_frames_end_nothing_but_their_connection),
		cmocka_unit_test(a_length_that_lies_is_answered_and_closed_at_once),
		cmocka_unit_test(descriptors_nobody_asked_for_end_the_connection_and_do_not_stay),
		cmocka_unit_test(announced_pidfds_arrive_and_are_closed_when_not_taken),
		cmocka_unit_test(one_byte_at_a_time_is_fine_within_the_deadline),
		cmocka_unit_test(deadlines_end_those_who_stall_and_nobody_else),
		cmocka_unit_test(a_client_that_never_reads_is_dropped_and_others_are_served),
		cmocka_unit_test(bytes_that_wait_are_bounded_over_all_connections_of_a_uid),
		cmocka_unit_test(out_of_descriptors_the_loop_does_not_spin),
		cmocka_unit_test(a_flood_of_one_uid_leaves_the_others_their_place),
		cmocka_unit_test(the_one_too_many_is_told_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
