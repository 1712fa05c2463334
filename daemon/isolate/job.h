/* SPDX-License-Identifier: Apache-2.0 */
/* A job for a helper, and the queue of those that wait for one. Internal to the room. */
#ifndef PROFD_ISOLATE_JOB_H
#define PROFD_ISOLATE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "isolate/helper.h"

struct helper_job {
	struct helper_job *next;
	uint64_t id;
	void *bytes; /* owned */
	size_t n;
	int fds[LIMIT_HELPER_FDS]; /* owned */
	size_t n_fds;
	unsigned tries;
	helper_done_fn done; /* NULL: cancelled */
	void *userdata;
};

/* Copies the n bytes and duplicates the descriptors; n_fds <= LIMIT_HELPER_FDS. 0, -ENOMEM,
 * -ENOBUFS (no descriptor is free). */
int helper_job_new(
	struct helper_job **ret, const void *req, size_t n, const int *fds, size_t n_fds);
/* Takes NULL, returns NULL. */
struct helper_job *helper_job_free(struct helper_job *j);
DEFINE_CLEANUP(struct helper_job *, helper_job_free)
/* Calls the job's callback, if it still has one, and frees it. The fds stay the caller's. */
void helper_job_finish(
	struct helper_job *j, int error, const void *reply, size_t n, int *fds, size_t n_fds);

struct job_queue {
	struct helper_job *first, **last; /* owned */
	unsigned n;
	size_t bytes, n_fds;
};

void job_queue_init(struct job_queue *q);
/* For one more with so many bytes and descriptors: by LIMIT_HELPER_QUEUE and by what all hold. */
bool job_queue_has_room(const struct job_queue *q, size_t n, size_t n_fds);
/* Both consume the job. */
void job_queue_push(struct job_queue *q, struct helper_job *j);
void job_queue_put_back(struct job_queue *q, struct helper_job *j);
/* What is taken is the caller's: the first one, the one with that id (NULL: none), all of them as a
 * list by `next`. */
struct helper_job *job_queue_take(struct job_queue *q);
struct helper_job *job_queue_take_id(struct job_queue *q, uint64_t id);
struct helper_job *job_queue_take_all(struct job_queue *q);

#endif
