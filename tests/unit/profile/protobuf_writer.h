/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of any protobuf, right or wrong, and what the decoder is to say of it. */
#ifndef PROFD_TESTS_PROTOBUF_WRITER_H
#define PROFD_TESTS_PROTOBUF_WRITER_H

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include "rich.h"
#include "base/bytes.h"
#include "profile/pprof.h"

static inline void put_int(struct writer *w, unsigned field, uint64_t v)
{
	writer_uleb(w, field << 3);
	writer_uleb(w, v);
}

static inline void put_bytes(struct writer *w, unsigned field, const void *p, size_t n)
{
	writer_uleb(w, field << 3 | 2);
	writer_uleb(w, n);
	if (n)
		writer_put(w, p, n);
}

static inline void put_text(struct writer *w, const char *text)
{
	put_bytes(w, 6, text, strlen(text));
}

/* Appends m as field `field` of w and empties it. */
static inline void put_message(struct writer *w, unsigned field, struct writer *m)
{
	put_bytes(w, field, m->data, m->n);
	m->n = 0;
}

static inline void assert_bad(const struct writer *w, const char *says)
{
	struct error e = ERROR_INIT;
	struct profile *p = NULL;
	int r = pprof_decode(w->data, w->n, &p, &e);

	assert_null(p);
	assert_int_equal(r, -EBADMSG);
	if (!strstr(e.text, says))
		fail_msg("\"%s\" does not say \"%s\"", e.text, says);
}

/* One type "cpu", strings "", "cpu"; the samples' parts are the caller's. */
static inline void put_base(struct writer *w)
{
	struct writer m = WRITER_INIT(1 << 20);

	put_text(w, "");
	put_text(w, "cpu");
	put_int(&m, 1, 1);
	put_message(w, 1, &m);
	writer_deinit(&m);
}

static inline void put_location(struct writer *w, uint64_t id)
{
	struct writer m = WRITER_INIT(1 << 20);

	put_int(&m, 1, id);
	put_message(w, 4, &m);
	writer_deinit(&m);
}

static inline void put_sample(struct writer *w, uint64_t location, uint64_t value)
{
	struct writer m = WRITER_INIT(1 << 20);

	put_int(&m, 1, location);
	put_int(&m, 2, value);
	put_message(w, 2, &m);
	writer_deinit(&m);
}

/* Appends p[0..n) as a gzip member. */
static inline void put_gzip(struct writer *w, const void *p, size_t n)
{
	z_stream z = { 0 };
	size_t room = n + n / 100 + 100;
	uint8_t *out = writer_extend(w, room);

	assert_non_null(out);
	assert_int_equal(
		deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	w->n -= z.avail_out;
	deflateEnd(&z);
}

#endif
