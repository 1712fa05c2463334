/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over real sockets and by hand: cut anywhere, with descriptors, beyond the limits. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/decode.h"
#include "wire/frame.h"

static size_t frame_bytes(uint8_t *out, uint32_t id)
{
	Profd__V1__Request m = PROFD__V1__REQUEST__INIT;
	Profd__V1__ListRequest list = PROFD__V1__LIST_REQUEST__INIT;

	m.id = id;
	m.body_case = PROFD__V1__REQUEST__BODY_LIST;
	m.list = &list;
	size_t n = profd__v1__request__pack(&m, out + 4);
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(n >> 8 * i);
	return n + 4;
}

static void expect_next(struct frame_in *f, uint32_t id)
{
	const uint8_t *p;
	size_t n;

	assert_int_equal(frame_in_next(f, &p, &n), 1);
	Profd__V1__Request *m = request_decode(p, n);
	assert_non_null(m);
	assert_int_equal(m->id, id);
	request_free(m);
}

static void frames_fed_byte_by_byte_come_out_whole(void **state)
{
	struct frame_in f = FRAME_IN_INIT;
	uint8_t bytes[64];
	const uint8_t *p;
	size_t n;

	(void)state;
	for (uint32_t id = 1; id < 300; id++) {
		size_t size = frame_bytes(bytes, id);
		for (size_t i = 0; i < size; i++) {
			assert_int_equal(frame_in_next(&f, &p, &n), 0);
			assert_int_equal(frame_in_feed(&f, bytes + i, 1), 0);
		}
		expect_next(&f, id);
		assert_true(frame_in_between(&f));
	}
	frame_in_deinit(&f);
}

static void frames_in_random_chunks_come_out_in_order(void **state)
{
	static uint8_t stream[64 * 4000];
	struct frame_in f = FRAME_IN_INIT;
	uint32_t sent = 0, taken = 0;
	size_t n = 0, at = 0;

	(void)state;
	srandom(1);
	while (sent < 4000)
		n += frame_bytes(stream + n, ++sent);
	while (at < n) {
		size_t chunk = MIN((size_t)(random() % 300), n - at);
		assert_int_equal(frame_in_feed(&f, stream + at, chunk), 0);
		at += chunk;
		const uint8_t *p;
		size_t size;
		while (random() % 4 && frame_in_next(&f, &p, &size) == 1) {
			Profd__V1__Request *m = request_decode(p, size);
			assert_non_null(m);
			assert_int_equal(m->id, ++taken);
			request_free(m);
		}
	}
	while (taken < sent)
		expect_next(&f, ++taken);
	assert_true(frame_in_between(&f));
	frame_in_deinit(&f);
}

static void a_length_out_of_range_is_refused_before_its_bytes_come(void **state)
{
	static const uint8_t bad[][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 0x80 },
		{ 0xff, 0xff, 0xff, 0xff }, { 1, 0, 0x10, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct frame_in f = FRAME_IN_INIT;
		const uint8_t *p;
		size_t n;
		assert_int_equal(frame_in_feed(&f, bad[i], 3), 0);
		assert_int_equal(frame_in_feed(&f, bad[i] + 3, 1), -EPROTO);
		assert_int_equal(frame_in_next(&f, &p, &n), -EPROTO);
		assert_int_equal(frame_in_feed(&f, bad[i], 1), -EPROTO);
		frame_in_deinit(&f);
	}
}

static void a_frame_of_the_largest_size_passes(void **state)
{
	struct frame_in f = FRAME_IN_INIT;
	uint8_t header[4] = { 0, 0, 0x10, 0 };
	_cleanup_free_ uint8_t *body = calloc(1, LIMIT_MESSAGE_BYTES);
	const uint8_t *p;
	size_t n;

	(void)state;
	assert_non_null(body);
	body[LIMIT_MESSAGE_BYTES - 1] = 7;
	assert_int_equal(frame_in_feed(&f, header, 4), 0);
	assert_int_equal(frame_in_feed(&f, body, LIMIT_MESSAGE_BYTES), 0);
	assert_int_equal(frame_in_next(&f, &p, &n), 1);
	assert_int_equal(n, LIMIT_MESSAGE_BYTES);
	assert_int_equal(p[n - 1], 7);
	/* The memory for it goes with it. */
	assert_int_equal(frame_in_feed(&f, header, 0), 0);
	assert_true(f.allocated < 64 * KIB);
	frame_in_deinit(&f);
}

static int numbered_fd(off_t number)
{
	int fd = memfd_create("numbered", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, number), 0);
	return fd;
}

