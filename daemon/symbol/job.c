/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the descriptors and offsets of one job and steps through it:
 *
 *   open -> identify -> find debug files -> identify with them -> find dwz file -> symbolize
 *
 * An abandoned job touches nothing but itself when its last callback comes. Replies of workers are
 * checked before they are used; a worker that dies over DWARF gets a second chance without it.
 */
#include "symbol/job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "symbol/open.h"
#include "symbol/vdso.h"

struct symbol_job {
	struct symbol_job_context context;
	struct module *module; /* borrowed; of the table, which outlives us unless abandoned */
	struct symbol_identity identity;
	bool identified, abandoned, no_dwarf, dwarf_failed;
	bool starting;	 /* within symbol_job_new(): done() is not called */
	int start_error; /* how it ended meanwhile */
	enum symbol_source source;
	int file, offsets_fd, answer_fd; /* owned, -1 */
	struct opened debug, alt;
	uint64_t *offsets; /* owned */
	size_t n;
	symbol_job_fn done;
	void *userdata;
};

static struct symbol_job *job_free(struct symbol_job *job)
{
	if (!job)
		return NULL;
	opened_deinit(&job->debug);
	opened_deinit(&job->alt);
	close_fd(job->file);
	close_fd(job->offsets_fd);
	close_fd(job->answer_fd);
	free(job->offsets);
	free(job);
	return NULL;
}

static void finish(struct symbol_job *job, int error, const struct answer_view *answer)
{
	if (job->starting) {
		job->start_error = error ? error : -EIO;
		return;
	}
	job->done(job->userdata, error, job->identified ? &job->identity : NULL, answer,
		job->dwarf_failed);
	job_free(job);
}

/* True (and the job is gone) where nobody waits for it any more. */
static bool is_over(struct symbol_job *job)
{
	bool over = job->abandoned;

	if (over)
		job_free(job);
	return over;
}

static int submit(struct symbol_job *job, enum symbol_op op, helper_done_fn done)
{
	struct symbol_request q = {
		.op = op,
		.source = job->source,
		.no_dwarf = job->no_dwarf,
		.n_debug = job->debug.n,
		.n_alt = op == SYMBOL_SYMBOLIZE ? job->alt.n : 0,
		.n_offsets = (uint32_t)job->n,
		.answer_size = answer_size(job->n),
	};
	int fds[1 + 2 * SYMBOL_MAX_DEBUG + 2];
	size_t n = 0;

	fds[n++] = job->file;
	for (uint32_t i = 0; i < q.n_debug; i++)
		fds[n++] = job->debug.fds[i];
	for (uint32_t i = 0; i < q.n_alt; i++)
		fds[n++] = job->alt.fds[i];
	if (op == SYMBOL_SYMBOLIZE) {
		fds[n++] = job->offsets_fd;
		fds[n++] = job->answer_fd;
	}
	return workers_submit(job->context.workers, job->module, &q, fds, n, done, job);
}

/* ---- the last step ---- */

static void symbolize(struct symbol_job *job);

/* A copy of the answer: the worker may still write to the original. */
static int read_answer(struct symbol_job *job, const void *reply, size_t reply_n, uint8_t **ret,
	struct answer_view *ret_view)
{
	_cleanup_free_ uint8_t *copy = NULL;
	struct symbol_reply r;
	ssize_t got = 0;
	int error;

	if (reply_n != sizeof(r))
		return -EBADMSG;
	memcpy(&r, reply, sizeof(r));
	if (r.answer_n > answer_size(job->n))
		return -EBADMSG;
	copy = malloc(r.answer_n ? r.answer_n : 1);
	if (!copy)
		return -ENOMEM;
	for (size_t at = 0; at < r.answer_n; at += (size_t)got) {
		got = pread(job->answer_fd, copy + at, r.answer_n - at, (off_t)at);
		if (got <= 0)
			return -EBADMSG;
	}
	error = answer_check(copy, r.answer_n, job->n, ret_view);
	if (error < 0)
		return error;
	*ret = TAKE_PTR(copy);
	return 0;
}

