/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the scan of all processes: the list of pids, then batches of reads, few in flight, so that
 * the helpers stay free for others. A batch that fails as a whole (one process can hold up the
 * reader of its memory) is asked again one by one, so that one process costs itself only.
 */
#include "proc/target.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "proc/target_io.h"

#define SCAN_BATCHES 2U

struct scan {
	struct target_io *io; /* borrowed */
	target_info_fn each;
	void (*done)(void *userdata, int error);
	void *userdata;
	uint32_t *pids; /* owned */
	uint32_t n, next;
	unsigned in_flight;
	int error; /* that ended it early */
};

struct batch {
	struct scan *scan; /* borrowed; lives while a batch is in flight */
	uint32_t first, n;
};

static void batch_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds);

static int batch_submit(struct scan *s, uint32_t first, uint32_t n)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	_cleanup_free_ struct batch *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	*b = (struct batch){ s, first, n };
	writer_u32(&w, TARGET_READ);
	writer_u32(&w, TARGET_READ_SKIP_KERNEL);
	writer_u32(&w, n);
	for (uint32_t i = 0; i < n; i++)
		writer_u32(&w, s->pids[first + i]);
	r = target_submit(s->io, &w, batch_done, b);
	if (r < 0)
		return r;
	TAKE_PTR(b);
	s->in_flight++;
	return 0;
}

static void scan_end(struct scan *s)
{
	s->done(s->userdata, s->error);
	free(s->pids);
	free(s);
}

static void scan_advance(struct scan *s)
{
	while (s->error == 0 && s->in_flight < SCAN_BATCHES && s->next < s->n) {
		uint32_t n = MIN(s->n - s->next, TARGET_READ_PIDS);

		s->error = batch_submit(s, s->next, n);
		s->next += n;
	}
	if (s->in_flight == 0)
		scan_end(s);
}

static int batch_deliver(const struct batch *b, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	CLEANUP(target_reply_close) struct target_reply reply = { .map = NULL };
	int r = target_reply_open(&reply, bytes, n, fds, n_fds);

	for (uint32_t i = 0; r == 0 && i < b->n; i++) {
		struct target_process_info info;
		uint32_t pid = 0;
		int error = target_info_parse(&reply.reader, &pid, &info);

		if (reply.reader.bad || pid != b->scan->pids[b->first + i])
			r = -EBADMSG;
		else if (error == 0)
			b->scan->each(b->scan->userdata, 0, &info);
	}
	return r;
}

static void batch_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	_cleanup_free_ struct batch *b = userdata;
	struct scan *s = b->scan;

	s->in_flight--;
	if (error == 0)
		error = batch_deliver(b, bytes, n, fds, n_fds);
	if ((error == -ETIMEDOUT || error == -EPIPE) && b->n > 1) {
		for (uint32_t i = 0; i < b->n && s->error == 0; i++)
			s->error = batch_submit(s, b->first + i, 1);
	} else if (error < 0 && error != -ETIMEDOUT && error != -EPIPE && s->error == 0) {
		s->error = error;
	}
	scan_advance(s);
}

static void list_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	CLEANUP(target_reply_close) struct target_reply reply = { .map = NULL };
	struct scan *s = userdata;
	const uint8_t *pids = NULL;

	s->error = error;
	if (error == 0)
		s->error = target_reply_open(&reply, bytes, n, fds, n_fds);
	if (s->error == 0) {
		s->n = reader_u32(&reply.reader);
		pids = s->n <= LIMIT_PROCESSES
			       ? reader_bytes(&reply.reader, (size_t)s->n * sizeof(uint32_t))
			       : NULL;
		s->pids = malloc(MAX((size_t)s->n, 1U) * sizeof(uint32_t));
		if (!pids || !s->pids) {
			s->error = pids ? -ENOMEM : -EBADMSG;
			s->n = 0;
		} else if (s->n > 0) {
			memcpy(s->pids, pids, (size_t)s->n * sizeof(uint32_t));
		}
	}
	scan_advance(s);
}

int target_scan(struct target_io *t, target_info_fn each, void (*done)(void *userdata, int error),
	void *userdata)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	_cleanup_free_ struct scan *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	*s = (struct scan){ .io = t, .each = each, .done = done, .userdata = userdata };
	writer_u32(&w, TARGET_LIST);
	r = target_submit(t, &w, list_done, s);
	if (r == 0)
		TAKE_PTR(s);
	return r;
}
