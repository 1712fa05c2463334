/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Living threads (living.h): the target helper lists processes, the kernel side their threads. Owns
 * the list while it grows; bounded, past which threads are left out.
 */
#include "living.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profd.h"

#define MAX_THREADS (1U << 20)
#define FIRST_TIDS  1024

struct living {
	struct profd *profd;
	living_match_fn matches; /* NULL: forgotten */
	living_done_fn done;
	void *userdata;
	struct array threads; /* struct dump_thread */
	uint32_t *tids;	      /* owned; of one process */
	size_t max_tids;
	int error;
};

static void living_free(struct living *l)
{
	array_deinit(&l->threads);
	free(l->tids);
	free(l);
}

/* How many are in l->tids, or -errno. */
static int read_tids(struct living *l, uint32_t pid)
{
	for (;;) {
		int n = kernel_threads_of(l->profd->kernel, pid, l->tids, l->max_tids);
		if (n < 0 || (size_t)n <= l->max_tids)
			return n;
		size_t max = MIN((size_t)n + (size_t)n / 8, (size_t)MAX_THREADS);
		if (max <= l->max_tids)
			return (int)l->max_tids;
		uint32_t *more = realloc(l->tids, max * sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->tids = more;
		l->max_tids = max;
	}
}

static void on_process(void *userdata, int error, const struct target_process_info *info)
{
	struct living *l = userdata;

	if (error < 0 || !l->matches || !l->matches(l->userdata, info))
		return;
	int n = read_tids(l, info->pid);
	/* One that has ended meanwhile has no threads. */
	if (n < 0 && n != -ESRCH && n != -ENOENT)
		l->error = n;
	for (int i = 0; i < n; i++) {
		struct dump_thread *t = array_push(&l->threads);
		if (!t)
			return;
		*t = (struct dump_thread){ .pid = info->pid, .tid = l->tids[i] };
	}
}

static void on_listed(void *userdata, int error)
{
	struct living *l = userdata;

	if (l->matches) {
		struct array threads = l->threads;
		l->threads = (struct array){ 0 };
		if (error >= 0)
			error = l->error;
		if (error < 0)
			array_deinit(&threads);
		l->done(l->userdata, MIN(error, 0), error < 0 ? NULL : threads.data,
			error < 0 ? 0 : threads.n);
	}
	living_free(l);
}

int living_ask(struct living **ret, struct profd *p, living_match_fn matches, living_done_fn done,
	void *userdata)
{
	struct living *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct living){
		.profd = p,
		.matches = matches,
		.done = done,
		.userdata = userdata,
		.threads = ARRAY_INIT(struct dump_thread, MAX_THREADS),
		.tids = calloc(FIRST_TIDS, sizeof(uint32_t)),
		.max_tids = FIRST_TIDS,
	};
	r = l->tids ? target_scan(p->io, on_process, on_listed, l) : -ENOMEM;
	if (r < 0) {
		living_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct living *living_forget(struct living *l)
{
	if (l)
		l->matches = NULL;
	return NULL;
}