static void on_answer(
	void *userdata, int error, const void *reply, size_t n, int *fds, size_t n_fds)
{
	_cleanup_free_ uint8_t *copy = NULL;
	struct symbol_job *job = userdata;
	struct answer_view view;

	(void)fds;
	(void)n_fds;
	if (is_over(job))
		return;
	if ((error == -EPIPE || error == -ETIMEDOUT) && !job->no_dwarf &&
		job->source == SYMBOL_SOURCE_ELF) {
		job->no_dwarf = job->dwarf_failed = true;
		symbolize(job);
		return;
	}
	if (error == 0)
		error = read_answer(job, reply, n, &copy, &view);
	finish(job, error, error < 0 ? NULL : &view);
}

static int make_memfds(struct symbol_job *job)
{
	int r;

	if (job->offsets_fd < 0) {
		job->offsets_fd = io_memfd("profd-offsets");
		if (job->offsets_fd < 0)
			return job->offsets_fd;
		r = io_write_full(job->offsets_fd, job->offsets, job->n * sizeof(*job->offsets));
		if (r == 0)
			r = io_memfd_seal(job->offsets_fd);
		if (r < 0)
			return r;
	}
	/* A new one for a second try: the first worker may have left anything in it. */
	close_fd(job->answer_fd);
	job->answer_fd = io_memfd("profd-symbols");
	if (job->answer_fd < 0)
		return job->answer_fd;
	if (ftruncate(job->answer_fd, (off_t)answer_size(job->n)) < 0 ||
		fcntl(job->answer_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static void symbolize(struct symbol_job *job)
{
	int r = make_memfds(job);

	if (r == 0)
		r = submit(job, SYMBOL_SYMBOLIZE, on_answer);
	if (r < 0)
		finish(job, r, NULL);
}

/* ---- debug files ---- */

static void on_alt(void *userdata, int error, int *fds, size_t n)
{
	struct symbol_job *job = userdata;

	if (is_over(job))
		return;
	if (error == 0)
		opened_take(&job->alt, fds, n);
	/* The request carries at most LIMIT_HELPER_FDS. */
	while (1 + job->debug.n + job->alt.n + 2 > LIMIT_HELPER_FDS)
		close_fd(job->alt.fds[--job->alt.n]);
	symbolize(job);
}

static void find_alt(struct symbol_job *job)
{
	static const char root[] = "/usr/lib/debug/";
	const char *link = job->identity.altlink, *name = NULL;
	char id[HEX_MAX];

	hex_format(job->identity.alt_id, job->identity.alt_id_n, id);
	if (job->identity.alt_id_n == 0 || job->no_dwarf) {
		symbolize(job);
		return;
	}
	/* The link is the file's word: a path is followed only below where distributions put them.
	 */
	if (strncmp(link, root, sizeof(root) - 1) == 0 && !strstr(link, "/../"))
		name = strrchr(link, '/') + 1;
	if (target_open_debug(job->context.io, id, name, name ? link : job->module->path,
		    job->module->pid, on_alt, job) < 0)
		symbolize(job);
}

static void on_identified_debug(
	void *userdata, int error, const void *reply, size_t n, int *fds, size_t n_fds)
{
	struct symbol_job *job = userdata;
	struct symbol_identity identity;

	(void)fds;
	(void)n_fds;
	if (is_over(job))
		return;
	if (error < 0 || symbol_identity_check(reply, n, job->debug.n, &identity) < 0 ||
		identity.debug == UINT32_MAX) {
		opened_deinit(&job->debug);
	} else {
		int kept = TAKE_FD(job->debug.fds[identity.debug]);

		job->identity = identity;
		opened_deinit(&job->debug);
		opened_take(&job->debug, &kept, 1);
	}
	find_alt(job);
}

static void on_debug(void *userdata, int error, int *fds, size_t n)
{
	struct symbol_job *job = userdata;

	if (is_over(job))
		return;
	if (error == 0)
		opened_take(&job->debug, fds, n);
	if (job->debug.n > 0 && submit(job, SYMBOL_IDENTIFY, on_identified_debug) == 0)
		return;
	opened_deinit(&job->debug);
	find_alt(job);
}

static void find_debug(struct symbol_job *job)
{
	const struct symbol_identity *i = &job->identity;

	/* identity may be what an earlier job knew with a debug file at hand: found again. */
	if ((i->debug != UINT32_MAX || !i->has_dwarf) &&
		open_debug(job->context.io, job->module, i->build_id, i->build_id_n, i->debuglink,
			on_debug, job) == 0)
		return;
	find_alt(job);
}

/* ---- the file ---- */

static void on_identified(
	void *userdata, int error, const void *reply, size_t n, int *fds, size_t n_fds)
{
	struct symbol_job *job = userdata;

	(void)fds;
	(void)n_fds;
	if (is_over(job))
		return;
	if (error == 0)
		error = symbol_identity_check(reply, n, 0, &job->identity);
	if (error < 0) {
		finish(job, error, NULL);
		return;
	}
	job->identified = true;
	find_debug(job);
}

static int identify(struct symbol_job *job)
{
	if (job->identified) {
		find_debug(job);
		return 0;
	}
	return submit(job, SYMBOL_IDENTIFY, on_identified);
}

static void on_open(void *userdata, int error, struct target_file *file)
{
	struct symbol_job *job = userdata;

	if (is_over(job))
		return;
	error = job->file = open_done(job->module, error, file);
	if (error >= 0 && job->n > 0) {
		error = identify(job);
		if (error == 0)
			return;
	}
	finish(job, MIN(error, 0), NULL);
}

/* A map that cannot be opened any more is read as it was held. */
static void on_perf_map(void *userdata, int error, struct target_file *file)
{
	struct symbol_job *job = userdata;

	if (is_over(job))
		return;
	if (error == 0)
		error = job->file = open_hold(job->module, file);
	else if (job->module->fd >= 0)
		error = job->file = open_held(job->module);
	if (error >= 0 && job->n > 0)
		symbolize(job);
	else
		finish(job, MIN(error, 0), NULL);
}

static int open_file(struct symbol_job *job)
{
	if (job->module->fd < 0)
		return open_module(job->context.io, job->module, on_open, job);
	job->file = open_held(job->module);
	return job->file < 0 ? job->file : identify(job);
}

/* Of a process that is gone, only what is held: its number may be another's by now. */
static int open_perf_map(struct symbol_job *job)
{
	const struct module *m = job->module;

	if (m->n_processes > 0)
		return target_open_perf_map(job->context.io, m->pid, on_perf_map, job);
	if (m->fd < 0)
		return -ESRCH;
	job->file = open_held(m);
	if (job->file < 0)
		return job->file;
	symbolize(job);
	return 0;
}

static int start(struct symbol_job *job)
{
	switch (job->module->kind) {
	case MODULE_FILE:
		return open_file(job);
	case MODULE_VDSO:
		job->file = vdso_image();
		return job->file < 0 ? job->file : identify(job);
	case MODULE_KERNEL:
		job->source = SYMBOL_SOURCE_KERNEL;
		job->file = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
		if (job->file < 0)
			return -errno;
		symbolize(job);
		return 0;
	case MODULE_JIT:
		job->source = SYMBOL_SOURCE_PERF_MAP;
		return open_perf_map(job);
	case MODULE_UNKNOWN:
		break;
	}
	return -ENODATA;
}

int symbol_job_new(struct symbol_job **ret, const struct symbol_job_context *context,
	struct module *module, const struct symbol_identity *known, bool no_dwarf,
	uint64_t *offsets, size_t n, symbol_job_fn done, void *userdata)
{
	struct symbol_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job) {
		free(offsets);
		return -ENOMEM;
	}
	*job = (struct symbol_job){
		.context = *context,
		.module = module,
		.identified = known != NULL,
		.no_dwarf = no_dwarf,
		.file = -1,
		.offsets_fd = -1,
		.answer_fd = -1,
		.offsets = offsets,
		.n = n,
		.done = done,
		.userdata = userdata,
	};
	if (known)
		job->identity = *known;
	job->starting = true;
	r = start(job);
	if (r == 0)
		r = job->start_error;
	job->starting = false;
	if (r < 0) {
		job_free(job);
		return r;
	}
	*ret = job;
	return 0;
}

void symbol_job_abandon(struct symbol_job *job)
{
	if (job)
		job->abandoned = true;
}

const uint64_t *symbol_job_offsets(const struct symbol_job *job)
{
	return job->offsets;
}
