/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper processes: each is a fresh exec of profd's own image in a *role*, talking over one
 * SOCK_SEQPACKET socketpair (its fd 3). A pool owns the processes of one role, gives each a job at
 * a time, bounds the wait, and abandons what does not answer: a process that is stuck in the kernel
 * is killed, never waited for, and counted until it is gone.
 *
 * Invariants: at most `max_processes` live and LIMIT_HELPER_STUCK stuck ones; a job's callback is
 * called exactly once, from the event loop, never from within helper_pool_submit().
 */
#ifndef PROFD_ISOLATE_HELPER_H
#define PROFD_ISOLATE_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

enum helper_role {
	HELPER_TARGET, /* opens targets' files, reads /proc and target memory; keeps capabilities */
	HELPER_SYMBOLIZER, /* parses ELF, DWARF, pclntab, perf maps; sandboxed, no capability */
	HELPER_ENCODER,	   /* snapshot -> profile.proto; sandboxed, no capability */
	HELPER_ROLES,
};

/* ---- in the helper process ---- */

/* Handles one request. Reads req (req_n bytes) and fds (borrowed), writes a reply of at most
 * LIMIT_HELPER_MESSAGE bytes to reply and up to LIMIT_HELPER_FDS descriptors (ownership passes to
 * the caller). Returns the reply's length or a negative errno, which the submitter sees. */
typedef int (*helper_serve_fn)(const void *req, size_t req_n, const int *fds, size_t n_fds,
	void *reply, int *reply_fds, size_t *n_reply_fds);

/* main() of a helper: `profd` was executed as `argv[0] --helper ROLE`. Enters the role's sandbox,
 * then serves fd 3 until it closes. serve[] by role. Returns an exit status. */
int helper_main(const char *role, const helper_serve_fn serve[HELPER_ROLES]);

/* ---- in the daemon ---- */

struct helper_pool;

struct helper_options {
	enum helper_role role;
	unsigned max_processes;
	unsigned deadline_ms;	    /* from hand-over to reply */
	bool fresh_process_per_job; /* jobs of different owners must not meet in one process */
};

/* The reply: error 0 and bytes + fds (borrowed during the call; take one by setting it to -1), or
 * -ETIMEDOUT (abandoned), -EPIPE (it died; a crafted file), -ECANCELED, or what serve returned. */
typedef void (*helper_done_fn)(
	void *userdata, int error, const void *reply, size_t n, int *fds, size_t n_fds);

struct helper_stats {
	unsigned running, stuck, queued;
	uint64_t jobs, failed, timed_out, crashed;
	uint64_t cpu_ns;    /* of finished and running processes */
	uint64_t rss_bytes; /* of running ones, by /proc/PID/statm */
};

/* Processes are started on demand. */
int helper_pool_new(
	struct helper_pool **ret, sd_event *event, const struct helper_options *options);
/* Kills the processes; jobs still pending get -ECANCELED. Takes NULL, returns NULL. */
struct helper_pool *helper_pool_free(struct helper_pool *p);
/* Queues a job. The bytes are copied, the descriptors duplicated. `id` (may be NULL) is for cancel.
 * 0, -E2BIG, -ENOBUFS (queue full), -EBUSY (too many stuck), -ENOMEM. */
int helper_pool_submit(struct helper_pool *p, const void *req, size_t n, const int *fds,
	size_t n_fds, helper_done_fn done, void *userdata, uint64_t *ret_id);
/* The callback will not be called any more. */
void helper_pool_cancel(struct helper_pool *p, uint64_t id);
void helper_pool_get_stats(struct helper_pool *p, struct helper_stats *ret);
/* Idle processes are ended; called when memory is wanted or nothing was asked for a while. */
void helper_pool_trim(struct helper_pool *p);

#endif
