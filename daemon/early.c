/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Early samples (early.h). Owns those that wait, in the order in which they came: bounded in time
 * and bytes, past which they are walked by what is known then. A sample is handed on once, with the
 * hash that the programs would have given it, so that it is the same stack as one of theirs.
 */
#include "early.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/limits.h"
#include "bpf/unwind_step.h"
#include "early_walk.h"
#include "profd.h"

#define WAIT_NS	  (4 * NS_PER_SEC)
#define MAX_BYTES (16 * MIB)
#define AGAIN_NS  (5 * NS_PER_MS)
#define TURN_NS	  NS_PER_MS
#define FLUSH_NS  (2 * NS_PER_MS)

struct waiting {
	struct waiting *next;
	size_t bytes; /* of all of it */
	uint64_t came_ns;
	uint64_t generation;		   /* when it was last tried */
	struct sample_record *record;	   /* behind this; with its frames */
	const struct stack_window *window; /* behind that, and its bytes */
};

struct early {
	struct profd *profd;
	sd_event_source *again;
	struct waiting *first, **last; /* owned */
	struct early_stats stats;
	/* A record with as many frames as there can be. */
	uint64_t record[sizeof(struct sample_record) / 8 + ABI_KERNEL_FRAMES + ABI_USER_FRAMES];
};

static size_t frames_bytes(const struct sample_record *record)
{
	return ((size_t)record->n_kernel + record->n_user) * sizeof(uint64_t);
}

/* ---- one sample ---- */

struct rules {
	struct profd *profd;
	const struct process *process;
	uint64_t time_ns;
	bool is_coming; /* a table that was asked for is on its way */
};

static uint64_t rule_at(void *userdata, uint64_t pc)
{
	struct rules *r = userdata;
	const struct process_mapping *m = process_mapping_at(r->process, pc, r->time_ns);
	const struct unwind_place *place;
	bool is_coming;
	uint64_t base;

	if (!m)
		return ARCH_RULE_POINTER(UNWIND_POINTER_NOWHERE);
	place = unwind_place(r->profd->unwind, m->module, &is_coming);
	r->is_coming |= is_coming;
	if (place && place->table == KERNEL_TABLE_PENDING)
		return ARCH_RULE_POINTER(UNWIND_POINTER_PENDING);
	if (!place || place->table == KERNEL_TABLE_NONE ||
		!unwind_list_base(place, m->start, m->offset, &base))
		return ARCH_RULE_POINTER(UNWIND_POINTER_CODE);
	return kernel_table_rule(r->profd->kernel, place->table, pc - base);
}

static uint64_t hash_of(const struct early *e, const struct sample_record *record)
{
	uint64_t hash = unwind_hash(kernel_stack_seed(e->profd->kernel), record->tgid);
	size_t n = (size_t)record->n_kernel + record->n_user;

	/* As take() of the programs does. */
	hash = unwind_hash(hash, record->start_ns);
	hash = unwind_hash(hash, record->exec_id);
	for (size_t i = 0; i <= n; i++) {
		if (i == record->n_kernel)
			hash = unwind_hash(hash, record->n_kernel);
		if (i < n)
			hash = unwind_hash(hash, record->frames[i]);
	}
	return unwind_hash_end(unwind_hash(hash, record->truncated));
}

static void hand_on(struct early *e, const struct sample_record *record, enum truncate_reason was)
{
	struct profd *p = e->profd;

	if (record->truncated != was) {
		kernel_set_moved(p->kernel, record->event_set, was, record->truncated);
		account_moved(p, record->event_set, record->time_ns, was, record->truncated);
	}
	aggregate_sample(p->aggregate, record);
}

/* Where the span begins that it tells of. */
static uint64_t from_ns(const struct sample_record *record)
{
	return record->wait.begin_ns ? MIN(record->wait.begin_ns, record->time_ns)
				     : record->time_ns;
}

/* What a lock's memory says of its owner may be anything: one of the process's threads, or nobody.
 */
static void check_owner(struct sample_record *record)
{
	char path[64];

	if (record->event_set != SET_WAITS || !record->wait.owner ||
		!(record->wait.flags & WAIT_IS_UNDER_WAY))
		return;
	(void)snprintf(path, sizeof(path), "/proc/%u/task/%u", record->tgid, record->wait.owner);
	if (access(path, F_OK) < 0)
		record->wait.owner = 0;
}

static struct sample_record *copy_of(struct early *e, const struct sample_record *record)
{
	struct sample_record *out = (void *)e->record;

	memcpy(out, record, sizeof(*out));
	memcpy(out->frames, record->frames, frames_bytes(record));
	check_owner(out);
	out->kind = RECORD_SAMPLE;
	out->size = (uint32_t)(sizeof(*out) + frames_bytes(record));
	return out;
}

/* Walks it and hands it on. False: not yet, as something that it needs is on its way; never when it
 * is_last. */
