/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a conversation: hello, requests, answers, cancelling, ends. */
#include <sys/mman.h>
#include "harness.h"

static struct harness h;
static struct client c, other;

/* A server that nobody has connected to. */
static int start(void **state)
{
	(void)state;
	harness_init(&h);
	c = other = (struct client){ .fd = -1 };
	return 0;
}

/* And a client whose hello was answered. */
static int start_greeted(void **state)
{
	(void)start(state);
	say_hello_to(&h, &c);
	return 0;
}

/* And its requests are not answered before the test does it. */
static int start_held(void **state)
{
	(void)start_greeted(state);
	h.hold = true;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	client_deinit(&c);
	client_deinit(&other);
	harness_deinit(&h);
	return 0;
}

static void hello_says_who_answers_and_what_it_has(void **state)
{
	(void)state;
	client_init(&c, h.path);
	send_hello(&c, WIRE_VERSION);
	pump(&h);
	Profd__V1__Reply *r = receive_reply(&c);
	assert_non_null(r);
	assert_int_equal(r->body_case, PROFD__V1__REPLY__BODY_HELLO);
	assert_int_equal(r->hello->version, WIRE_VERSION);
	assert_string_equal(r->hello->daemon, "profd test");
	assert_int_equal(r->hello->pid, getpid());
	assert_int_equal(r->hello->privileged, getuid() == 0);
	assert_int_equal(r->hello->n_types, 2);
	assert_string_equal(r->hello->types[1], "block");
	reply_free(r);
	assert_int_equal(ipc_server_n_connections(h.server), 1);
	client_deinit(&c);
	pump(&h);
	assert_int_equal(ipc_server_n_connections(h.server), 0);
	assert_int_equal(h.n_closed, 1);
}

static void another_version_is_told_both(void **state)
{
	(void)state;
	client_init(&c, h.path);
	send_hello(&c, 77);
	pump(&h);
	expect_error(&c, 1, EXIT_CODE_FAILED,
		"profd test speaks version 1 of the protocol, this client version 77");
	expect_closed(&c);
}

static void a_request_before_hello_or_a_second_hello_ends_the_connection(void **state)
{
	(void)state;
	client_init(&c, h.path);
	send_status(&c, 5);
	pump(&h);
	expect_error(&c, 5, EXIT_CODE_USAGE, "before the hello");
	expect_closed(&c);
	client_deinit(&c);
	say_hello_to(&h, &c);
	send_hello(&c, WIRE_VERSION);
	pump(&h);
	expect_error(&c, 1, EXIT_CODE_USAGE, "second hello");
	expect_closed(&c);
	assert_int_equal(h.n_requests, 0);
}

static void many_requests_in_one_write_are_answered_in_order(void **state)
{
	(void)state;
	client_init(&c, h.path);
	send_hello(&c, WIRE_VERSION);
	for (uint32_t id = 2; id < 500; id++)
		send_status(&c, id);
	for (uint32_t id = 1; id < 500;) {
		assert_int_equal(frame_out_flush(c.out, c.fd), 0);
		pump(&h);
		Profd__V1__Reply *r = receive_reply(&c);
		if (!r)
			continue;
		assert_false(c.closed);
		assert_int_equal(r->id, id);
		assert_int_equal(r->body_case,
			id == 1 ? PROFD__V1__REPLY__BODY_HELLO : PROFD__V1__REPLY__BODY_STATUS);
		reply_free(r);
		id++;
	}
}

static void one_turn_serves_a_bounded_number_of_frames(void **state)
{
	Profd__V1__Reply *r;

	(void)state;
	say_hello_to(&h, &other);
	for (uint32_t id = 2; id < 2000; id++)
		send_status(&c, id);
	send_status(&other, 2);
	/* A few turns, and the other one has its answer although the first has work for hundreds.
	 */
	while (!(r = receive_reply(&other)))
		assert_true(sd_event_run(h.event, 0) > 0);
	assert_int_equal(r->id, 2);
	reply_free(r);
	assert_true(h.n_requests <= 4 * IPC_FRAMES_A_TURN);
}

