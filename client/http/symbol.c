/* SPDX-License-Identifier: Apache-2.0 */
/* Owns how addresses are read and looked up. The words are a peer's, names the targets'. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "http/limits.h"
#include "http/symbol.h"
#include "view/frame.h"

#define WORD_BYTES 4096U /* of bufio.Reader, through which net/http/pprof reads */

struct named_address {
	uint64_t address;
	uint32_t name; /* a string of the profile; 0: none */
};

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : 36;
}

/* The base that a prefix says, and the length of that prefix. */
static unsigned base_of(const char *s, size_t n, size_t *ret_prefix)
{
	char letter = n > 2 && *s == '0' ? (char)(s[1] | 0x20) : 0;

	*ret_prefix = letter == 'x' || letter == 'b' || letter == 'o' ? 2 : n > 1 && *s == '0';
	if (!*ret_prefix)
		return 10;
	return letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
}

/* As strconv.ParseUint(s, 0, 64); 0 for what is no number or too large. */
static uint64_t parse_address(const char *s, size_t n)
{
	size_t prefix;
	unsigned base = base_of(s, n, &prefix);
	uint64_t value = 0;
	/* An underscore stands behind a digit or the prefix, and in front of a digit. */
	bool behind = prefix > 0, digits = false;

	for (size_t i = prefix; i < n; i++) {
		unsigned digit = digit_of(s[i]);

		if (s[i] == '_' && behind) {
			behind = false;
			continue;
		}
		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, digit, &value))
			return 0;
		behind = digits = true;
	}
	return digits && behind ? value : 0;
}

/* The next word and whether there is one behind it. */
static uint64_t take_word(struct symbol_words *w, bool *ret_last, bool *ret_long)
{
	size_t n = 0, used;
	const char *word = w->text;

	while (n < w->n && n < WORD_BYTES && (!word[n] || !strchr(w->separators, word[n])))
		n++;
	*ret_long = n == WORD_BYTES;
	*ret_last = n == w->n || *ret_long;
	used = *ret_last ? w->n : n + 1;
	w->text += used;
	w->n -= used;
	return parse_address(word, n);
}

bool symbol_words_ask(const struct symbol_words *w)
{
	struct symbol_words left = *w;
	bool last = false, is_long;

	while (!last)
		if (take_word(&left, &last, &is_long))
			return true;
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct named_address *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The innermost function at each address, as runtime.FuncForPC() has it. */
static struct named_address *name_addresses(const struct profile *p, size_t *ret_n)
{
	struct named_address *all = calloc(p->locations.n + 1, sizeof(*all));
	size_t n = 0, kept = 0;

	if (!all)
		return NULL;
	for (uint32_t i = 0; i < p->locations.n; i++) {
		const struct profile_location *l =
			ARRAY_AT(&p->locations, struct profile_location, i);
		uint32_t n_lines, name = 0;
		const struct profile_line *lines = profile_lines(p, i, &n_lines);

		if (n_lines && lines[0].function != PROFILE_NONE)
			name = ARRAY_AT(&p->functions, struct profile_function, lines[0].function)
				       ->name;
		if (frame_is_unnamed(profile_text(p, name)))
			name = 0;
		all[n++] = (struct named_address){ .address = l->address, .name = name };
	}
	qsort(all, n, sizeof(*all), by_address);
	for (size_t i = 0; i < n; i++) {
		if (kept && all[kept - 1].address == all[i].address)
			all[kept - 1].name = all[kept - 1].name == all[i].name ? all[i].name : 0;
		else
			all[kept++] = all[i];
	}
	*ret_n = kept;
	return all;
}

static int write_line(const struct profile *p, const struct named_address *found, uint64_t address,
	size_t *written, FILE *out)
{
	_cleanup_free_ char *name = NULL;
	int n;

	if (!found || !found->name)
		return 0;
	name = frame_safe(profile_text(p, found->name), 0);
	n = name ? fprintf(out, "0x%" PRIx64 " %s\n", address, name) : -1;
	if (n < 0)
		return -ENOMEM;
	*written += (size_t)n;
	return *written > HTTP_SYMBOL_BYTES ? -EFBIG : 0;
}

int symbol_write(const struct symbol_words *w, const struct profile *p, FILE *out)
{
	size_t n = 0, written = 0;
	_cleanup_free_ struct named_address *all = p ? name_addresses(p, &n) : NULL;
	struct symbol_words left = *w;
	bool last = false, is_long = false;
	int r = 0;

	if (p && !all)
		return -ENOMEM;
	/* How many is not known; clients want to know whether there are any. */
	(void)fputs("num_symbols: 1\n", out);
	while (!last && r == 0) {
		uint64_t address = take_word(&left, &last, &is_long);
		struct named_address key = { .address = address };

		if (address && n)
			r = write_line(p, bsearch(&key, all, n, sizeof(*all), by_address), address,
				&written, out);
	}
	if (r == 0 && is_long)
		(void)fputs("reading request: bufio: buffer full\n", out);
	return r;
}