static bool try(struct early *e, const struct sample_record *record,
	const struct stack_window *window, bool is_last)
{
	struct profd *p = e->profd;
	struct sample_record *out;
	struct rules rules = { .profd = p, .time_ns = record->time_ns };
	enum truncate_reason reason;
	uint64_t frames[ABI_USER_FRAMES];
	size_t n;

	struct process *process =
		process_table_find(p->processes, record->tgid, record->time_ns, true);
	if (process && !process->maps_known) {
		locator_ask(aggregate_locator(p->aggregate), process);
		if (!process->maps_known && !is_last)
			return false;
	}
	if (!process) {
		hand_on(e, copy_of(e, record), record->truncated);
		return true;
	}
	rules.process = process;
	n = early_walk(window, (const uint8_t *)(window + 1), rule_at, &rules, frames, &reason);
	if (rules.is_coming && !is_last)
		return false;
	out = copy_of(e, record);
	if (reason == TRUNCATE_NONE && record->n_kernel >= ABI_KERNEL_FRAMES)
		reason = TRUNCATE_KERNEL_DEPTH;
	/* The program could read all of the stack; this side has the window alone. */
	if ((reason != TRUNCATE_WINDOW && reason != TRUNCATE_READ_FAULT) || n > record->n_user) {
		memcpy(out->frames + out->n_kernel, frames, n * sizeof(*frames));
		out->n_user = (uint16_t)n;
		out->truncated = (uint8_t)reason;
		out->size = (uint32_t)(sizeof(*out) + frames_bytes(out));
		out->stack_hash = hash_of(e, out);
	}
	hand_on(e, out, record->truncated);
	return true;
}

/* ---- those that wait ---- */

static void schedule(struct early *e, uint64_t ns)
{
	(void)sd_event_source_set_time_relative(e->again, ns / NS_PER_US);
	(void)sd_event_source_set_enabled(e->again, SD_EVENT_ONESHOT);
}

/* Takes it out of the list. */
static struct waiting *unlink_at(struct early *e, struct waiting **at)
{
	struct waiting *w = *at;

	*at = w->next;
	if (!*at)
		e->last = at;
	e->stats.bytes -= w->bytes;
	return w;
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct early *e = userdata;
	uint64_t now_ns = clock_monotonic_ns(), deadline_ns = now_ns + TURN_NS;
	uint64_t generation = unwind_generation(e->profd->unwind);
	struct waiting **at = &e->first;

	(void)source;
	(void)usec;
	while (*at && clock_monotonic_ns() < deadline_ns) {
		struct waiting *w = *at;
		bool is_last = now_ns - w->came_ns > WAIT_NS;

		if (!is_last && w->generation == generation) {
			at = &w->next;
			continue;
		}
		w->generation = generation;
		if (!try(e, w->record, w->window, is_last)) {
			at = &w->next;
			continue;
		}
		e->stats.late += is_last;
		free(unlink_at(e, at));
	}
	if (e->first)
		schedule(e, *at ? 0 : AGAIN_NS);
	return 0;
}

static bool wait_for_it(
	struct early *e, const struct sample_record *record, const struct stack_window *window)
{
	size_t sample = sizeof(*record) + frames_bytes(record);
	size_t bytes = sizeof(struct waiting) + sample + sizeof(*window) + window->bytes;
	struct waiting *w = e->stats.bytes + bytes <= MAX_BYTES ? malloc(bytes) : NULL;

	if (!w)
		return false;
	*w = (struct waiting){
		.bytes = bytes,
		.came_ns = clock_monotonic_ns(),
		.generation = unwind_generation(e->profd->unwind),
		.record = (void *)(w + 1),
		.window = (void *)((uint8_t *)(w + 1) + sample),
	};
	memcpy(w->record, record, sample);
	memcpy((void *)w->window, window, sizeof(*window) + window->bytes);
	if (!e->first)
		schedule(e, AGAIN_NS);
	*e->last = w;
	e->last = &w->next;
	e->stats.bytes += bytes;
	e->stats.waited++;
	return true;
}

void early_sample(
	struct early *e, const struct sample_record *record, const struct stack_window *window)
{
	e->stats.walked++;
	if (try(e, record, window, false) || wait_for_it(e, record, window))
		return;
	e->stats.late++;
	(void)try(e, record, window, true);
}

uint64_t early_oldest_ns(const struct early *e)
{
	uint64_t oldest = UINT64_MAX;

	/* The rings of two CPUs are read one after the other. */
	for (const struct waiting *w = e->first; w; w = w->next)
		oldest = MIN(oldest, from_ns(w->record));
	return oldest;
}

void early_flush(struct early *e, uint32_t sets, uint64_t before_ns)
{
	uint64_t deadline_ns = clock_monotonic_ns() + FLUSH_NS;
	struct waiting **at = &e->first;

	while (*at) {
		struct waiting *w = *at;

		if (!(sets >> w->record->event_set & 1) || from_ns(w->record) >= before_ns) {
			at = &w->next;
			continue;
		}
		/* Walks take longer than this loop may. */
		if (clock_monotonic_ns() < deadline_ns)
			(void)try(e, w->record, w->window, true);
		else
			hand_on(e, copy_of(e, w->record), w->record->truncated);
		e->stats.late++;
		free(unlink_at(e, at));
	}
}

void early_forget(struct early *e, uint64_t attachment_bits)
{
	for (struct waiting *w = e->first; w; w = w->next)
		w->record->attachments &= ~attachment_bits;
}

/* ---- the whole ---- */

int early_new(struct early **ret, struct profd *p)
{
	struct early *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->profd = p;
	e->last = &e->first;
	r = sd_event_add_time_relative(p->event, &e->again, CLOCK_MONOTONIC, 0, 1, on_again, e);
	if (r >= 0)
		r = sd_event_source_set_enabled(e->again, SD_EVENT_OFF);
	if (r < 0) {
		early_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

struct early *early_free(struct early *e)
{
	if (!e)
		return NULL;
	while (e->first)
		free(unlink_at(e, &e->first));
	sd_event_source_disable_unref(e->again);
	free(e);
	return NULL;
}

void early_get_stats(const struct early *e, struct early_stats *ret)
{
	*ret = e->stats;
	ret->limit_bytes = MAX_BYTES;
}
