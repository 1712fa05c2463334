/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the jobs and workers of their own, and steps each job through
 *
 *   open -> build -> (no call frame information: find debug files -> build with them)
 *
 * Replies are checked, and the memory is sealed against writing before the daemon looks at it: a
 * worker that still holds it writable makes its answer bad.
 */
#include "symbol/unwind_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "symbol/open.h"
#include "symbol/vdso.h"
#include "symbol/workers.h"

struct job {
	struct job *next, **self;     /* of the source's list */
	struct unwind_source *source; /* NULL: abandoned */
	struct module *module;
	int file, memory; /* owned, -1 */
	struct opened debug;
	uint64_t memory_n;
	bool asked_debug;
	unwind_source_fn done;
	void *userdata;
};

struct unwind_source {
	struct target_io *io;
	struct workers workers;
	struct job *jobs;
};

void unwind_answer_deinit(struct unwind_answer *a)
{
	if (a->map)
		(void)munmap(a->map, a->map_n);
	*a = (struct unwind_answer){ 0 };
}

int unwind_source_new(
	struct unwind_source **ret, sd_event *event, struct target_io *io, unsigned max_workers)
{
	struct unwind_source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->io = io;
	r = workers_init(&s->workers, event, max_workers);
	if (r < 0) {
		unwind_source_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct unwind_source *unwind_source_free(struct unwind_source *s)
{
	if (!s)
		return NULL;
	/* Each frees itself with the callback it waits for, at the latest when that room goes. */
	while (s->jobs) {
		struct job *job = s->jobs;

		s->jobs = job->next;
		job->source = NULL;
	}
	workers_deinit(&s->workers);
	free(s);
	return NULL;
}

void unwind_source_get_stats(struct unwind_source *s, struct helper_stats *ret)
{
	workers_get_stats(&s->workers, ret);
}

void unwind_source_trim(struct unwind_source *s)
{
	workers_trim(&s->workers);
}

/* ---- a job ---- */

static void job_free(struct job *job)
{
	if (job->source) {
		*job->self = job->next;
		if (job->next)
			job->next->self = job->self;
	}
	opened_deinit(&job->debug);
	close_fd(job->memory);
	close_fd(job->file);
	free(job);
}

static void finish(struct job *job, int error, struct unwind_answer *answer)
{
	struct unwind_answer none = { 0 };

	job->done(job->userdata, job->module->id, error, answer ? answer : &none);
	job_free(job);
}

/* True (and the job is gone) where nobody waits for it any more. */
static bool is_over(struct job *job)
{
	bool over = !job->source;

	if (over)
		job_free(job);
	return over;
}

static int map_answer(struct job *job, uint64_t n, struct unwind_answer *ret)
{
	void *map;
	int r;

	/* Fails where a worker has put a seal of its own on it, or still has it mapped. */
	if (fcntl(job->memory, F_ADD_SEALS,
		    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -EBADMSG;
	map = mmap(NULL, n, PROT_READ, MAP_SHARED, job->memory, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = (struct unwind_answer){ .map = map, .map_n = n };
	r = unwind_answer_check(map, n, &ret->view);
	if (r < 0)
		unwind_answer_deinit(ret);
	return r;
}

static int build(struct job *job);

static void on_debug(void *userdata, int error, int *fds, size_t n)
{
	struct job *job = userdata;
	int r = error < 0 ? error : -ENODATA;

	if (is_over(job))
		return;
	if (error == 0)
		opened_take(&job->debug, fds, n);
	if (job->debug.n > 0)
		r = build(job);
	if (r < 0)
		finish(job, r, NULL);
}

static int find_debug(struct job *job, const struct unwind_reply *reply)
{
	if (job->asked_debug)
		return -ENODATA;
	job->asked_debug = true;
	return open_debug(job->source->io, job->module, reply->build_id, reply->build_id_n,
		reply->debuglink, on_debug, job);
}

static void on_built(void *userdata, int error, const void *data, size_t n, int *fds, size_t n_fds)
{
	struct unwind_answer answer = { 0 };
	struct job *job = userdata;
	struct unwind_reply reply;
	int r = error;

	(void)fds;
	(void)n_fds;
	if (is_over(job))
		return;
	if (r == 0)
		r = unwind_reply_check(data, n, job->memory_n, &reply);
	if (r == 0 && reply.n == 0) {
		r = find_debug(job, &reply);
		if (r == 0)
			return;
	} else if (r == 0) {
		r = map_answer(job, reply.n, &answer);
	}
	finish(job, r, r < 0 ? NULL : &answer);
	unwind_answer_deinit(&answer);
}

static int build(struct job *job)
{
	int fds[2 + SYMBOL_MAX_DEBUG];
	struct symbol_request q;
	size_t n = 0;
	struct stat st;

	if (fstat(job->file, &st) < 0)
		return -errno;
	job->memory_n = unwind_answer_size((uint64_t)st.st_size);
	close_fd(job->memory);
	job->memory = io_memfd("profd-unwind");
	if (job->memory < 0)
		return job->memory;
	if (ftruncate(job->memory, (off_t)job->memory_n) < 0)
		return -errno;
	q = (struct symbol_request){
		.op = SYMBOL_UNWIND,
		.source = SYMBOL_SOURCE_ELF,
		.n_debug = job->debug.n,
		.answer_size = job->memory_n,
	};
	fds[n++] = job->file;
	for (uint32_t i = 0; i < job->debug.n; i++)
		fds[n++] = job->debug.fds[i];
	fds[n++] = job->memory;
	return workers_submit(&job->source->workers, job->module, &q, fds, n, on_built, job);
}

static void on_open(void *userdata, int error, struct target_file *file)
{
	struct job *job = userdata;

	if (is_over(job))
		return;
	error = job->file = open_done(job->module, error, file);
	if (error >= 0)
		error = build(job);
	if (error < 0)
		finish(job, error, NULL);
}

static int start(struct job *job)
{
	struct module *m = job->module;

	if (m->kind != MODULE_FILE && m->kind != MODULE_VDSO)
		return -ENODATA;
	if (m->kind == MODULE_FILE && m->fd < 0)
		return open_module(job->source->io, m, on_open, job);
	job->file = m->kind == MODULE_VDSO ? vdso_image() : open_held(m);
	return job->file < 0 ? job->file : build(job);
}

int unwind_source_build(
	struct unwind_source *s, struct module *module, unwind_source_fn done, void *userdata)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	*job = (struct job){
		.next = s->jobs,
		.self = &s->jobs,
		.source = s,
		.module = module,
		.file = -1,
		.memory = -1,
		.done = done,
		.userdata = userdata,
	};
	if (s->jobs)
		s->jobs->self = &job->next;
	s->jobs = job;
	r = start(job);
	if (r < 0)
		job_free(job);
	return r;
}
