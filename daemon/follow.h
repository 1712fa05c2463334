/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attachment on its way into the kernel, for the three files that take it there: follow.c (what
 * is allowed; what collects for it), follow_rules.c (patterns become rules), follow_scan.c (what
 * runs already gets its marks). What the rest of the floor may call is in profd.h.
 *
 * Each step ends with the next one or with follow_fail(), and does not touch the follow after that.
 */
#ifndef PROFD_FOLLOW_H
#define PROFD_FOLLOW_H

#include "profd.h"

#define FOLLOW_MAX_DESCENT 1024 /* generations that are looked through */

struct follow {
	struct profd *profd;
	struct follow_request request;
	follow_done_fn done;
	void *userdata;
	uint64_t attachment; /* id; 0: none yet. It may be detached between two steps */
	bool updated;
	struct array scanned; /* struct scanned */
	struct array rules;   /* struct rule: patterns with their bits */
	size_t next_rule;     /* to resolve */
	uint64_t below_bit;
	char event[32], unwind[8];
	struct flush_wait flush; /* of what went on before */
	struct error error;
};

struct rule {
	enum rule_kind kind;
	unsigned bit;
	const char *pattern; /* borrowed from the attachment's target */
	bool unit;
	struct target_rule wire;
};

struct scanned {
	uint32_t pid, ppid;
	uint32_t owner_uid;
	uint64_t marks; /* attachment bits it gets itself */
	char comm[16];
};

/* ---- follow.c ---- */
/* NULL: not there yet, or detached meanwhile. */
struct attachment *follow_attachment(const struct follow *f);
/* Takes back what was made and tells the caller f->error. Frees f. */
void follow_fail(struct follow *f);
/* follow_fail() for one that was detached while it was on its way. */
void follow_gone(struct follow *f);
/* The last step: what collects for it. Frees f. */
void follow_start(struct follow *f);

/* ---- follow_rules.c ---- */
/* Gives the target's patterns their bits. Negative with f->error; -ENOMEM may come without. */
int follow_make_rules(struct follow *f, struct attachment *a);
/* Finds what the patterns mean, has the kernel follow them, and scans. */
void follow_rules(struct follow *f);

/* ---- follow_scan.c ---- */
/* Marks what runs already, waits for unwind tables, then starts. */
void follow_scan(struct follow *f);

#endif
