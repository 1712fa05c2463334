/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a large profile for report.py: SAMPLES samples of FRAMES frames each, walks down from main
 * through a made-up program of LOCATIONS places, in which each calls eight others, the first half
 * of the time, the second a quarter, and so on. LEAVES (1 to 8): how deep from the leaf walks
 * differ; what is above is one of 65536 walks, as in a program with so many ways to where the work
 * is done; 0: every walk is on its own.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CALLEES	  8U
#define PREFIXES  65536U
#define MAX_DEPTH 1000U

static gzFile out;
static uint64_t state = 88172645463325252ULL;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static size_t varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

static size_t number(uint8_t *to, unsigned field, uint64_t v)
{
	size_t n = varint(to, field << 3);

	return n + varint(to + n, v);
}

static void put(unsigned field, const void *data, size_t n)
{
	uint8_t head[20];
	size_t k = varint(head, field << 3 | 2);

	k += varint(head + k, n);
	if (gzwrite(out, head, (unsigned)k) != (int)k || gzwrite(out, data, (unsigned)n) != (int)n)
		exit(1);
}

static uint32_t callee(uint32_t location, uint32_t locations, uint64_t chance)
{
	unsigned which = (unsigned)__builtin_ctzll(chance | 1U << (CALLEES - 1));

	return (uint32_t)((location * 2654435761ULL + which * 40503ULL + 12345) % locations);
}

/* Frames from..to of a walk, root first. */
static void walk(uint32_t *stack, unsigned from, unsigned to, uint32_t locations, uint64_t seed)
{
	for (unsigned i = from; i < to; i++) {
		seed = (seed ^ seed >> 29) * 0xbf58476d1ce4e5b9ULL + i;
		stack[i] = i ? callee(stack[i - 1], locations, seed >> 40) : 0;
	}
}

static void samples(uint64_t n, unsigned depth, uint32_t locations, unsigned leaves)
{
	static uint32_t stack[MAX_DEPTH];
	static uint8_t ids[MAX_DEPTH * 5], message[MAX_DEPTH * 5 + 64];
	unsigned above = leaves ? depth - leaves : 0;

	for (uint64_t i = 0; i < n; i++) {
		size_t at = 0, k = 0;

		walk(stack, 0, above, locations, any() % PREFIXES * 0x9e3779b97f4a7c15ULL);
		walk(stack, above, depth, locations, any());
		for (unsigned f = depth; f-- > 0;)
			k += varint(ids + k, stack[f] + 1);
		at += varint(message, 1 << 3 | 2);
		at += varint(message + at, k);
		memcpy(message + at, ids, k);
		at += k;
		at += varint(message + at, 2 << 3 | 2);
		k = varint(ids, 1);
		k += varint(ids + k, 10101010);
		at += varint(message + at, k);
		memcpy(message + at, ids, k);
		put(2, message, at + k);
	}
}

static void tables(uint32_t locations)
{
	uint8_t message[64], line[32];
	char text[64];

	for (uint32_t i = 0; i < locations; i++) {
		size_t k = number(line, 1, i / 4 + 1);
		k += number(line + k, 2, i % 4 * 10 + 1);
		size_t n = number(message, 1, i + 1);
		n += number(message + n, 3, 0x400000 + i * 16);
		n += varint(message + n, 4 << 3 | 2);
		n += varint(message + n, k);
		memcpy(message + n, line, k);
		put(4, message, n + k);
	}
	for (uint32_t i = 0; i < (locations + 3) / 4; i++) {
		size_t n = number(message, 1, i + 1);
		n += number(message + n, 2, i + 5);
		n += number(message + n, 3, i + 5);
		put(5, message, n);
	}
	static const char *const words[] = { "", "samples", "count", "cpu", "nanoseconds" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put(6, words[i], strlen(words[i]));
	for (uint32_t i = 0; i < (locations + 3) / 4; i++)
		put(6, text, (size_t)snprintf(text, sizeof(text), "package/name.function%u", i));
}

int main(int argc, char **argv)
{
	static const uint8_t types[][4] = { { 1 << 3, 1, 2 << 3, 2 }, { 1 << 3, 3, 2 << 3, 4 } };

	if (argc != 6 || strtoul(argv[3], NULL, 10) > MAX_DEPTH ||
		strtoul(argv[5], NULL, 10) > strtoul(argv[3], NULL, 10)) {
		fprintf(stderr, "usage: make_profile FILE SAMPLES FRAMES LOCATIONS LEAVES\n");
		return 2;
	}
	out = gzopen(argv[1], "wb1");
	if (!out)
		return 1;
	gzbuffer(out, 1 << 20);
	uint32_t locations = (uint32_t)strtoul(argv[4], NULL, 10);
	put(1, types[0], 4);
	put(1, types[1], 4);
	samples(strtoull(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10), locations,
		(unsigned)strtoul(argv[5], NULL, 10));
	tables(locations);
	return gzclose(out) == Z_OK ? 0 : 1;
}
