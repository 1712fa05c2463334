/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading and inflating a profile piece by piece. Trusts nothing in the input: memory is fixed
 * buffers and one that grows only as far as bytes really arrived. A large file is inflated by a
 * thread of its own, ahead of who decodes it (ahead.h): then `fd`, `z` and what is next to them are
 * that thread's.
 *
 * Gzip: RFC 1952; members may follow each other, anything else behind a member is an error.
 */
#include "profile/source.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "profile/ahead.h"

#define RAW_BYTES   65536U
#define PLAIN_BYTES AHEAD_BYTES
/* Below this a thread costs more than it saves. */
#define ALONE_BYTES (4 * MIB)
#define GZIP_WINDOW (MAX_WBITS + 16) /* zlib.h: a gzip header instead of zlib's */

struct source {
	int fd;
	const uint8_t *memory; /* borrowed; what was not taken yet */
	size_t memory_n;
	bool gzip, member_open, inflating;
	z_stream z;
	uint64_t inflated;
	bool may_thread;
	struct ahead *ahead;	 /* owned; NULL: not yet, or not at all */
	const uint8_t *at, *end; /* plain bytes that were not handed out */
	uint64_t taken, max;	 /* plain bytes produced */
	uint8_t *joined;	 /* owned; a message that crosses a refill */
	size_t joined_allocated;
	uint8_t raw[RAW_BYTES], plain[PLAIN_BYTES];
};

DEFINE_CLEANUP(struct source *, source_free)

struct source *source_free(struct source *s)
{
	if (!s)
		return NULL;
	s->ahead = ahead_free(s->ahead);
	if (s->inflating)
		(void)inflateEnd(&s->z);
	free(s->joined);
	free(s);
	return NULL;
}

uint64_t source_offset(const struct source *s)
{
	return s->taken - (uint64_t)(s->end - s->at);
}

/* Up to `room` raw bytes into `to`; the count, 0 at the end, -errno. */
static ssize_t raw_read(struct source *s, uint8_t *to, size_t room)
{
	ssize_t n;

	if (s->fd < 0) {
		n = (ssize_t)MIN(room, s->memory_n);
		if (n) {
			memcpy(to, s->memory, (size_t)n);
			s->memory += n;
			s->memory_n -= (size_t)n;
		}
		return n;
	}
	do
		n = read(s->fd, to, room);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int truncated(uint64_t offset, struct error *error)
{
	return error_set(error, -EBADMSG, EXIT_CODE_FAILED,
		"the profile is truncated after %llu bytes", (unsigned long long)offset);
}

static int read_failed(int r, struct error *error)
{
	return error_set(error, r, EXIT_CODE_FAILED, "cannot read the profile: %s", strerror(-r));
}

/* PLAIN_BYTES at `to`, or what there is. */
static int inflate_some(void *ctx, uint8_t *to, size_t *ret_n, struct error *error)
{
	struct source *s = ctx;
	bool ended = false;

	s->z.next_out = to;
	s->z.avail_out = PLAIN_BYTES;
	while (s->z.avail_out == PLAIN_BYTES) {
		if (!s->z.avail_in) {
			ssize_t n = raw_read(s, s->raw, sizeof(s->raw));
			if (n < 0)
				return read_failed((int)n, error);
			s->z.next_in = s->raw;
			s->z.avail_in = (uInt)n;
			ended = !n;
		}
		if (!s->member_open) {
			if (ended)
				break;
			if (inflateReset(&s->z) != Z_OK)
				return -ENOMEM;
			s->member_open = true;
		}
		/* Also without input: what did not fit into the last window is still inside. */
		int r = inflate(&s->z, Z_NO_FLUSH);
		if (r == Z_STREAM_END)
			s->member_open = false;
		else if (r == Z_BUF_ERROR && ended)
			return truncated(s->inflated, error);
		else if (r == Z_MEM_ERROR)
			return -ENOMEM;
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return error_set(error, -EBADMSG, EXIT_CODE_FAILED,
				"the profile is damaged: gzip says \"%s\" after %llu bytes",
				s->z.msg ?: "bad data", (unsigned long long)s->inflated);
	}
	*ret_n = PLAIN_BYTES - s->z.avail_out;
	s->inflated += *ret_n;
	return 0;
}

/* Refills an empty window: 1, 0 at the end, or an error. */
static int refill(struct source *s, struct error *error)
{
	const uint8_t *plain = s->plain;
	size_t n = 0;
	int r = 0;

	if (s->may_thread && !s->ahead && s->taken >= ALONE_BYTES)
		s->may_thread = ahead_new(&s->ahead, inflate_some, s) >= 0;
	if (s->ahead) {
		r = ahead_next(s->ahead, &plain, &n, error);
	} else if (s->gzip) {
		r = inflate_some(s, s->plain, &n, error);
	} else {
		ssize_t k = raw_read(s, s->plain, sizeof(s->plain));
		if (k < 0)
			r = read_failed((int)k, error);
		else
			n = (size_t)k;
	}
	if (r < 0)
		return r;
	if (n > s->max - s->taken)
		return error_set(error, -EFBIG, EXIT_CODE_FAILED,
			"the profile is larger than %llu bytes after decompression",
			(unsigned long long)s->max);
	s->taken += n;
	s->at = plain;
	s->end = plain + n;
	return n > 0;
}

int source_more(struct source *s, struct error *error)
{
	return s->at < s->end ? 1 : refill(s, error);
}

int source_varint(struct source *s, uint64_t *ret, struct error *error)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		int r = source_more(s, error);
		if (r < 0)
			return r;
		if (!r)
			return truncated(source_offset(s), error);
		uint8_t b = *s->at++;
		/* The tenth byte has one bit that counts. */
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return error_set(error, -EBADMSG, EXIT_CODE_FAILED,
		"not a profile: a number of more than 64 bits before byte %llu",
		(unsigned long long)source_offset(s));
}