static off_t number_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 2048; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static Profd__V1__Request *with_pidfds(
	Profd__V1__Request *m, Profd__V1__AttachRequest *a, Profd__V1__Target *t, uint32_t n)
{
	profd__v1__request__init(m);
	profd__v1__attach_request__init(a);
	profd__v1__target__init(t);
	t->n_pidfds = n;
	a->target = t;
	m->body_case = PROFD__V1__REQUEST__BODY_ATTACH;
	m->attach = a;
	return m;
}

static void descriptors_stay_with_their_frame_in_order(void **state)
{
	Profd__V1__Request m;
	Profd__V1__AttachRequest a;
	Profd__V1__Target t;
	struct frame_in in = FRAME_IN_INIT;
	struct frame_out *out;
	int s[2], fds[WIRE_MAX_FDS];
	off_t number = 0, expected = 0;
	unsigned before = open_fds(), frames = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	assert_int_equal(frame_out_new(&out, 1 * MIB), 0);
	static const unsigned counts[] = { 0, 3, 0, 1, 5, 0, 0, 64, 2 };
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		for (unsigned k = 0; k < counts[i]; k++)
			fds[k] = numbered_fd(++number);
		with_pidfds(&m, &a, &t, counts[i]);
		assert_int_equal(frame_out_push_fds(out, &m.base, fds, counts[i]), 0);
		for (unsigned k = 0; k < counts[i]; k++)
			close(fds[k]);
	}
	assert_int_equal(frame_out_flush(out, s[0]), 0);
	assert_true(frame_out_empty(out));
	while (frames < ARRAY_SIZE(counts)) {
		const uint8_t *p;
		size_t n;
		assert_true(frame_in_read(&in, s[1]) > 0);
		while (frame_in_next(&in, &p, &n) == 1) {
			Profd__V1__Request *r = request_decode(p, n);
			assert_non_null(r);
			uint64_t announced = request_n_fds(r);
			assert_int_equal(announced, counts[frames++]);
			assert_int_equal(frame_in_take_fds(&in, fds, announced), 0);
			for (uint64_t k = 0; k < announced; k++) {
				assert_int_equal(number_of(fds[k]), ++expected);
				assert_int_equal(fcntl(fds[k], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
				close(fds[k]);
			}
			request_free(r);
		}
	}
	assert_int_equal(expected, number);
	assert_int_equal(in.n_fds, 0);
	assert_int_equal(frame_in_take_fds(&in, fds, 1), -ENOENT);
	assert_int_equal(frame_in_read(&in, s[1]), -EAGAIN);
	close(s[0]);
	assert_int_equal(frame_in_read(&in, s[1]), 0);
	close(s[1]);
	frame_out_free(out);
	frame_in_deinit(&in);
	assert_int_equal(open_fds(), before);
}

static void send_raw_fds(int sock, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 253)];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = (char[]){ 5 }, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &sock, sizeof(int));
	assert_int_equal(sendmsg(sock, &m, 0), 1);
}

