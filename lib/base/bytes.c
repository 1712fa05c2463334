/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the bounds of reading and writing bytes. What is read is hostile (targets' files, peers'
 * messages); every read goes through take(), the only place that moves `at`. Invariant:
 * start <= at <= end, and `bad` never goes back to false.
 */
#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *p = r->at;

	if (r->bad || n > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	if (n > 0)
		r->at += n;
	return p;
}

void reader_seek(struct reader *r, size_t offset)
{
	if (offset > (size_t)(r->end - r->start))
		r->bad = true;
	else if (!r->bad && offset != reader_offset(r))
		r->at = r->start + offset;
}

void reader_skip(struct reader *r, size_t n)
{
	(void)take(r, n);
}

static uint64_t little_endian(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)little_endian(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)little_endian(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)little_endian(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return little_endian(r, 8);
}

/* DWARF 5 section 7.6. Ten bytes hold 64 bits; the tenth holds only one of them. */
uint64_t reader_uleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte = reader_u8(r);

		if (r->bad || (shift == 63 && byte > 1))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

int64_t reader_sleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte = reader_u8(r);

		/* The tenth byte is nothing but sign. */
		if (r->bad || (shift == 63 && byte != 0x00 && byte != 0x7f))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			if ((byte & 0x40) && shift < 57)
				v |= ~0ULL << (shift + 7);
			return (int64_t)v;
		}
	}
	r->bad = true;
	return 0;
}

const char *reader_cstr(struct reader *r)
{
	const uint8_t *nul = NULL;

	if (reader_left(r) > 0)
		nul = memchr(r->at, '\0', reader_left(r));
	if (!nul) {
		r->bad = true;
		return NULL;
	}
	return (const char *)take(r, (size_t)(nul - r->at) + 1);
}

const uint8_t *reader_bytes(struct reader *r, size_t n)
{
	return take(r, n);
}

const char *reader_str(struct reader *r, size_t *ret_n)
{
	size_t n = reader_u32(r);
	const uint8_t *p = take(r, n);

	if (!p) {
		r->bad = true;
		return NULL;
	}
	*ret_n = n;
	return (const char *)p;
}

void writer_deinit(struct writer *w)
{
	free(w->data);
	*w = (struct writer)WRITER_INIT(w->max);
}

void *writer_extend(struct writer *w, size_t n)
{
	void *p;

	if (w->bad)
		return NULL;
	if (n > w->max - w->n) {
		w->bad = -E2BIG;
		return NULL;
	}
	if (!w->data || n > w->allocated - w->n) {
		size_t wanted = w->allocated > w->max / 2 ? w->max : 2 * w->allocated;
		uint8_t *data;

		wanted = MAX(wanted, MAX(w->n + n, MIN(w->max, (size_t)64)));
		data = realloc(w->data, MAX(wanted, (size_t)1));
		if (!data) {
			w->bad = -ENOMEM;
			return NULL;
		}
		w->data = data;
		w->allocated = wanted;
	}
	p = w->data + w->n;
	w->n += n;
	return p;
}

void writer_put(struct writer *w, const void *p, size_t n)
{
	void *at = writer_extend(w, n);

	if (at && n > 0)
		memcpy(at, p, n);
}

static void put_little_endian(struct writer *w, uint64_t v, size_t n)
{
	uint8_t *at = writer_extend(w, n);

	for (size_t i = 0; at && i < n; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

void writer_u8(struct writer *w, uint8_t v)
{
	put_little_endian(w, v, 1);
}

void writer_u32(struct writer *w, uint32_t v)
{
	put_little_endian(w, v, 4);
}

void writer_u64(struct writer *w, uint64_t v)
{
	put_little_endian(w, v, 8);
}

void writer_uleb(struct writer *w, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	do {
		bytes[n] = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v)
			bytes[n] |= 0x80;
		n++;
	} while (v);
	writer_put(w, bytes, n);
}

void writer_str(struct writer *w, const char *s, size_t n)
{
	if (n > UINT32_MAX) {
		if (!w->bad)
			w->bad = -E2BIG;
		return;
	}
	writer_u32(w, (uint32_t)n);
	writer_put(w, s, n);
}
