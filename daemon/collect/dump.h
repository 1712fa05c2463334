/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump: select what was asked for, have it named, write the snapshot, have it encoded. All of it
 * in steps of about a millisecond from the event loop; parsing and compression happen in helpers.
 */
#ifndef PROFD_COLLECT_DUMP_H
#define PROFD_COLLECT_DUMP_H

#include <systemd/sd-event.h>
#include "collect/select.h"
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
	uint64_t from_ns, until_ns; /* CLOCK_MONOTONIC; 0: all that is held */
	bool slots;		    /* label slot_time */
	bool kernel_addresses;	    /* the peer may see them */
	bool (*matches)(void *userdata, const struct series_key *key);
	/* Comments of the profile, one a line, once the span is known; the callee's to free. */
	char *(*comments)(void *userdata, const struct dump *d);
	void *userdata;
};

struct dump_result {
	uint64_t from_ns, until_ns; /* what was served */
	uint64_t samples, bytes;
	int fd; /* sealed memfd with the gzipped profile.proto; the callee's when it sets it to -1
		 */
};
/* error: 0, -ENODATA (no sample matched), -ENOMEM, or what a helper said. d is dead after this. */
typedef void (*dump_done_fn)(void *userdata, int error, struct dump_result *result);

/* Starts one; done() follows from the event loop. */
int dump_new(struct dump **ret, const struct dump_rooms *rooms, const struct dump_request *request,
	dump_done_fn done, void *userdata);
/* Gives up without done(). Takes NULL, returns NULL. */
struct dump *dump_free(struct dump *d);
const struct selection *dump_selection(const struct dump *d);

#endif
