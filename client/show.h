/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and JSON on standard output; every text is made safe to show. */
#ifndef PROFD_CLIENT_SHOW_H
#define PROFD_CLIENT_SHOW_H

#include <jansson.h>
#include "base/cleanup.h"
#include "base/table.h"
#include "wire/frame.h"

struct show_cell {
	char *text; /* owned */
};

/* Rows of cells, aligned when it is printed; the first row is the header. */
struct show_table {
	struct array cells; /* struct show_cell */
	unsigned columns;
	uint64_t right; /* bit a column: aligned to the right */
};
#define SHOW_TABLE_INIT(columns_, right_)                                               \
	{                                                                               \
		.cells = ARRAY_INIT(struct show_cell, 1U << 22), .columns = (columns_), \
		.right = (right_)                                                       \
	}

void show_table_deinit(struct show_table *t);
/* The next cell, row by row. Memory that is short loses cells, which show_table_print() reports. */
void show_cell(struct show_table *t, const char *format, ...) PRINTF(2, 3);
/* 0 or -ENOMEM. */
int show_table_print(const struct show_table *t);

/* A JSON string of a text of any bytes. */
json_t *show_json_text(const char *text);
json_t *show_json_attachment(const Profd__V1__Attachment *a);
/* Indented, with a newline; consumes the object. Returns the exit code, everything said. */
int show_json(json_t *object);
/* RFC 3339 in UTC, for JSON. 0: null. */
json_t *show_json_time(uint64_t wall_ns);

/* The user's name, or the number. */
const char *show_user(uint32_t uid, char *buf, size_t n);
/* "cpu,heap" of an attachment. */
const char *show_types(const Profd__V1__Attachment *a, char *buf, size_t n);
/* From which length on waits are all kept: "10us", "0"; "" where none are collected. */
const char *show_threshold(const Profd__V1__Attachment *a, char *buf, size_t n);
/* "cpu,block at 99 Hz, all waits of 10us and longer". */
const char *show_collected(const Profd__V1__Attachment *a, char *buf, size_t n);
/* "cpu-clock at 99 Hz", "waits". */
const char *show_event_set(const Profd__V1__EventSet *e, char *buf, size_t n);
/* What was counted of it, in the order in which it is shown; *ret_n at most SHOW_COUNTED. Texts are
 * static. */
struct show_counted {
	const char *name, *text;
	uint64_t value;
};
#define SHOW_COUNTED 5
void show_counted(
	const Profd__V1__EventSet *e, struct show_counted ret[SHOW_COUNTED], size_t *ret_n);
/* "12.3 MiB". */
const char *show_bytes(uint64_t bytes, char *buf, size_t n);

#endif