/* Collects n bytes over refills. The buffer doubles as they arrive. */
static int join(struct source *s, size_t n, struct error *error)
{
	size_t have = 0;

	while (have < n) {
		int r = source_more(s, error);
		if (r < 0)
			return r;
		if (!r)
			return truncated(source_offset(s), error);
		size_t part = MIN(n - have, (size_t)(s->end - s->at));
		if (have + part > s->joined_allocated) {
			size_t wanted = MAX(2 * s->joined_allocated, have + part);
			uint8_t *new = realloc(s->joined, wanted);
			if (!new)
				return -ENOMEM;
			s->joined = new;
			s->joined_allocated = wanted;
		}
		memcpy(s->joined + have, s->at, part);
		s->at += part;
		have += part;
	}
	return 0;
}

int source_bytes(struct source *s, size_t n, const uint8_t **ret, struct error *error)
{
	if (n <= (size_t)(s->end - s->at)) {
		*ret = s->at;
		s->at += n;
		return 0;
	}
	int r = join(s, n, error);
	if (r < 0)
		return r;
	*ret = s->joined;
	return 0;
}

int source_skip(struct source *s, uint64_t n, struct error *error)
{
	while (n) {
		int r = source_more(s, error);
		if (r < 0)
			return r;
		if (!r)
			return truncated(source_offset(s), error);
		size_t part = (size_t)MIN(n, (uint64_t)(s->end - s->at));
		s->at += part;
		n -= part;
	}
	return 0;
}

/* Two bytes tell gzip (RFC 1952, 2.3.1) from a profile, whose first byte is a small tag. */
static int begin(struct source *s, struct error *error)
{
	struct stat st;
	size_t n = 0;

	while (n < 2) {
		ssize_t k = raw_read(s, s->raw + n, sizeof(s->raw) - n);
		if (k < 0)
			return read_failed((int)k, error);
		if (!k)
			break;
		n += (size_t)k;
	}
	if (n >= 2 && s->raw[0] == 0x1f && s->raw[1] == 0x8b) {
		if (inflateInit2(&s->z, GZIP_WINDOW) != Z_OK)
			return -ENOMEM;
		s->gzip = s->inflating = s->member_open = true;
		/* Only reads that end by themselves may be waited for. */
		s->may_thread = s->fd >= 0 && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
		s->z.next_in = s->raw;
		s->z.avail_in = (uInt)n;
		return 0;
	}
	if (n > s->max)
		return error_set(error, -EFBIG, EXIT_CODE_FAILED,
			"the profile is larger than %llu bytes", (unsigned long long)s->max);
	s->taken = n;
	memcpy(s->plain, s->raw, n);
	s->at = s->plain;
	s->end = s->plain + n;
	return 0;
}

int source_new(struct source **ret, int fd, const void *data, size_t n, uint64_t max_bytes,
	struct error *error)
{
	CLEANUP(source_freep) struct source *s = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	/* The buffers need no zeroes. */
	memset(s, 0, offsetof(struct source, raw));
	s->fd = fd;
	s->memory = data;
	s->memory_n = n;
	s->max = max_bytes;
	int r = begin(s, error);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}