static void an_unknown_request_is_an_error_and_not_the_end(void **state)
{
	/* id 9, and a field 99 that only a later protocol knows. */
	static const uint8_t frame[] = { 5, 0, 0, 0, 0x08, 9, 0x9a, 0x06, 0 };

	(void)state;
	assert_int_equal(write(c.fd, frame, sizeof(frame)), sizeof(frame));
	pump(&h);
	expect_error(&c, 9, EXIT_CODE_USAGE, "does not know this request");
	send_status(&c, 10);
	pump(&h);
	expect_reply(&c, 10, PROFD__V1__REPLY__BODY_STATUS);
}

static void open_requests_of_a_uid_are_bounded_over_its_connections(void **state)
{
	(void)state;
	say_hello_to(&h, &other);
	for (uint32_t i = 0; i < LIMIT_REQUESTS_PER_UID; i++)
		send_status(i % 2 ? &c : &other, 100 + i);
	pump(&h);
	assert_int_equal(h.n_held, LIMIT_REQUESTS_PER_UID);
	send_status(&c, 200);
	pump(&h);
	expect_error(&c, 200, EXIT_CODE_FAILED, "16 requests open");
	answer_status(h.held[--h.n_held]);
	send_status(&other, 201);
	pump(&h);
	assert_int_equal(h.n_held, LIMIT_REQUESTS_PER_UID);
	client_deinit(&c);
	client_deinit(&other);
	pump(&h);
	assert_int_equal(h.n_gone, LIMIT_REQUESTS_PER_UID);
	assert_int_equal(h.n_held, 0);
}

static void an_id_that_is_open_cannot_be_used_again(void **state)
{
	(void)state;
	send_status(&c, 7);
	send_status(&c, 7);
	pump(&h);
	expect_error(&c, 7, EXIT_CODE_USAGE, "request 7 is still open");
	expect_closed(&c);
	assert_int_equal(h.n_gone, 1);
}

static void send_cancel(struct client *from, uint32_t request_id, bool finish)
{
	Profd__V1__CancelRequest body = PROFD__V1__CANCEL_REQUEST__INIT;
	Profd__V1__Request m = PROFD__V1__REQUEST__INIT;

	body.request_id = request_id;
	body.finish = finish;
	m.id = 1000;
	m.body_case = PROFD__V1__REQUEST__BODY_CANCEL;
	m.cancel = &body;
	send_request(from, &m);
}

static void cancelling_reaches_the_request_and_only_on_its_connection(void **state)
{
	(void)state;
	say_hello_to(&h, &other);
	send_status(&c, 7);
	send_cancel(&other, 7, true);
	send_cancel(&c, 8, true);
	pump(&h);
	assert_int_equal(h.n_cancelled, 0);
	send_cancel(&c, 7, true);
	pump(&h);
	assert_int_equal(h.n_cancelled, 1);
	assert_true(h.finish);
	/* It is answered all the same, once. */
	answer_status(h.held[--h.n_held]);
	pump(&h);
	expect_reply(&c, 7, PROFD__V1__REPLY__BODY_STATUS);
	assert_null(receive_reply(&c));
	assert_false(c.closed);
}

static void progress_comes_before_the_answer_and_is_dropped_when_nobody_reads(void **state)
{
	unsigned got = 0;

	(void)state;
	send_status(&c, 7);
	pump(&h);
	for (unsigned i = 0; i < 100000; i++)
		ipc_request_progress(h.held[0], i, 100000, "working");
	pump(&h);
	assert_int_equal(h.n_closed, 0);
	answer_status(h.held[--h.n_held]);
	for (bool done = false; !done;) {
		Profd__V1__Reply *r = receive_reply(&c);
		pump(&h);
		if (!r)
			continue;
		done = r->body_case == PROFD__V1__REPLY__BODY_STATUS;
		if (!done) {
			assert_int_equal(r->body_case, PROFD__V1__REPLY__BODY_PROGRESS);
			assert_int_equal(r->id, 7);
			assert_int_equal(r->progress->done_ns, got);
			got++;
		}
		reply_free(r);
	}
	assert_true(got > 0 && got < 100000);
}

static int memfd_of(size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	return fd;
}