static void too_many_descriptors_are_refused_and_none_is_leaked(void **state)
{
	static const size_t floods[] = { 65, 66, 253 };
	unsigned before = open_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		struct frame_in in = FRAME_IN_INIT;
		int s[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
		send_raw_fds(s[0], floods[i]);
		assert_int_equal(frame_in_read(&in, s[1]), -EPROTO);
		assert_true(in.n_fds <= WIRE_MAX_FDS);
		frame_in_deinit(&in);
		close(s[0]);
		close(s[1]);
	}
	struct frame_in in = FRAME_IN_INIT;
	int s[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	for (int i = 0; i < 4; i++) {
		send_raw_fds(s[0], 21);
		assert_int_equal(frame_in_read(&in, s[1]), i < 3 ? 1 : -EPROTO);
	}
	frame_in_deinit(&in);
	close(s[0]);
	close(s[1]);
	assert_int_equal(open_fds(), before);
}

static void refused_descriptors_never_enter_the_process(void **state)
{
	struct frame_in in = FRAME_IN_INIT;
	int s[2];

	(void)state;
	in.refuse_fds = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	unsigned before = open_fds();
	send_raw_fds(s[0], 1);
	assert_int_equal(frame_in_read(&in, s[1]), -EPROTO);
	assert_int_equal(in.n_fds, 0);
	assert_int_equal(open_fds(), before);
	frame_in_deinit(&in);
	close(s[0]);
	close(s[1]);
}

static void the_queue_is_bounded_and_survives_a_peer_that_reads_late(void **state)
{
	Profd__V1__Reply m = PROFD__V1__REPLY__INIT;
	Profd__V1__ErrorReply e = PROFD__V1__ERROR_REPLY__INIT;
	_cleanup_free_ char *text = malloc(64 * KIB + 1);
	struct frame_in in = FRAME_IN_INIT;
	struct frame_out *out;
	uint32_t pushed = 0, taken = 0;
	int s[2], fd = numbered_fd(9);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 64 * KIB);
	text[64 * KIB] = '\0';
	e.text = text;
	m.body_case = PROFD__V1__REPLY__BODY_ERROR;
	m.error = &e;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	assert_int_equal(frame_out_new(&out, 1 * MIB), 0);
	int r;
	while (m.id = pushed + 1, (r = frame_out_push(out, &m.base, -1)) == 0) {
		pushed++;
		assert_int_equal(frame_out_flush(out, s[0]), 0);
		assert_true(pushed < 100);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_true(frame_out_bytes(out) <= 1 * MIB);
	assert_true(pushed >= 15);
	/* Consumed although refused. */
	assert_int_equal(frame_out_push(out, &m.base, fd), -ENOBUFS);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	while (taken < pushed) {
		const uint8_t *p;
		size_t n;
		assert_int_equal(frame_out_flush(out, s[0]), 0);
		assert_true(frame_in_read(&in, s[1]) > 0);
		while (frame_in_next(&in, &p, &n) == 1) {
			Profd__V1__Reply *got = reply_decode(p, n);
			assert_non_null(got);
			assert_int_equal(got->id, ++taken);
			assert_int_equal(strlen(got->error->text), 64 * KIB);
			reply_free(got);
		}
	}
	assert_true(frame_out_empty(out));
	assert_int_equal(frame_out_bytes(out), 0);
	close(s[1]);
	assert_int_equal(frame_out_push(out, &m.base, -1), 0);
	assert_int_equal(frame_out_flush(out, s[0]), -EPIPE);
	close(s[0]);
	frame_in_deinit(&in);
	frame_out_free(out);
}

static void a_message_beyond_the_limit_is_not_queued(void **state)
{
	Profd__V1__Reply m = PROFD__V1__REPLY__INIT;
	Profd__V1__ErrorReply e = PROFD__V1__ERROR_REPLY__INIT;
	_cleanup_free_ char *text = malloc(LIMIT_MESSAGE_BYTES + 1);
	struct frame_out *out;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LIMIT_MESSAGE_BYTES);
	text[LIMIT_MESSAGE_BYTES] = '\0';
	e.text = text;
	m.body_case = PROFD__V1__REPLY__BODY_ERROR;
	m.error = &e;
	assert_int_equal(frame_out_new(&out, 64 * MIB), 0);
	assert_int_equal(frame_out_push(out, &m.base, -1), -EMSGSIZE);
	assert_true(frame_out_empty(out));
	frame_out_free(out);
}

static void a_message_that_unpacks_to_too_much_is_malformed(void **state)
{
	_cleanup_free_ uint8_t *p = malloc(LIMIT_MESSAGE_BYTES);
	size_t n = LIMIT_MESSAGE_BYTES;

	(void)state;
	assert_non_null(p);
	/* attach { target { comms: "" ... } }: two bytes each on the wire. */
	uint8_t head[] = { 0x1a, 0, 0, 0, 0x0a, 0, 0, 0 };
	size_t inner = (n - 8) & ~1ULL, outer = inner + 4;
	for (int i = 0; i < 3; i++) {
		head[1 + i] = (uint8_t)(outer >> 7 * i & 0x7f) | (i < 2 ? 0x80 : 0);
		head[5 + i] = (uint8_t)(inner >> 7 * i & 0x7f) | (i < 2 ? 0x80 : 0);
	}
	memcpy(p, head, 8);
	for (size_t i = 8; i + 1 < 8 + inner; i += 2) {
		p[i] = 0x1a;
		p[i + 1] = 0;
	}
	assert_null(request_decode(p, 8 + inner));
	/* The same shape with few of them is fine. */
	const uint8_t small[] = { 0x1a, 6, 0x0a, 4, 0x1a, 0, 0x1a, 0 };
	Profd__V1__Request *m = request_decode(small, sizeof(small));
	assert_non_null(m);
	assert_int_equal(m->attach->target->n_comms, 2);
	request_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_fed_byte_by_byte_come_out_whole),
		cmocka_unit_test(frames_in_random_chunks_come_out_in_order),
		cmocka_unit_test(a_length_out_of_range_is_refused_before_its_bytes_come),
		cmocka_unit_test(a_frame_of_the_largest_size_passes),
		cmocka_unit_test(descriptors_stay_with_their_frame_in_order),
		cmocka_unit_test(too_many_descriptors_are_refused_and_none_is_leaked),
		cmocka_unit_test(refused_descriptors_never_enter_the_process),
		cmocka_unit_test(the_queue_is_bounded_and_survives_a_peer_that_reads_late),
		cmocka_unit_test(a_message_beyond_the_limit_is_not_queued),
		cmocka_unit_test(a_message_that_unpacks_to_too_much_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
