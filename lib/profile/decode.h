/* SPDX-License-Identifier: Apache-2.0 */
/* Between decode.c (messages to columns) and resolve.c (ids and string numbers to indices). */
#ifndef PROFD_PROFILE_DECODE_H
#define PROFD_PROFILE_DECODE_H

#include "base/error.h"
#include "profile/idmap.h"
#include "profile/packed.h"
#include "profile/profile.h"
#include "profile/source.h"

struct decoder {
	struct profile *profile; /* owned */
	struct source *source;	 /* owned */
	struct error *error;
	/* Until resolve(): references in the profile's columns are slots of these, ... */
	struct idmap mappings, functions, locations;
	/* ... and strings are numbers in the file's table, which this maps to interned ones. */
	struct array strings;	/* uint32_t */
	uint32_t n_values;	/* of every sample, once there was one */
	uint64_t max_bytes;	/* what the result may hold */
	uint64_t few_frames;	/* stacks of no more than that are laid out */
	struct packed *stacks;	/* owned */
	struct array stack;	/* uint32_t slots: the sample at hand */
	struct array label_set; /* struct profile_label: the same */
	/* The sample before, most of which comes again: its slots and their ids as they were
	 * written, empty where that was not as one run; ... */
	struct array stack_before; /* uint32_t */
	struct array ids_before;   /* uint8_t */
	/* ... and its labels as they were written, when they were last in it, with their set. */
	struct array labels_before; /* uint8_t */
	uint32_t label_set_before;
};

/* -EBADMSG, with the text behind "not a valid profile: ". */
int decoder_bad(struct decoder *d, const char *format, ...) PRINTF(2, 3);

/* -EBADMSG: what a message holds is not protobuf, or a known field has another type. */
int decoder_damaged(struct decoder *d);
/* What idmap_* returned for an id, with the text. */
int decoder_id_failed(struct decoder *d, int r, const char *what, uint64_t id);

/* One field of the profile each, of wire type bytes. 0 or an error with the text set. */
struct field;
int decode_value_type(struct decoder *d, const struct field *in, struct profile_value_type *ret);
int decode_sample_type(struct decoder *d, const struct field *in);
int decode_sample(struct decoder *d, const struct field *in);
int decode_mapping(struct decoder *d, const struct field *in);
int decode_location(struct decoder *d, const struct field *in);
int decode_function(struct decoder *d, const struct field *in);
int decode_string(struct decoder *d, const struct field *in);

/* Replaces slots and string numbers by indices; everything is checked here. */
int decoder_resolve(struct decoder *d);

/* pprof_decode with stacks that stay packed however few there are. */
int pprof_decode_packed(const void *data, size_t n, struct profile **ret, struct error *error);
/* pprof_read (fd >= 0) or pprof_decode (fd -1) with a limit of one's own. */
int pprof_decode_within(int fd, const void *data, size_t n, uint64_t max_bytes,
	struct profile **ret, struct error *error);

#endif
