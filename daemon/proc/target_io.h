/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of target I/O, shared by target.c and target_scan.c; internal to the room. */
#ifndef PROFD_PROC_TARGET_IO_H
#define PROFD_PROC_TARGET_IO_H

#include "proc/quarantine.h"
#include "proc/target_protocol.h"

struct target_io {
	struct helper_pool *pool; /* owned */
	struct quarantine quarantine;
	target_quarantine_fn on_quarantine;
	void *on_quarantine_userdata;
};

/* The bytes of a reply, from the message or from its memfd; in place. */
struct target_reply {
	struct reader reader;
	void *map; /* of a memfd, else NULL */
	size_t map_n;
};
/* 0 or -EBADMSG, -errno. Opened or not, it is to be closed. */
int target_reply_open(
	struct target_reply *r, const void *reply, size_t n, const int *fds, size_t n_fds);
void target_reply_close(struct target_reply *r);

/* Sends what is in w and empties it; a failed writer is its error. */
int target_submit(struct target_io *t, struct writer *w, helper_done_fn done, void *userdata);
/* Reads one READ block: 0 with the info (borrowed from the reader), else its error. */
int target_info_parse(struct reader *r, uint32_t *ret_pid, struct target_process_info *ret);

#endif
