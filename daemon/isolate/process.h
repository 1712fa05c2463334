/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One helper process as its pool sees it: started, ready, busy, ending, gone. Internal to the room.
 *
 * STARTING until its hello, IDLE, BUSY with one job; ENDING was told or made to end; STUCK did not
 * go although killed. A process leaves the list when its pidfd says that it is dead and it was
 * reaped.
 */
#ifndef PROFD_ISOLATE_PROCESS_H
#define PROFD_ISOLATE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include "base/cleanup.h"
#include "isolate/helper.h"
#include "isolate/job.h"

enum helper_state { HELPER_STARTING, HELPER_IDLE, HELPER_BUSY, HELPER_ENDING, HELPER_STUCK };

struct helper_process {
	struct helper_process *next;
	struct helper_pool *pool; /* borrowed */
	enum helper_state state;
	pid_t pid;
	int pidfd, channel;				 /* owned */
	sd_event_source *on_exit, *on_channel, *on_time; /* owned */
	struct helper_job *job;				 /* owned, while BUSY */
};

struct helper_events {
	sd_event_io_handler_t on_exit, on_channel;
	sd_event_time_handler_t on_time; /* userdata of all: the process */
};

/* Starts one and watches it. 0 or -errno. */
int helper_process_new(struct helper_process **ret, struct helper_pool *pool, sd_event *event,
	enum helper_role role, const struct helper_events *events);
/* Neither kills nor reaps. Takes NULL, returns NULL. */
struct helper_process *helper_process_free(struct helper_process *p);
DEFINE_CLEANUP(struct helper_process *, helper_process_free)
/* Calls on_time after so many ms from now. */
void helper_process_set_timer(struct helper_process *p, uint64_t ms);
void helper_process_clear_timer(struct helper_process *p);
/* SIGKILL by pidfd, and the channel closed: what it says from now on is nobody's. */
void helper_process_kill(struct helper_process *p);
/* Reaps without waiting: true when it is gone; then its CPU time is added to *cpu_ns. */
bool helper_process_reap(struct helper_process *p, uint64_t *cpu_ns);
/* Of a living one: CPU time and resident memory; 0 where they cannot be had. */
uint64_t helper_process_cpu_ns(const struct helper_process *p);
uint64_t helper_process_rss_bytes(const struct helper_process *p);

#endif