static void answer_dump(struct ipc_request *r, size_t n)
{
	Profd__V1__DumpReply body = PROFD__V1__DUMP_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;

	body.bytes = n;
	reply.body_case = PROFD__V1__REPLY__BODY_DUMP;
	reply.dump = &body;
	ipc_request_reply(r, &reply, memfd_of(n));
}

static void unread_profiles_occupy_the_places_of_their_uid(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LIMIT_REQUESTS_PER_UID; i++) {
		send_status(&c, 100 + i);
		pump(&h);
		assert_int_equal(h.n_held, 1);
		answer_dump(h.held[--h.n_held], 100 + i);
	}
	send_status(&c, 200);
	pump(&h);
	assert_int_equal(h.n_held, 0);
	for (uint32_t i = 0; i < LIMIT_REQUESTS_PER_UID; i++) {
		int fd;
		expect_reply(&c, 100 + i, PROFD__V1__REPLY__BODY_DUMP);
		assert_int_equal(frame_in_take_fds(&c.in, &fd, 1), 0);
		assert_int_equal(lseek(fd, 0, SEEK_END), 100 + i);
		close(fd);
	}
	expect_error(&c, 200, EXIT_CODE_FAILED, "answers unread");
	send_status(&c, 201);
	pump(&h);
	assert_int_equal(h.n_held, 1);
}

static void an_answer_that_no_frame_holds_becomes_an_error(void **state)
{
	Profd__V1__StatusReply body = PROFD__V1__STATUS_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	_cleanup_free_ char *text = malloc(LIMIT_MESSAGE_BYTES + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LIMIT_MESSAGE_BYTES);
	text[LIMIT_MESSAGE_BYTES] = '\0';
	send_status(&c, 7);
	pump(&h);
	body.version = text;
	reply.body_case = PROFD__V1__REPLY__BODY_STATUS;
	reply.status = &body;
	ipc_request_reply(h.held[--h.n_held], &reply, -1);
	pump(&h);
	expect_error(&c, 7, EXIT_CODE_FAILED, "does not fit");
	h.hold = false;
	send_status(&c, 8);
	pump(&h);
	expect_reply(&c, 8, PROFD__V1__REPLY__BODY_STATUS);
}

static void a_failure_without_words_is_still_an_error(void **state)
{
	struct error error = ERROR_INIT;

	(void)state;
	send_status(&c, 7);
	pump(&h);
	ipc_request_fail(h.held[--h.n_held], &error);
	pump(&h);
	expect_error(&c, 7, EXIT_CODE_FAILED, "out of memory");
}

static void the_server_goes_with_connections_and_requests_open(void **state)
{
	struct harness own;
	struct client clients[3];
	unsigned before = open_fds();

	(void)state;
	harness_init(&own);
	own.hold = true;
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		say_hello_to(&own, &clients[i]);
		send_status(&clients[i], 7);
	}
	pump(&own);
	harness_deinit(&own);
	assert_int_equal(own.n_gone, 3);
	assert_int_equal(own.n_closed, 3);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		expect_closed(&clients[i]);
		client_deinit(&clients[i]);
	}
	assert_int_equal(open_fds(), before);
}

#define TEST(name, start) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_says_who_answers_and_what_it_has, start),
		TEST(another_version_is_told_both, start),
		TEST(a_request_before_hello_or_a_second_hello_ends_the_connection, start),
		TEST(many_requests_in_one_write_are_answered_in_order, start),
		TEST(one_turn_serves_a_bounded_number_of_frames, start_greeted),
		TEST(an_unknown_request_is_an_error_and_not_the_end, start_greeted),
		TEST(open_requests_of_a_uid_are_bounded_over_its_connections, start_held),
		TEST(an_id_that_is_open_cannot_be_used_again, start_held),
		TEST(cancelling_reaches_the_request_and_only_on_its_connection, start_held),
		TEST(progress_comes_before_the_answer_and_is_dropped_when_nobody_reads, start_held),
		TEST(unread_profiles_occupy_the_places_of_their_uid, start_held),
		TEST(an_answer_that_no_frame_holds_becomes_an_error, start_held),
		TEST(a_failure_without_words_is_still_an_error, start_held),
		cmocka_unit_test(the_server_goes_with_connections_and_requests_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
