/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a large profile for report.py: SAMPLES samples of FRAMES frames each, walks down from main
 * through a made-up program of LOCATIONS places, four to a function, a fifth of them with an
 * inlined call.
 *
 * `threads` is made after a profile that profd took of clang++, go and redis (9999 Hz, 25 s:
 * 269,874 samples, as a sample of the file is one stack with one set of labels). There, as here,
 * samples of a thread follow each other, about 55 of them, with five labels in 28 bytes; 61 % of a
 * sample's frames, from the root on, are those of the one before; 85 % of the samples have a stack
 * that no other has, and a new stack brings 3.6 new nodes to the tree of all; gzip makes a quarter
 * of it.
 *
 * `random` is as hard as can be: each sample is a walk on its own, in which a place calls one of
 * eight others, the first half of the time, the second a quarter, and so on.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CALLEES	    8U
#define MAX_DEPTH   1000U
#define SAMPLES_RUN 55U /* of a thread */
#define THREADS	    4096U
#define BACK	    36U	  /* frames that differ from the sample before, about */
#define USUAL	    235U  /* of 256 calls of a place are of the same other one, but for */
#define LAST	    4U	  /* the last frames; the very last is one of */
#define LEAVES	    1024U /* places */

static gzFile out;
static uint32_t *ids, n_ids; /* of the places that are used */
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

static size_t bytes(uint8_t *to, unsigned field, const void *data, size_t n)
{
	size_t k = varint(to, field << 3 | 2);

	k += varint(to + k, n);
	memcpy(to + k, data, n);
	return k + n;
}

static void put(unsigned field, const void *data, size_t n)
{
	uint8_t head[20];
	size_t k = varint(head, field << 3 | 2);

	k += varint(head + k, n);
	if (gzwrite(out, head, (unsigned)k) != (int)k || gzwrite(out, data, (unsigned)n) != (int)n)
		exit(1);
}

/* One of eight; how often the first is taken is what `chance` decides. */
static uint32_t callee(uint32_t location, uint32_t locations, unsigned which)
{
	return (uint32_t)((location * 2654435761ULL + which * 40503ULL + 12345) % locations);
}

static unsigned halves(uint64_t chance)
{
	return (unsigned)__builtin_ctzll(chance | 1U << (CALLEES - 1));
}

/* Frames from..depth of a walk, root first. The usual way but for the last frames, or any. */
static void walk(uint32_t *stack, unsigned from, unsigned depth, uint32_t locations, int usual)
{
	for (unsigned i = from; i < depth; i++) {
		uint64_t chance = any();
		unsigned which = halves(chance >> 8);
		if (usual && i + LAST < depth && (chance & 0xff) < USUAL)
			which = 0;
		else if (usual && i + 1 == depth)
			which = chance % LEAVES;
		stack[i] = i ? callee(stack[i - 1], locations, which) : 0;
	}
}

/* How many frames differ from those of the sample before: few more often than many. */
static unsigned way_back(unsigned depth)
{
	unsigned n = 1;

	while (n < depth && any() % BACK)
		n++;
	return n;
}

/* As writers number them: by first appearance. */
static uint32_t id_of(uint32_t location)
{
	if (!ids[location])
		ids[location] = ++n_ids;
	return ids[location];
}

/* Process, thread and what they are called. */
static size_t labels_of(uint8_t *to, uint32_t thread)
{
	uint8_t label[32];
	size_t n, k = 0;

	for (unsigned i = 0; i < 5; i++) {
		n = number(label, 1, 5 + i);
		n += i < 2 ? number(label + n, 2, 10 + thread % 7)
			   : number(label + n, 3, 1000 + thread / (i == 2 ? 16 : 1));
		k += bytes(to + k, 3, label, n);
	}
	return k;
}

static void put_samples(uint64_t n, unsigned depth, uint32_t locations, int usual)
{
	static uint32_t stack[MAX_DEPTH];
	static uint8_t run[MAX_DEPTH * 5], message[MAX_DEPTH * 5 + 256], labels[160];
	size_t labels_n = 0;

	for (uint64_t i = 0; i < n; i++) {
		unsigned from = 0;
		size_t at, k = 0;

		if (usual && i % SAMPLES_RUN == 0)
			labels_n = labels_of(labels, (uint32_t)(any() % THREADS));
		else if (usual)
			from = depth - way_back(depth);
		walk(stack, from, depth, locations, usual);
		for (unsigned f = depth; f-- > 0;)
			k += varint(run + k, id_of(stack[f]));
		at = bytes(message, 1, run, k);
		k = varint(run, 1);
		k += varint(run + k, 10101010);
		at += bytes(message + at, 2, run, k);
		memcpy(message + at, labels, labels_n);
		put(2, message, at + labels_n);
	}
}

static size_t line_of(uint8_t *to, uint32_t function, uint32_t number_of_line)
{
	uint8_t line[32];
	size_t n = number(line, 1, function + 1);

	n += number(line + n, 2, number_of_line);
	return bytes(to, 4, line, n);
}

static void put_tables(void)
{
	static const char *const words[] = { "", "samples", "count", "cpu", "nanoseconds", "comm",
		"unit", "process", "thread", "cgroup", "clang++", "go", "compile", "link",
		"redis-server", "sh", "make" };
	uint32_t n_words = sizeof(words) / sizeof(words[0]), functions = (n_ids + 3) / 4;
	uint32_t inlined = functions / 8 + 1;
	uint8_t message[96];
	char text[64];

	for (uint32_t i = 0; i < n_ids; i++) {
		size_t n = number(message, 1, i + 1);
		n += number(message + n, 3, 0x400000 + i * 16);
		if (i % 5 == 0)
			n += line_of(message + n, functions + i % inlined, 7);
		n += line_of(message + n, i / 4, i % 4 * 10 + 1);
		put(4, message, n);
	}
	for (uint32_t i = 0; i < functions + inlined; i++) {
		size_t n = number(message, 1, i + 1);
		n += number(message + n, 2, i + n_words);
		n += number(message + n, 3, i + n_words);
		put(5, message, n);
	}
	for (uint32_t i = 0; i < n_words; i++)
		put(6, words[i], strlen(words[i]));
	for (uint32_t i = 0; i < functions + inlined; i++)
		put(6, text, (size_t)snprintf(text, sizeof(text), "package/name.function%u", i));
}

int main(int argc, char **argv)
{
	static const uint8_t types[][4] = { { 1 << 3, 1, 2 << 3, 2 }, { 1 << 3, 3, 2 << 3, 4 } };

	if (argc != 6 || strtoul(argv[3], NULL, 10) > MAX_DEPTH ||
		(strcmp(argv[5], "threads") && strcmp(argv[5], "random"))) {
		fprintf(stderr,
			"usage: make_profile FILE SAMPLES FRAMES LOCATIONS threads|random\n");
		return 2;
	}
	out = gzopen(argv[1], "wb1");
	if (!out)
		return 1;
	gzbuffer(out, 1 << 20);
	uint32_t locations = (uint32_t)strtoul(argv[4], NULL, 10);
	ids = calloc(locations + 1, sizeof(*ids));
	if (!ids)
		return 1;
	put(1, types[0], 4);
	put(1, types[1], 4);
	put_samples(strtoull(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10), locations,
		!strcmp(argv[5], "threads"));
	put_tables();
	return gzclose(out) == Z_OK ? 0 : 1;
}
