/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of this room share: the test program is its own helper (`--helper ROLE`), and a
 * request is one letter for what the helper is to do.
 */
#ifndef PROFD_TESTS_ISOLATE_HELPER_FIXTURE_H
#define PROFD_TESTS_ISOLATE_HELPER_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <systemd/sd-event.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "isolate/helper.h"

struct answer {
	int calls, error;
	size_t n;
	uint8_t bytes[64];
	int fd; /* the first that came, taken */
	int *pending;
};

static inline void on_answer(
	void *userdata, int error, const void *reply, size_t n, int *fds, size_t n_fds)
{
	struct answer *a = userdata;

	a->calls++;
	a->error = error;
	a->n = n;
	if (n > 0)
		memcpy(a->bytes, reply, MIN(n, sizeof(a->bytes)));
	a->fd = -1;
	if (n_fds > 0)
		a->fd = TAKE_FD(fds[0]);
	if (a->pending)
		(*a->pending)--;
}

/* Runs the loop until the counter is 0 or nothing at all happened for 20 s. */
static inline void run_until_answered(sd_event *event, const int *pending)
{
	while (*pending > 0)
		assert_true(sd_event_run(event, 20 * 1000 * 1000) > 0);
}

static inline struct helper_pool *pool_of(
	sd_event *event, enum helper_role role, unsigned max, unsigned deadline_ms, bool fresh)
{
	struct helper_options options = { .role = role,
		.max_processes = max,
		.deadline_ms = deadline_ms,
		.fresh_process_per_job = fresh };
	struct helper_pool *p = NULL;

	assert_int_equal(helper_pool_new(&p, event, &options), 0);
	return p;
}

/* Submits one request and waits for its answer. */
static inline struct answer ask(sd_event *event, struct helper_pool *p, const char *request)
{
	int pending = 1;
	struct answer a = { .pending = &pending, .fd = -1 };

	assert_int_equal(
		helper_pool_submit(p, request, strlen(request), NULL, 0, on_answer, &a, NULL), 0);
	run_until_answered(event, &pending);
	assert_int_equal(a.calls, 1);
	return a;
}

static inline unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
