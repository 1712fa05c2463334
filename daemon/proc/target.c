/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns target I/O as the daemon sees it: requests go to a pool of target helpers, answers come back
 * as callbacks, and a device on which nobody answered is left alone for a while. Never touches a
 * target itself. A call that returned 0 gets its callback exactly once.
 */
#include "proc/target.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "proc/target_io.h"

#define TARGET_HELPERS 4U

/* One request on its way. */
struct call {
	struct target_io *io; /* borrowed */
	uint32_t pid, major, minor;
	uint64_t inode;
	union {
		target_info_fn info;
		target_open_fn open;
		target_debug_fn debug;
		target_resolve_fn resolve;
	} done;
	void *userdata;
};

DEFINE_CLEANUP(struct target_io *, target_io_free)

int target_io_new(struct target_io **ret, sd_event *event)
{
	CLEANUP(target_io_freep) struct target_io *t = calloc(1, sizeof(*t));
	struct helper_options options = { .role = HELPER_TARGET,
		.max_processes = TARGET_HELPERS,
		.deadline_ms = LIMIT_TARGET_DEADLINE_MS };
	int r;

	if (!t)
		return -ENOMEM;
	quarantine_init(&t->quarantine);
	r = helper_pool_new(&t->pool, event, &options);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

struct target_io *target_io_free(struct target_io *t)
{
	if (!t)
		return NULL;
	helper_pool_free(t->pool);
	free(t);
	return NULL;
}

void target_io_get_stats(struct target_io *t, struct helper_stats *ret)
{
	helper_pool_get_stats(t->pool, ret);
}

void target_io_on_quarantine(struct target_io *t, target_quarantine_fn fn, void *userdata)
{
	t->on_quarantine = fn;
	t->on_quarantine_userdata = userdata;
}

static void quarantine(struct call *c, uint32_t major, uint32_t minor, const char *type, bool late)
{
	struct target_io *t = c->io;
	char what[96];

	if (!quarantine_add(&t->quarantine, major, minor, c->pid, late, clock_monotonic_ns()) ||
		!t->on_quarantine)
		return;
	(void)snprintf(what, sizeof(what), "%s at %u:%u", type, major, minor);
	t->on_quarantine(t->on_quarantine_userdata, what,
		late ? "a file there was not answered for in time"
		     : "files there may never be answered for");
}

int target_submit(struct target_io *t, struct writer *w, helper_done_fn done, void *userdata)
{
	int r = w->bad;

	if (r == 0)
		r = helper_pool_submit(t->pool, w->data, w->n, NULL, 0, done, userdata, NULL);
	writer_deinit(w);
	return r;
}

/* Submits a call; it lives until its callback, or not at all when this fails. */
static int submit_call(
	struct target_io *t, struct writer *w, const struct call *call, helper_done_fn done)
{
	_cleanup_free_ struct call *c = malloc(sizeof(*c));
	int r;

	if (!c) {
		writer_deinit(w);
		return -ENOMEM;
	}
	*c = *call;
	c->io = t;
	r = target_submit(t, w, done, c);
	if (r == 0)
		TAKE_PTR(c);
	return r;
}

/* ---- reading ---- */

static void read_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	_cleanup_free_ struct call *c = userdata;
	CLEANUP(target_reply_close) struct target_reply reply = { .map = NULL };
	struct target_process_info info;
	uint32_t pid = 0;

	if (error == 0)
		error = target_reply_open(&reply, bytes, n, fds, n_fds);
	if (error == 0)
		error = target_info_parse(&reply.reader, &pid, &info);
	if (error == 0 && pid != c->pid)
		error = -EBADMSG;
	c->done.info(c->userdata, error, error == 0 ? &info : NULL);
}

int target_read(
	struct target_io *t, uint32_t pid, bool with_maps, target_info_fn done, void *userdata)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	struct call c = { .pid = pid, .done.info = done, .userdata = userdata };

	writer_u32(&w, TARGET_READ);
	writer_u32(&w, with_maps ? TARGET_READ_MAPS : 0);
	writer_u32(&w, 1);
	writer_u32(&w, pid);
	return submit_call(t, &w, &c, read_done);
}

/* ---- opening ---- */

static int parse_open(
	struct call *c, struct reader *r, int *fds, size_t n_fds, struct target_file *file)
{
	int error = (int)reader_u32(r);

