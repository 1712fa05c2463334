/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump: select what was asked for, have it named, write the snapshot, have it encoded. All of it
 * in steps of about a millisecond from the event loop; parsing and compression happen in helpers.
 */
#ifndef PROFD_COLLECT_DUMP_H
#define PROFD_COLLECT_DUMP_H

#include <systemd/sd-event.h>
#include "collect/select.h"
#include "collect/wait_state.h"
#include "isolate/helper.h"
#include "symbol/symbolizer.h"

struct dump;

struct dump_rooms { /* borrowed */
	sd_event *event;
	struct aggregate *aggregate;
	struct process_table *processes;
	struct module_table *modules;
	struct symbolizer *symbolizer;
	const struct strings *strings; /* the symbolizer's */
	struct helper_pool *encoder;
};

struct dump_request {
	enum profile_type type;
	/* Bits 1 << enum wait_state that are shown; 0: what the type shows by itself. */
	uint32_t states;
	/* PROFILE_THREADCREATE: who lives of what was asked for, as far as the peer may know it
	 * (kernel_threads_of()); copied. matches() then decides who may see where it was made. */
	const struct dump_thread *threads;
	size_t n_threads;
	uint64_t from_ns, until_ns; /* CLOCK_MONOTONIC; 0: all that is held */
	bool slots;		    /* label slot_time */
	bool kernel_addresses;	    /* the peer may see them */
	bool wakers;		    /* the peer may see what processes of others are called */
	bool (*matches)(void *userdata, const struct series_key *key);
	/* Comments of the profile, one a line, once the samples are written; the callee's to free.
	 */
	char *(*comments)(void *userdata, const struct dump *d);
	void *userdata;
};

struct dump_result {
	uint64_t from_ns, until_ns; /* what was served */
	uint64_t samples, bytes;
	uint64_t left_out; /* samples of states that were not asked for, and their time */
	uint64_t left_out_ns[WAIT_COUNT];
	int fd; /* sealed memfd with the gzipped profile.proto; the callee's when it sets it to -1
		 */
};
/* error: 0, -ENODATA (no sample matched, or all were left out: there is a result without fd, which
 * says so), -ENOMEM, or what a helper said: result is NULL. d is dead after this. */
typedef void (*dump_done_fn)(void *userdata, int error, struct dump_result *result);

/* Starts one; done() follows from the event loop. */
int dump_new(struct dump **ret, const struct dump_rooms *rooms, const struct dump_request *request,
	dump_done_fn done, void *userdata);
/* Gives up without done(). Takes NULL, returns NULL. */
struct dump *dump_free(struct dump *d);
const struct selection *dump_selection(const struct dump *d);
/* What was left out so far; of all of the dump once comments are asked for. */
void dump_left_out(const struct dump *d, struct dump_result *ret);

#endif
