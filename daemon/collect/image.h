/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a snapshot (snapshot.h): rows of a selection become text, mappings, locations, frames and
 * samples, each thing once. Reads the symbolizer's cache; whatever it does not know is named by
 * module.
 *
 * The first mapping of a profile is its main binary, which every reader shows as what was profiled:
 * the program where all samples are of one, else a mapping without a name.
 */
#ifndef PROFD_COLLECT_IMAGE_H
#define PROFD_COLLECT_IMAGE_H

#include "base/bytes.h"
#include "collect/dump.h"
#include "collect/snapshot.h"

#define IMAGE_SYSCALLS 1024U

struct image_options {
	enum profile_type type;
	uint32_t states; /* bits 1 << enum wait_state; 0: what the type shows by itself */
	bool kernel_addresses, wakers; /* as in struct dump_request */
};

struct image {
	const struct dump_rooms *rooms; /* borrowed */
	struct image_options options;
	int64_t wall_offset_ns;
	struct writer sections[SNAPSHOT_SECTIONS];
	struct array text_of_symbol;	/* uint32_t by string of the symbolizer: offset + 1 */
	struct array text_of_name;	/* uint32_t by name of the aggregate: offset + 1 */
	struct array location_of_frame; /* uint32_t by frame: location + 1 */
	struct array mapping_of;	/* struct image_mapping */
	struct array text_of_syscall;	/* uint32_t by number: offset + 1 */
	uint32_t truncate_text[TRUNCATE_COUNT];
	uint32_t state_text[WAIT_COUNT];
	uint32_t unsampled, before_attach; /* synthetic locations + 1; 0: not met */
	char *program;	    /* path of the program that the samples are of, "": of several; owned */
	uint32_t process;   /* of the last row; its program is counted */
	uint64_t period_ns; /* smallest seen */
	uint64_t n_samples; /* written */
	uint64_t left_out;  /* of states that were not asked for, and */
	uint64_t left_out_ns[WAIT_COUNT]; /* their time, times SPAN_NS */
};

void image_init(
	struct image *i, const struct dump_rooms *rooms, const struct image_options *options);
void image_deinit(struct image *i);
/* Adds one selected row: as many samples as there are states in it that are asked for. 0 or
 * -ENOMEM. */
int image_add(struct image *i, const struct selected *row);
int image_add_comment(struct image *i, const char *text, size_t n);
/* Writes header and sections to a new sealed memfd. fd or -errno. */
int image_finish(struct image *i, uint64_t from_ns, uint64_t until_ns);

/* For image_row.c. Texts: offsets; text is added as it comes, the callers see to it that equal
 * strings come once. */
uint32_t image_text(struct image *i, const char *text, size_t n);
uint32_t image_name(struct image *i, uint32_t name); /* of aggregate_name() */
/* The location of a frame of the stack store, and one of a name without a place. */
uint32_t image_location(struct image *i, uint32_t frame);
uint32_t image_synthetic(struct image *i, const char *name);

#endif
