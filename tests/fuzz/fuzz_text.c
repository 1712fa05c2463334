/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: base
/* Text from people and targets: times are read or refused, and what io_printable() gives is safe:
 * it has nothing left to replace. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"

#define NOW_NS (1700000000 * NS_PER_SEC)

static void check(int condition)
{
	if (!condition)
		abort();
}

static void printable(const char *text)
{
	char once[64], twice[64];

	io_printable(text, once, sizeof(once));
	io_printable(once, twice, sizeof(twice));
	check(strcmp(once, twice) == 0);
	for (const char *p = once; *p; p++)
		check((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void times(const char *text)
{
	uint64_t ns, earlier;
	char shown[64];

	/* Rounded up, the last days before the end are beyond it. */
	if (clock_parse_span(text, &ns) == 0 && ns < UINT64_MAX / 2) {
		clock_format_span(ns, shown, sizeof(shown));
		check(clock_parse_span(shown, &earlier) == 0);
	}
	if (clock_parse_point(text, NOW_NS, &ns) == 0)
		clock_format_point(ns, shown, sizeof(shown));
}

/* Every way to read moves on or is bad, and never past the end. */
static void numbers(const uint8_t *data, size_t n)
{
	struct reader r = READER_INIT(data, n);

	while (reader_left(&r) > 0) {
		size_t before = reader_left(&r), length;

		switch (reader_u8(&r) % 6) {
		case 0:
			reader_uleb(&r);
			break;
		case 1:
			reader_sleb(&r);
			break;
		case 2:
			reader_cstr(&r);
			break;
		case 3:
			reader_str(&r, &length);
			break;
		case 4:
			reader_skip(&r, reader_u64(&r));
			break;
		case 5:
			reader_bytes(&r, reader_u16(&r));
			break;
		}
		check(reader_left(&r) < before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	if (!text)
		return 0;
	if (n > 0)
		memcpy(text, data, n);
	text[n] = '\0';
	printable(text);
	times(text);
	numbers(data, n);
	free(text);
	return 0;
}
