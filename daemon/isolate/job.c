/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns jobs, with their bytes and descriptors, and the order in which they wait. Knows nothing of
 * processes. A job's bytes are the daemon's own, whatever they speak of.
 */
#include "isolate/job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "isolate/channel.h"

#define QUEUE_BYTES (64 * MIB)
#define QUEUE_FDS   1024U

int helper_job_new(struct helper_job **ret, const void *req, size_t n, const int *fds, size_t n_fds)
{
	CLEANUP(helper_job_freep) struct helper_job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->bytes = malloc(MAX(n, 1U));
	if (!j->bytes)
		return -ENOMEM;
	if (n > 0)
		memcpy(j->bytes, req, n);
	j->n = n;
	for (; j->n_fds < n_fds; j->n_fds++) {
		j->fds[j->n_fds] = fcntl(fds[j->n_fds], F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
		if (j->fds[j->n_fds] < 0)
			return errno == EMFILE ? -ENOBUFS : -errno;
	}
	*ret = TAKE_PTR(j);
	return 0;
}

struct helper_job *helper_job_free(struct helper_job *j)
{
	if (!j)
		return NULL;
	for (size_t i = 0; i < j->n_fds; i++)
		(void)close_fd(j->fds[i]);
	free(j->bytes);
	free(j);
	return NULL;
}

void helper_job_finish(
	struct helper_job *j, int error, const void *reply, size_t n, int *fds, size_t n_fds)
{
	if (j->done)
		j->done(j->userdata, error, reply, n, fds, n_fds);
	helper_job_free(j);
}

/* ---- the queue ---- */

void job_queue_init(struct job_queue *q)
{
	*q = (struct job_queue){ .last = &q->first };
}

bool job_queue_has_room(const struct job_queue *q, size_t n, size_t n_fds)
{
	return q->n < LIMIT_HELPER_QUEUE && q->bytes + n <= QUEUE_BYTES &&
	       q->n_fds + n_fds <= QUEUE_FDS;
}

static void count_in(struct job_queue *q, const struct helper_job *j)
{
	q->n++;
	q->bytes += j->n;
	q->n_fds += j->n_fds;
}

void job_queue_push(struct job_queue *q, struct helper_job *j)
{
	j->next = NULL;
	*q->last = j;
	q->last = &j->next;
	count_in(q, j);
}

void job_queue_put_back(struct job_queue *q, struct helper_job *j)
{
	j->next = q->first;
	if (!q->first)
		q->last = &j->next;
	q->first = j;
	count_in(q, j);
}

static struct helper_job *take(struct job_queue *q, struct helper_job **at)
{
	struct helper_job *j = *at;

	*at = j->next;
	if (q->last == &j->next)
		q->last = at;
	j->next = NULL;
	q->n--;
	q->bytes -= j->n;
	q->n_fds -= j->n_fds;
	return j;
}

struct helper_job *job_queue_take(struct job_queue *q)
{
	return q->first ? take(q, &q->first) : NULL;
}

struct helper_job *job_queue_take_id(struct job_queue *q, uint64_t id)
{
	for (struct helper_job **j = &q->first; *j; j = &(*j)->next)
		if ((*j)->id == id)
			return take(q, j);
	return NULL;
}

struct helper_job *job_queue_take_all(struct job_queue *q)
{
	struct helper_job *all = q->first;

	job_queue_init(q);
	return all;
}
