/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of what a worker sent. After answer_check() every index of the view is in bounds, so that
 * its readers need not look again. Input is hostile.
 */
#include "symbol/protocol.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"

uint64_t answer_size(size_t n_offsets)
{
	return MIN(MIB + (uint64_t)n_offsets * 16 * KIB, LIMIT_HELPER_REPLY_BYTES);
}

static bool strings_hold(const struct answer_view *v, uint32_t text_n)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < v->n_strings; i++) {
		if (v->ends[i] < last || v->ends[i] > text_n ||
			v->ends[i] - last > LIMIT_SYMBOL_NAME)
			return false;
		last = v->ends[i];
	}
	return v->n_strings > 0 && v->ends[0] == 0;
}

int answer_check(const void *p, size_t n, size_t n_expected, struct answer_view *ret)
{
	const uint8_t *at = p;
	struct answer_header h;
	struct answer_view v;
	uint64_t size;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, p, sizeof(h));
	size = sizeof(h) + (uint64_t)h.n_addresses * sizeof(struct answer_address) +
	       (uint64_t)h.n_lines * sizeof(struct answer_line) +
	       (uint64_t)h.n_strings * sizeof(uint32_t) + h.text_n;
	if (h.magic != ANSWER_MAGIC || h.n_addresses != n_expected || size != n)
		return -EBADMSG;
	v = (struct answer_view){
		.flags = h.flags,
		.n_addresses = h.n_addresses,
		.n_lines = h.n_lines,
		.n_strings = h.n_strings,
	};
	at += sizeof(h);
	v.addresses = (const struct answer_address *)at;
	at += (size_t)h.n_addresses * sizeof(struct answer_address);
	v.lines = (const struct answer_line *)at;
	at += (size_t)h.n_lines * sizeof(struct answer_line);
	v.ends = (const uint32_t *)at;
	at += (size_t)h.n_strings * sizeof(uint32_t);
	v.text = (const char *)at;
	if (!strings_hold(&v, h.text_n))
		return -EBADMSG;
	for (uint32_t i = 0; i < v.n_addresses; i++) {
		const struct answer_address *a = &v.addresses[i];

		if (a->n_lines > LIMIT_INLINE_DEPTH || a->first_line > v.n_lines ||
			a->n_lines > v.n_lines - a->first_line)
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < v.n_lines; i++) {
		const struct answer_line *l = &v.lines[i];

		if (l->name >= v.n_strings || l->system_name >= v.n_strings ||
			l->file >= v.n_strings || l->line > INT32_MAX || l->start_line > INT32_MAX)
			return -EBADMSG;
	}
	*ret = v;
	return 0;
}

const char *answer_string(const struct answer_view *v, uint32_t id, size_t *ret_n)
{
	uint32_t start = id > 0 ? v->ends[id - 1] : 0;

	*ret_n = v->ends[id] - start;
	return v->text + start;
}

static bool ended(const char *s, size_t n)
{
	return memchr(s, 0, n) != NULL;
}

int symbol_identity_check(const void *p, size_t n, uint32_t n_debug, struct symbol_identity *ret)
{
	struct symbol_identity i;

	if (n != sizeof(i))
		return -EBADMSG;
	memcpy(&i, p, sizeof(i));
	if (i.build_id_n > SYMBOL_MAX_BUILD_ID || i.alt_id_n > SYMBOL_MAX_BUILD_ID ||
		i.n_segments > SYMBOL_MAX_SEGMENTS ||
		(i.debug >= n_debug && i.debug != UINT32_MAX) ||
		!ended(i.debuglink, sizeof(i.debuglink)) || !ended(i.altlink, sizeof(i.altlink)) ||
		!ended(i.runtime, sizeof(i.runtime)))
		return -EBADMSG;
	for (const char *c = i.runtime; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return -EBADMSG;
	}
	*ret = i;
	return 0;
}
