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

struct image {
	const struct dump_rooms *rooms; /* borrowed */
	bool kernel_addresses;
	int64_t wall_offset_ns;
	struct writer sections[SNAPSHOT_SECTIONS];
	struct array text_of_symbol;	/* uint32_t by string of the symbolizer: offset + 1 */
	struct array text_of_name;	/* uint32_t by name of the aggregate: offset + 1 */
	struct array location_of_frame; /* uint32_t by frame: location + 1 */
	struct array mapping_of;	/* struct image_mapping */
	uint32_t truncate_text[TRUNCATE_COUNT];
	char *program;	    /* path of the program that the samples are of, "": of several; owned */
	uint32_t process;   /* of the last row; its program is counted */
	uint64_t period_ns; /* smallest seen */
};

void image_init(struct image *i, const struct dump_rooms *rooms, bool kernel_addresses);
void image_deinit(struct image *i);
/* Adds one selected row. 0 or -ENOMEM. */
int image_add(struct image *i, const struct selected *row);
int image_add_comment(struct image *i, const char *text, size_t n);
/* Writes header and sections to a new sealed memfd. fd or -errno. */
int image_finish(struct image *i, uint64_t from_ns, uint64_t until_ns);

#endif
