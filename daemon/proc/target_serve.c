/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the helper's dispatch: request bytes to operation, its reply to bytes or, when they are
 * many, to a sealed memfd. Runs in the target helper, where every call may hang. Trusts the daemon
 * for the form of a request, but reads it bounded.
 */
#include "proc/target.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "proc/target_protocol.h"

static int run(struct reader *request, struct writer *w, struct target_fds *fds)
{
	switch (reader_u32(request)) {
	case TARGET_READ:
		target_read_processes(request, w);
		return 0;
	case TARGET_LIST:
		target_list_processes(w);
		return 0;
	case TARGET_OPEN:
		target_open_file(request, w, fds);
		return 0;
	case TARGET_PERF_MAP:
		target_open_perf_map_file(request, w, fds);
		return 0;
	case TARGET_DEBUG:
		target_open_debug_files(request, w, fds);
		return 0;
	case TARGET_RESOLVE:
		target_resolve_name(request, w);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* A reply of many bytes: a memfd that cannot change any more. */
static int reply_by_memfd(const struct writer *w, int *ret_fd)
{
	_cleanup_close_ int fd = io_memfd("profd-target");
	int r;

	if (fd < 0)
		return fd;
	r = io_write_full(fd, w->data, w->n);
	if (r == 0)
		r = io_memfd_seal(fd);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int target_serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	struct reader request = READER_INIT(req, req_n);
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(TARGET_REPLY_BYTES);
	struct target_fds out = { .n = 0 };
	int r = run(&request, &w, &out);

	(void)fds, (void)n_fds;
	if (r == 0 && request.bad)
		r = -EBADMSG;
	if (r == 0)
		r = w.bad;
	if (r == 0 && w.n > LIMIT_HELPER_MESSAGE) {
		r = out.n == 0 ? reply_by_memfd(&w, &out.fd[0]) : -E2BIG;
		if (r == 0)
			out.n = 1;
		w.n = 0;
	}
	if (r < 0) {
		for (size_t i = 0; i < out.n; i++)
			(void)close_fd(out.fd[i]);
		return r;
	}
	if (w.n > 0)
		memcpy(reply, w.data, w.n);
	memcpy(reply_fds, out.fd, out.n * sizeof(int));
	*n_reply_fds = out.n;
	return (int)w.n;
}
