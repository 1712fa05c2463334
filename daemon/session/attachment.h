/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments: what is collected for whom. An attachment is (target, types, event, rate, owner,
 * since when) and holds one of 64 bits that the BPF programs know (bpf/abi.h). This room keeps the
 * list, the quotas (per uid) and the identity rule (same owner and same target: the same
 * attachment, updated); making the kernel follow is the work of the files above (follow.c).
 */
#ifndef PROFD_SESSION_ATTACHMENT_H
#define PROFD_SESSION_ATTACHMENT_H

#include "session/authz.h"
#include "session/target.h"

struct attachment {
	uint64_t id;  /* never reused */
	unsigned bit; /* 0..63, reused after detach, the one that is free longest first */
	struct target_spec target; /* owned */
	uint32_t types;		   /* bits 1 << enum profile_type */
	uint32_t dropped;	   /* types that were collected until the last change */
	bool on;		   /* it is followed: what was asked for is collected */
	uint32_t freq_hz;	   /* of its event set; 0: it has none */
	uint64_t threshold_ns;	   /* where waits are collected; 0: all are kept */
	char event[32];
	char unwind[8]; /* "auto", "fp" or "dwarf" */
	uint32_t owner_uid;
	uint64_t since_wall_ns, since_ns;
	uint64_t connection; /* 0, or detach when this connection closes */
	unsigned event_set;  /* kept here for pipeline */
	uint64_t samples;    /* stored for it */
	bool from_config;    /* what the configuration collects by itself */
	bool transient;	     /* of one `dump --seconds`: found by no request, against no quota */
	uint64_t bits;	     /* all bits it holds: `bit`, and one for each further pattern */
	uint64_t below_bit;  /* of these: only says who descends from whom; 0: none */
};

struct attachment_table;

int attachment_table_new(struct attachment_table **ret, unsigned max_per_uid);
struct attachment_table *attachment_table_free(struct attachment_table *t);
/* Adds, or finds the one of the same owner, target, `below` and connection, and then sets
 * *ret_updated and leaves its other fields to the caller: what ends with a connection does not
 * change what lasts. Target is moved in on success when new. -EDQUOT (quota of
 * this uid), -ENOSPC (all 64 taken): with text. */
int attachment_table_add(struct attachment_table *t, struct target_spec *target, uint32_t owner_uid,
	uint64_t connection, struct attachment **ret, bool *ret_updated, struct error *error);
/* The same without looking for an equal one and without a quota: for the time of one request. */
int attachment_table_add_transient(struct attachment_table *t, struct target_spec *target,
	uint32_t owner_uid, struct attachment **ret, struct error *error);
/* What the attachment collects from now on, as bits 1 << enum profile_type. */
void attachment_table_collects(struct attachment_table *t, struct attachment *a, uint32_t types);
/* What attachments with these bits collect, or have collected while they had them last. */
uint32_t attachment_table_types(const struct attachment_table *t, uint64_t bits);
/* One more bit for an attachment, given back with it; -ENOSPC: none is free. */
int attachment_table_take_bit(struct attachment_table *t, struct attachment *a, unsigned *ret_bit);
void attachment_table_remove(struct attachment_table *t, struct attachment *a);
struct attachment *attachment_table_by_id(struct attachment_table *t, uint64_t id);
/* n-th living one, in order of id; NULL at the end. */
struct attachment *attachment_table_at(struct attachment_table *t, size_t n);

#endif
