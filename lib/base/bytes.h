/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded reading and writing of bytes. A reader never reads past its end: after the first failure
 * it is `bad`, every further read gives 0, and the caller tests once at the end. A writer grows up
 * to the maximum it was made with; after a failure it is `bad` with the errno kept. Integers are
 * little-endian.
 */
#ifndef PROFD_BASE_BYTES_H
#define PROFD_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *start, *at, *end;
	bool bad;
};

/* p may be NULL where n is 0. */
#define READER_INIT(p, n)                                                          \
	{                                                                          \
		.start = (p), .at = (p),                                           \
		.end = (n) > 0 ? (const uint8_t *)(p) + (n) : (const uint8_t *)(p) \
	}

static inline size_t reader_left(const struct reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->at);
}
static inline size_t reader_offset(const struct reader *r)
{
	return (size_t)(r->at - r->start);
}
/* Moves to an absolute offset; bad where that is past the end. */
void reader_seek(struct reader *r, size_t offset);
void reader_skip(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* LEB128 of at most 64 bits; longer encodings are bad. */
uint64_t reader_uleb(struct reader *r);
int64_t reader_sleb(struct reader *r);
/* NUL-terminated string inside the buffer; NULL and bad without a NUL. Borrowed. */
const char *reader_cstr(struct reader *r);
/* n bytes in place; NULL and bad when there are fewer. Borrowed. */
const uint8_t *reader_bytes(struct reader *r, size_t n);

struct writer {
	uint8_t *data; /* owned */
	size_t n, allocated, max;
	int bad; /* 0, -ENOMEM or -E2BIG */
};

#define WRITER_INIT(max_)     \
	{                     \
		.max = (max_) \
	}

void writer_deinit(struct writer *w);
/* Reserves n bytes at the end and returns them, NULL on failure (then w->bad is set). */
void *writer_extend(struct writer *w, size_t n);
void writer_put(struct writer *w, const void *p, size_t n);
void writer_u8(struct writer *w, uint8_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_uleb(struct writer *w, uint64_t v);
/* u32 length, then the bytes, without NUL. */
void writer_str(struct writer *w, const char *s, size_t n);
/* The reading side of writer_str: borrowed pointer, not NUL-terminated; *ret_n its length. */
const char *reader_str(struct reader *r, size_t *ret_n);

#endif
