/* SPDX-License-Identifier: Apache-2.0 */
/* docs/PROTOCOL.md is for outsiders, so its example and its figures are held against the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/decode.h"
#include "wire/frame.h"

#define FRAMES 16

struct example {
	struct {
		char direction;
		uint8_t bytes[256];
		size_t n;
	} frames[FRAMES];
	size_t n;
};

static FILE *open_document(void)
{
	/* TEST_DATA is tests/unit/wire/data, which this room does not have. */
	const char *end = strrchr(TEST_DATA, '/');
	char path[512];

	(void)snprintf(path, sizeof(path), "%.*s/../../../docs/PROTOCOL.md", (int)(end - TEST_DATA),
		TEST_DATA);
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("cannot open %s", path);
	return f;
}

static void read_example(struct example *ret)
{
	_cleanup_fclose_ FILE *f = open_document();
	char line[1024];

	*ret = (struct example){ 0 };
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "    > ", 6) != 0 && strncmp(line, "    < ", 6) != 0)
			continue;
		assert_true(ret->n < FRAMES);
		ret->frames[ret->n].direction = line[4];
		for (char *at = line + 6, *end;; at = end) {
			unsigned long byte = strtoul(at, &end, 16);
			if (end == at)
				break;
			assert_true(byte < 256 && ret->frames[ret->n].n < 256);
			ret->frames[ret->n].bytes[ret->frames[ret->n].n++] = (uint8_t)byte;
		}
		ret->n++;
	}
}

static void expect_frame(
	const struct example *e, size_t i, char direction, const ProtobufCMessage *message)
{
	uint8_t packed[256];

	assert_true(i < e->n);
	assert_int_equal(e->frames[i].direction, direction);
	size_t n = protobuf_c_message_get_packed_size(message);
	assert_int_equal(e->frames[i].n, n + 4);
	assert_int_equal(protobuf_c_message_pack(message, packed), n);
	assert_memory_equal(e->frames[i].bytes + 4, packed, n);
	assert_int_equal(e->frames[i].bytes[0], n);
	assert_int_equal(e->frames[i].bytes[1] | e->frames[i].bytes[2] | e->frames[i].bytes[3], 0);
}

static void the_example_is_what_the_code_sends(void **state)
{
	Profd__V1__Request q = PROFD__V1__REQUEST__INIT;
	Profd__V1__Reply r = PROFD__V1__REPLY__INIT;
	Profd__V1__HelloRequest hello = PROFD__V1__HELLO_REQUEST__INIT;
	Profd__V1__HelloReply hello_reply = PROFD__V1__HELLO_REPLY__INIT;
	Profd__V1__StatusRequest status = PROFD__V1__STATUS_REQUEST__INIT;
	Profd__V1__StatusReply status_reply = PROFD__V1__STATUS_REPLY__INIT;
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	Profd__V1__DumpReply dump_reply = PROFD__V1__DUMP_REPLY__INIT;
	Profd__V1__Progress progress = PROFD__V1__PROGRESS__INIT;
	Profd__V1__AttachRequest attach = PROFD__V1__ATTACH_REQUEST__INIT;
	Profd__V1__ErrorReply error = PROFD__V1__ERROR_REPLY__INIT;
	Profd__V1__Target one = PROFD__V1__TARGET__INIT, all = PROFD__V1__TARGET__INIT;
	char *types[] = { (char *)"cpu" };
	uint32_t pid = 1234;
	struct example e;

	(void)state;
	read_example(&e);

	hello.version = WIRE_VERSION;
	hello.client = (char *)"demo 1";
	q.id = 1;
	q.body_case = PROFD__V1__REQUEST__BODY_HELLO;
	q.hello = &hello;
	expect_frame(&e, 0, '>', &q.base);
	hello_reply.version = WIRE_VERSION;
	hello_reply.daemon = (char *)"profd 1.0.0";
	hello_reply.pid = 4242;
	hello_reply.types = types;
	hello_reply.n_types = 1;
	r.id = 1;
	r.body_case = PROFD__V1__REPLY__BODY_HELLO;
	r.hello = &hello_reply;
	expect_frame(&e, 1, '<', &r.base);

	q.id = r.id = 2;
	q.body_case = PROFD__V1__REQUEST__BODY_STATUS;
	q.status = &status;
	expect_frame(&e, 2, '>', &q.base);
	status_reply.version = (char *)"1.0.0";
	status_reply.state = (char *)"ok";
	r.body_case = PROFD__V1__REPLY__BODY_STATUS;
	r.status = &status_reply;
	expect_frame(&e, 3, '<', &r.base);

	one.pids = &pid;
	one.n_pids = one.n_pidfds = 1;
	dump.type = types[0];
	dump.target = &one;
	dump.seconds_ns = 1000000000;
	q.id = r.id = 3;
	q.body_case = PROFD__V1__REQUEST__BODY_DUMP;
	q.dump = &dump;
	expect_frame(&e, 4, '>', &q.base);
	assert_int_equal(request_n_fds(&q), 1);
	progress.done_ns = 500000000;
	progress.total_ns = 1000000000;
	r.body_case = PROFD__V1__REPLY__BODY_PROGRESS;
	r.progress = &progress;
	expect_frame(&e, 5, '<', &r.base);
	dump_reply.samples = 97;
	dump_reply.bytes = 2048;
	r.body_case = PROFD__V1__REPLY__BODY_DUMP;
	r.dump = &dump_reply;
	expect_frame(&e, 6, '<', &r.base);

	all.all = true;
	attach.target = &all;
	attach.types = types;
	attach.n_types = 1;
	attach.freq_hz = 99;
	q.id = r.id = 4;
	q.body_case = PROFD__V1__REQUEST__BODY_ATTACH;
	q.attach = &attach;
	expect_frame(&e, 7, '>', &q.base);
	error.code = 6;
	error.text = (char *)"denied";
	r.body_case = PROFD__V1__REPLY__BODY_ERROR;
	r.error = &error;
	expect_frame(&e, 8, '<', &r.base);
	assert_int_equal(e.n, 9);
}

