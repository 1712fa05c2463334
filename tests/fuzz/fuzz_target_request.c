/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: proc isolate base
/* The target helper's requests and the daemon's reading of its replies: any bytes, no crash, no
 * descriptor left open. Opening is kept to pid 0 and to paths that do not exist. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "proc/target_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_reply(const uint8_t *data, size_t size)
{
	CLEANUP(target_reply_close) struct target_reply reply = { .map = NULL };
	struct target_process_info info;
	uint32_t pid;

	if (target_reply_open(&reply, data, size, NULL, 0) < 0)
		return;
	while (reader_left(&reply.reader) > 0) {
		int r = target_info_parse(&reply.reader, &pid, &info);

		if (r == -EBADMSG)
			return;
		if (r == 0 && strlen(info.exe) > size)
			abort();
	}
}

static void serve_request(const uint8_t *data, size_t size)
{
	static uint8_t reply[LIMIT_HELPER_MESSAGE];
	int fds[LIMIT_HELPER_FDS];
	size_t n_fds = 0;
	int r = target_serve(data, size, NULL, 0, reply, fds, &n_fds);

	if (r > (int)sizeof(reply) || n_fds > LIMIT_HELPER_FDS)
		abort();
	for (size_t i = 0; r >= 0 && i < n_fds; i++)
		(void)close(fds[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t op = 0;

	if (size > LIMIT_HELPER_MESSAGE)
		return 0;
	read_reply(data, size);
	if (size >= sizeof(op))
		memcpy(&op, data, sizeof(op));
	/* A list of this machine's processes says nothing about the input. */
	if (op != TARGET_LIST)
		serve_request(data, size);
	return 0;
}
