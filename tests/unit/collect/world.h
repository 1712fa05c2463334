/* SPDX-License-Identifier: Apache-2.0 */
/* Records in, a profile out: what lies between the kernel side and the encoder, for tests of it. */
#ifndef PROFD_TESTS_COLLECT_WORLD_H
#define PROFD_TESTS_COLLECT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/table.h"
#include "collect/encoder.h"
#include "collect/image.h"

#define NOW_NS	     (100 * NS_PER_SEC)
#define LIBRARY	     0x7f0000000000ULL
#define PROGRAM	     0x400000ULL
#define KERNEL_FRAME 0xffffffff81000000ULL

struct world {
	struct dump_rooms rooms;
	struct strings strings;
	struct target_io *io;
	struct image image;
	uint64_t samples;
};

static inline int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct dump_rooms *r = &w->rooms;
	struct aggregate_rooms below = { 0 };

	assert_int_equal(sd_event_new(&r->event), 0);
	assert_int_equal(target_io_new(&w->io, r->event), 0);
	assert_int_equal(module_table_new(&r->modules), 0);
	assert_int_equal(process_table_new(&r->processes, r->modules), 0);
	assert_int_equal(strings_init(&w->strings, 1 << 20, MIB), 0);
	r->strings = &w->strings;
	assert_int_equal(
		symbolizer_new(&r->symbolizer, r->event, w->io, r->modules, &w->strings, 1), 0);
	below = (struct aggregate_rooms){ .processes = r->processes,
		.modules = r->modules,
		.io = w->io,
		.symbolizer = r->symbolizer };
	assert_int_equal(aggregate_new(&r->aggregate, &below, 60 * NS_PER_SEC, 64 * MIB), 0);
	assert_int_equal(aggregate_set_rate(r->aggregate, 0, "cpu-clock", 99), 0);
	*state = w;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	aggregate_free(w->rooms.aggregate);
	symbolizer_free(w->rooms.symbolizer);
	process_table_free(w->rooms.processes);
	target_io_free(w->io);
	module_table_free(w->rooms.modules);
	strings_deinit(&w->strings);
	sd_event_unref(w->rooms.event);
	free(w);
	return 0;
}

/* A process that has just executed a program, which maps a library too. */
static inline void start(struct world *w, uint32_t pid, const char *program, uint64_t inode)
{
	struct process_table *t = w->rooms.processes;

	assert_int_equal(process_table_comm(t, pid, pid, "x", true, NOW_NS - 9), 0);
	assert_int_equal(process_table_mmap(t, pid, PROGRAM, PROGRAM + 0x1000, 0, 8, 1, inode, 0,
				 program, NOW_NS - 8),
		0);
	assert_int_equal(process_table_mmap(t, pid, LIBRARY, LIBRARY + 0x1000, 0, 8, 1, 1, 0,
				 "/lib/libc.so.6", NOW_NS - 7),
		0);
}

/* A record of it with the frames, leaf first; the first n_kernel are the kernel's. */
static inline void tell(struct world *w, const struct sample_record *head, const uint64_t *frames,
	unsigned n_kernel, unsigned n_user)
{
	size_t n = (n_kernel + n_user) * sizeof(*frames);
	struct sample_record *record = calloc(1, sizeof(*record) + n);

	assert_non_null(record);
	*record = *head;
	record->kind = RECORD_SAMPLE;
	record->size = (uint32_t)(sizeof(*record) + n);
	record->stack_hash = n ? hash_bytes(frames, n, n_kernel) : 1;
	record->n_kernel = (uint16_t)n_kernel;
	record->n_user = (uint16_t)n_user;
	record->has_stack = 1;
	if (n)
		memcpy(record->frames, frames, n);
	aggregate_sample(w->rooms.aggregate, record);
	free(record);
}

static inline void sample(
	struct world *w, uint32_t pid, const uint64_t *frames, unsigned n_kernel, unsigned n_user)
{
	struct sample_record head = { .time_ns = NOW_NS, .tgid = pid, .tid = pid };

	tell(w, &head, frames, n_kernel, n_user);
}

static inline bool any(void *userdata, const struct series_key *key)
{
	(void)userdata;
	(void)key;
	return true;
}

struct ask {
	enum profile_type type;
	uint32_t states;
	uint64_t from_ns, until_ns;
	bool slots, wakers;
	const struct dump_thread *threads;
	size_t n_threads;
};

/* What was asked for as a profile, the caller's to free; NULL: it is empty. */
static inline struct profile *dump_of(struct world *w, const struct ask *ask)
{
	struct selection selection;
	struct profile *p = NULL;
	size_t n;

	selection_init(&selection, w->rooms.aggregate, ask->type, ask->from_ns, ask->until_ns,
		ask->slots, any, NULL);
	if (ask->type == PROFILE_THREADCREATE)
		assert_int_equal(selection_threads(&selection, ask->threads, ask->n_threads), 0);
	while (!selection.done)
		assert_int_equal(selection_step(&selection, NS_PER_SEC), 0);
	image_init(&w->image, &w->rooms,
		&(struct image_options){ .type = ask->type,
			.states = ask->states,
			.kernel_addresses = true,
			.wakers = ask->wakers });
	ARRAY_EACH(&selection.rows, struct selected, row)
		assert_int_equal(image_add(&w->image, row), 0);
	w->samples = selection.samples;
	selection_deinit(&selection);
	bool is_empty = w->image.n_samples == 0;
	_cleanup_close_ int fd = is_empty ? -1 : image_finish(&w->image, NOW_NS, NOW_NS + 1);
	image_deinit(&w->image);
	if (is_empty)
		return NULL;
	assert_true(fd >= 0);
	assert_int_equal(io_regular_size(fd, 64 * MIB, &n), 0);
	void *snapshot = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(snapshot, MAP_FAILED);
	assert_int_equal(encoder_build(snapshot, n, &p), 0);
	(void)munmap(snapshot, n);
	return p;
}

#endif
