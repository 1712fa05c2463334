/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the text backwards, so that the line that was written last is met first; an address that
 * has its name is skipped in nearly constant time, whatever the lines overlap. The text is a
 * target's.
 */
#include "image/perfmap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"

static bool read_hex(const char **at, const char *end, uint64_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;
	int digits = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (; p < end; p++, digits++) {
		unsigned char c = (unsigned char)*p, d;

		if (c >= '0' && c <= '9')
			d = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			d = (c | 0x20) - 'a' + 10;
		else
			break;
		if (digits == 16)
			return false;
		v = v << 4 | d;
	}
	if (digits == 0 || p == end || (*p != ' ' && *p != '\t'))
		return false;
	*at = p;
	*ret = v;
	return true;
}

static bool read_line(const char *line, const char *end, uint64_t *ret_start, uint64_t *ret_size,
	struct perfmap_entry *ret)
{
	const char *p = line;

	if (end > line && end[-1] == '\r')
		end--;
	if (end - line > (ptrdiff_t)LIMIT_PERF_MAP_LINE)
		return false;
	if (!read_hex(&p, end, ret_start) || !read_hex(&p, end, ret_size))
		return false;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end || *ret_size == 0 || *ret_size > UINT64_MAX - *ret_start)
		return false;
	*ret = (struct perfmap_entry){
		.name = p, .name_n = (size_t)(end - p), .start = *ret_start
	};
	return true;
}

/* The first index >= i that has no name yet, n when there is none; shortens the way for the next.
 */
static size_t find_free(size_t *next, size_t i)
{
	size_t root = i;

	while (next[root] != root)
		root = next[root];
	while (next[i] != root) {
		size_t step = next[i];

		next[i] = root;
		i = step;
	}
	return root;
}

static size_t lower_bound(const uint64_t *addresses, size_t n, uint64_t v)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (addresses[middle] < v)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

int perfmap_lookup(const char *text, size_t text_n, const uint64_t *addresses, size_t n,
	struct perfmap_entry *ret)
{
	_cleanup_free_ size_t *next = calloc(n + 1, sizeof(*next));
	const char *end, *line;
	size_t left = n;

	if (!next)
		return -ENOMEM;
	for (size_t i = 0; i <= n; i++)
		next[i] = i;
	memset(ret, 0, n * sizeof(*ret));
	end = text_n > 0 ? memrchr(text, '\n', text_n) : NULL;
	for (; end && left > 0; end = line > text ? line - 1 : NULL) {
		struct perfmap_entry entry;
		uint64_t start, size;
		const char *before = memrchr(text, '\n', (size_t)(end - text));

		line = before ? before + 1 : text;
		if (!read_line(line, end, &start, &size, &entry))
			continue;
		for (size_t i = find_free(next, lower_bound(addresses, n, start));
			i < n && addresses[i] - start < size; i = find_free(next, i)) {
			ret[i] = entry;
			next[i] = i + 1;
			left--;
		}
	}
	return 0;
}