static void the_example_is_what_the_code_reads(void **state)
{
	struct frame_in in = FRAME_IN_INIT;
	struct example e;
	const uint8_t *p;
	size_t n;

	(void)state;
	read_example(&e);
	for (size_t i = 0; i < e.n; i++) {
		assert_int_equal(frame_in_feed(&in, e.frames[i].bytes, e.frames[i].n), 0);
		assert_int_equal(frame_in_next(&in, &p, &n), 1);
		assert_true(frame_in_between(&in));
		if (e.frames[i].direction == '>') {
			Profd__V1__Request *m = request_decode(p, n);
			assert_non_null(m);
			assert_int_not_equal(m->body_case, PROFD__V1__REQUEST__BODY__NOT_SET);
			request_free(m);
		} else {
			Profd__V1__Reply *m = reply_decode(p, n);
			assert_non_null(m);
			assert_int_not_equal(m->body_case, PROFD__V1__REPLY__BODY__NOT_SET);
			reply_free(m);
		}
	}
	frame_in_deinit(&in);
}

/* A row of a table of the document that has both words. */
static void expect_row(const char *text, const char *what, const char *format, ...)
{
	char figure[64];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(figure, sizeof(figure), format, ap);
	va_end(ap);
	const char *row = strstr(text, what);
	if (!row)
		fail_msg("no \"%s\"", what);
	const char *end = strchr(row, '\n'), *found = strstr(row, figure);
	if (!end || !found || found > end)
		fail_msg("the row of \"%s\" does not say \"%s\"", what, figure);
}

static void the_limits_are_those_of_the_code(void **state)
{
	static char text[64 * 1024];
	_cleanup_fclose_ FILE *f = open_document();

	(void)state;
	assert_in_range(fread(text, 1, sizeof(text) - 1, f), 1000, sizeof(text) - 2);
	assert_int_equal(LIMIT_MESSAGE_BYTES, 1048576);
	expect_row(text, "| 4 | length n", "1 to 1,048,576");
	expect_row(text, "| message |", "%llu MiB, and %llu MiB", LIMIT_MESSAGE_BYTES / MIB,
		DECODE_REQUEST_BYTES / MIB);
	expect_row(text, "| `hello` must come", "| %u s |", LIMIT_HANDSHAKE_MS / 1000);
	expect_row(text, "| a frame that has begun", "| %u s |", LIMIT_FRAME_MS / 1000);
	expect_row(text, "| answers that wait", "| %llu MiB |", LIMIT_OUT_QUEUE_BYTES / MIB);
	expect_row(text, "| connections of one user", "| %u;", LIMIT_CONNECTIONS_PER_UID);
	expect_row(text, "| open requests of one user", "| %u |", LIMIT_REQUESTS_PER_UID);
	expect_row(text, "| `pids` + `below_pids`", "| %u |", LIMIT_PIDS);
	expect_row(text, "`sendmsg()` that sends that byte", "At most %d belong", WIRE_MAX_FDS);
	expect_row(text, "`version` is", "%d", WIRE_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_what_the_code_sends),
		cmocka_unit_test(the_example_is_what_the_code_reads),
		cmocka_unit_test(the_limits_are_those_of_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
