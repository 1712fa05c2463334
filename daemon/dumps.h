/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump request on its way, for the files that serve it: dumps.c (its life, from the message to
 * the end of its span), dumps_match.c (what belongs to it), dumps_reply.c (the profile and what is
 * said with it, or why there is none). What the rest of the floor may call is in profd.h.
 */
#ifndef PROFD_DUMPS_H
#define PROFD_DUMPS_H

#include "living.h"
#include "profd.h"

struct dump_job {
	struct pending pending;
	struct profd *profd;
	struct ipc_request *request; /* NULL: gone */
	struct peer peer;
	enum profile_type type;
	uint32_t states; /* bits 1 << enum wait_state; 0: those of the type */
	struct target_spec target;
	uint32_t *dead_pids; /* owned: pids named that have ended */
	size_t n_dead;
	bool any; /* no target: everything the peer may see */
	bool slots;
	uint64_t attachment_bits; /* of the attachment asked for, or of our own; 0: by target */
	uint64_t attachment_since_ns;
	uint64_t attachment;	 /* id of either */
	uint64_t own_attachment; /* id, made for --seconds */
	uint64_t from_ns, until_ns;
	uint64_t seconds_ns;
	uint64_t threshold_ns; /* of --seconds */
	char event[32];
	sd_event_source *timer;	     /* of --seconds */
	struct flush_wait flush;     /* of what goes on at the end of the span */
	struct living *living;	     /* of threadcreate, while it is asked for */
	struct dump_thread *threads; /* owned; its answer */
	size_t n_threads;
	sd_event_source *settle; /* until samples of the span that wait for tables are walked, */
	uint64_t settle_ns;	 /* or that time */
	struct dump *dump;
	char *hints;	 /* owned; comments_hints() */
	uint32_t skewed; /* comments_skewed() */
	bool attaching;	 /* follow_attach() owes us a call */
	bool gone;	 /* cancelled while it does */
	struct dump_job *next;
};

/* ---- dumps.c ---- */
/* Answers with the error and frees it. */
void dump_job_fail(struct dump_job *j, const struct error *error);
void dump_job_free(struct dump_job *j);

/* ---- dumps_match.c ---- */
/* Does the series belong to what was asked for, and may the peer see it? For select.h. */
bool dump_job_matches(void *userdata, const struct series_key *key);
/* Do threads of that process, and are they collected? For living.h. */
bool dump_job_matches_process(void *userdata, const struct target_process_info *info);

/* ---- dumps_reply.c ---- */
/* Selects, writes and answers; all that the span needs is there. Frees it in the end. */
void dump_job_write(struct dump_job *j);

#endif