	if (error == -EOPNOTSUPP) {
		uint32_t major = reader_u32(r), minor = reader_u32(r);
		const char *type = reader_cstr(r);

		if (type)
			quarantine(c, major, minor, type, false);
	}
	if (error < 0)
		return error;
	reader_struct(r, file, sizeof(*file));
	if (r->bad || error > 0 || n_fds != 1)
		return -EBADMSG;
	file->fd = TAKE_FD(fds[0]);
	return 0;
}

static void open_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	_cleanup_free_ struct call *c = userdata;
	struct reader r = READER_INIT(bytes, n);
	struct target_file file = { .fd = -1 };

	if (error == -ETIMEDOUT && c->inode != 0)
		quarantine(c, c->major, c->minor, "device", true);
	if (error == 0)
		error = parse_open(c, &r, fds, n_fds, &file);
	c->done.open(c->userdata, error, error == 0 ? &file : NULL);
	file.fd = close_fd(file.fd);
}

int target_open(struct target_io *t, const struct target_open_request *req, target_open_fn done,
	void *userdata)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	struct call c = { .pid = req->pid,
		.major = req->major,
		.minor = req->minor,
		.inode = req->inode,
		.done.open = done,
		.userdata = userdata };

	if (strnlen(req->path, LIMIT_PATH) >= LIMIT_PATH)
		return -ENAMETOOLONG;
	if (req->inode != 0 && quarantine_holds(&t->quarantine, req->major, req->minor, req->pid,
				       clock_monotonic_ns()))
		return -ETIMEDOUT;
	writer_u32(&w, TARGET_OPEN);
	writer_u32(&w, req->pid);
	writer_u64(&w, req->start);
	writer_u64(&w, req->end);
	writer_u32(&w, req->major);
	writer_u32(&w, req->minor);
	writer_u64(&w, req->inode);
	writer_cstr(&w, req->path);
	return submit_call(t, &w, &c, open_done);
}

int target_open_perf_map(struct target_io *t, uint32_t pid, target_open_fn done, void *userdata)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	struct call c = { .pid = pid, .done.open = done, .userdata = userdata };

	writer_u32(&w, TARGET_PERF_MAP);
	writer_u32(&w, pid);
	return submit_call(t, &w, &c, open_done);
}

static void debug_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	_cleanup_free_ struct call *c = userdata;
	struct reader r = READER_INIT(bytes, n);

	if (error == 0) {
		error = (int)reader_u32(&r);
		if (r.bad || error > 0 || n_fds > TARGET_DEBUG_FILES)
			error = -EBADMSG;
	}
	c->done.debug(c->userdata, error, error == 0 ? fds : NULL, error == 0 ? n_fds : 0);
}

int target_open_debug(struct target_io *t, const char *build_id_hex, const char *debuglink,
	const char *binary_path, uint32_t pid, target_debug_fn done, void *userdata)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	struct call c = { .pid = pid, .done.debug = done, .userdata = userdata };

	writer_u32(&w, TARGET_DEBUG);
	writer_u32(&w, pid);
	writer_cstr(&w, build_id_hex ? build_id_hex : "");
	writer_cstr(&w, debuglink ? debuglink : "");
	writer_cstr(&w, binary_path ? binary_path : "");
	return submit_call(t, &w, &c, debug_done);
}

/* ---- resolving ---- */

static void resolve_done(
	void *userdata, int error, const void *bytes, size_t n, int *fds, size_t n_fds)
{
	_cleanup_free_ struct call *c = userdata;
	struct reader r = READER_INIT(bytes, n);
	struct target_resolved resolved;

	(void)fds, (void)n_fds;
	if (error == 0) {
		error = (int)reader_u32(&r);
		reader_struct(&r, &resolved, sizeof(resolved));
		resolved.path = reader_cstr(&r);
		if (r.bad || error > 0)
			error = -EBADMSG;
	}
	c->done.resolve(c->userdata, error, error == 0 ? &resolved : NULL);
}

int target_resolve(struct target_io *t, enum target_resolve_kind kind, const char *name,
	target_resolve_fn done, void *userdata)
{
	struct writer w = WRITER_INIT(LIMIT_HELPER_MESSAGE);
	struct call c = { .done.resolve = done, .userdata = userdata };

	if (strnlen(name, LIMIT_PATH) >= LIMIT_PATH)
		return -ENAMETOOLONG;
	writer_u32(&w, TARGET_RESOLVE);
	writer_u32(&w, kind);
	writer_cstr(&w, name);
	return submit_call(t, &w, &c, resolve_done);
}
