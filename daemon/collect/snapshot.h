/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dump hands to the encoder: one flat image in a sealed memfd, everything by index, written
 * by the daemon (collect/dump.c), read by the encoder process (collect/encoder.c) of the same
 * binary. Little-endian, 8-byte aligned sections. The reader trusts nothing: every index and offset
 * is checked.
 */
#ifndef PROFD_COLLECT_SNAPSHOT_H
#define PROFD_COLLECT_SNAPSHOT_H

#include <stdint.h>

#define SNAPSHOT_MAGIC	   0x31534650u /* "PFS1" */
#define SNAPSHOT_VERSION   2U
#define SNAPSHOT_MAX_SHIFT 32U

enum snapshot_section {
	SNAPSHOT_TEXT,	    /* bytes: NUL-terminated strings, at offsets; offset 0 is "" */
	SNAPSHOT_COMMENTS,  /* uint32_t text offset */
	SNAPSHOT_MAPPINGS,  /* struct snapshot_mapping */
	SNAPSHOT_LINES,	    /* struct snapshot_line */
	SNAPSHOT_LOCATIONS, /* struct snapshot_location */
	SNAPSHOT_FRAMES,    /* uint32_t location, leaf first */
	SNAPSHOT_SAMPLES,   /* struct snapshot_sample */
	SNAPSHOT_SECTIONS,
};

struct snapshot_header {
	uint32_t magic, version;
	int64_t time_nanos, duration_nanos, period;
	/* text offsets; up to four sample types */
	uint32_t type[4], unit[4], n_types, period_type, period_unit, default_type;
	/* Values are in units of 1 / 2^shift, and rounded when all that is equal is summed. */
	uint32_t shift[4];
	struct {
		uint64_t offset, n; /* bytes from the start of the image; elements */
	} section[SNAPSHOT_SECTIONS];
};

enum snapshot_flags {
	SNAPSHOT_FUNCTIONS = 1,
	SNAPSHOT_FILENAMES = 2,
	SNAPSHOT_LINE_NUMBERS = 4,
	SNAPSHOT_INLINE_FRAMES = 8,
};
/* The first is the main binary. */
struct snapshot_mapping {
	uint64_t start, limit, offset;
	uint32_t file, build_id; /* text */
	uint32_t flags;		 /* enum snapshot_flags: what its frames have */
	uint32_t pad;
};
struct snapshot_line {
	uint32_t name, system_name, file, line, start_line, pad;
};
struct snapshot_location {
	uint64_t address;
	uint32_t mapping; /* UINT32_MAX: none */
	uint32_t first_line, n_lines, pad;
};
struct snapshot_sample {
	uint64_t value[4];
	uint64_t first_frame;
	uint64_t slot_time_ns; /* wall; 0: no label */
	uint32_t n_frames, pid, tid;
	uint32_t thread, comm, cgroup;	/* text; 0: no label */
	uint32_t truncated;		/* text: why the stack is cut; 0: it is whole */
	uint32_t state, syscall, waker; /* text; 0: no label */
	uint32_t owner;			/* tid; 0: no label */
	uint32_t pad;
	uint64_t lock; /* address; 0: no label */
};

#endif
