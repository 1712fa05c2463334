/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on is told up to now: waits that have not ended, CPU time that no sample tells, for
 * those who begin or end a span. One flush after the other, in turns of the loop; whoever asks
 * while one is under way waits for the next, which serves all of them at once.
 */
#ifndef PROFD_FLUSH_H
#define PROFD_FLUSH_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct kernel;

/* Embedded in who waits. */
struct flush_wait {
	struct flush_wait *next;
	uint64_t bits; /* of attachments */
	/* Up to a time after it was asked for, all is told. cancelled: the daemon ends. */
	void (*done)(void *userdata, bool cancelled);
	void *userdata;
	bool is_served; /* by the flush under way */
};

struct flush {
	struct kernel *kernel; /* borrowed */
	sd_event_source *step;
	struct flush_wait *waits; /* borrowed */
	uint64_t bits;
	bool is_under_way;
	bool is_through; /* those whom it serves were not told yet */
};

int flush_init(struct flush *f, sd_event *event, struct kernel *kernel);
/* Cancels all; also of one that was never made. */
void flush_deinit(struct flush *f);
/* done() follows from the loop, unless it is forgotten before. */
void flush_ask(struct flush *f, struct flush_wait *w);
/* No-op for one that does not wait. */
void flush_forget(struct flush *f, struct flush_wait *w);
/* At once, as far as that takes no more than some milliseconds. */
void flush_now(struct flush *f, uint64_t bits);

#endif
