/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a selection as samples (image.h): values by profile type, states and labels, frames. Owns
 * nothing. A row of time is as many samples as it has parts of different states: blocked for
 * something, then wanting a CPU.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collect/image.h"
#include "isolate/syscall_name.h"

#define STATE_FRAMES 64U /* from the leaf on, that a state is told by */

/* What the samples of a row have in common. */
struct row {
	const struct selected *selected;
	const struct series_key *key; /* NULL: of a thread from before */
	struct snapshot_sample sample;
	struct wait_frame frames[STATE_FRAMES]; /* borrowed texts */
	size_t n_frames;
};

/* Whether all samples are of one program. Of a process without a name nothing is known. */
static int note_program(struct image *i, const struct process *p)
{
	const char *program = p ? p->exe : "";
	uint32_t id = p ? p->id : 0;

	if (i->program && (id == i->process || !*i->program))
		return 0;
	i->process = id;
	if (i->program && strcmp(i->program, program) == 0)
		return 0;
	if (i->program)
		program = "";
	free(i->program);
	i->program = strdup(program);
	return i->program ? 0 : -ENOMEM;
}

static const char *const truncate_names[TRUNCATE_COUNT] = {
#define X(id, name, text) [TRUNCATE_##id] = name,
	TRUNCATE_REASONS(X)
#undef X
};

static uint32_t truncate_text(struct image *i, unsigned reason)
{
	if (!i->truncate_text[reason])
		i->truncate_text[reason] =
			image_text(i, truncate_names[reason], strlen(truncate_names[reason]));
	return i->truncate_text[reason];
}

static uint32_t state_text(struct image *i, enum wait_state state)
{
	const char *name = wait_state_name(state);

	if (!i->state_text[state])
		i->state_text[state] = image_text(i, name, strlen(name));
	return i->state_text[state];
}

static uint32_t syscall_text(struct image *i, uint32_t number)
{
	if (number >= IMAGE_SYSCALLS ||
		(i->text_of_syscall.n == 0 &&
			array_resize(&i->text_of_syscall, IMAGE_SYSCALLS) < 0))
		return 0;
	uint32_t *at = ARRAY_AT(&i->text_of_syscall, uint32_t, number);
	if (*at == 0) {
		_cleanup_free_ char *name = syscall_name(number);
		*at = (name ? image_text(i, name, strlen(name)) : 0) + 1;
	}
	return *at - 1;
}

/* What another process is called is not for everybody; which interrupt it was is. */
static uint32_t waker_text(struct image *i, const struct series_key *key)
{
	if (!i->options.wakers && !(key->flags & WAIT_IS_INTERRUPT) && key->waker != key->comm &&
		key->waker != key->thread)
		return 0;
	return image_name(i, key->waker);
}

/* ---- frames ---- */

static void put_frame(struct image *i, struct snapshot_sample *sample, uint32_t location)
{
	writer_u32(&i->sections[SNAPSHOT_FRAMES], location);
	sample->n_frames++;
}

static void put_synthetic(
	struct image *i, struct snapshot_sample *sample, uint32_t *location, const char *name)
{
	if (*location == 0)
		*location = image_synthetic(i, name) + 1;
	put_frame(i, sample, *location - 1);
}

/* The frames of the stack, leaf first. */
static void put_frames(struct image *i, const struct row *row, struct snapshot_sample *sample)
{
	const struct stack_store *stacks = aggregate_stacks(i->rooms->aggregate);

	sample->first_frame = i->sections[SNAPSHOT_FRAMES].n / sizeof(uint32_t);
	if (!row->key) {
		put_synthetic(i, sample, &i->before_attach, "[before attach]");
		return;
	}
	if (row->key->entry == STACK_NONE) {
		put_synthetic(i, sample, &i->unsampled, "[unsampled]");
		return;
	}
	const struct stack_entry *e = stack_entry(stacks, row->key->entry);
	/* Where there is no user stack, none is cut. */
	if (e->truncated != TRUNCATE_NONE && e->truncated != TRUNCATE_NO_USER_STACK &&
		e->truncated != TRUNCATE_EXEC && e->truncated < TRUNCATE_COUNT)
		sample->truncated = truncate_text(i, e->truncated);
	uint32_t node = e->node;
	while (node != STACK_NONE && node != STACK_NODE_ROOT) {
		uint32_t parent, frame = stack_node_frame(stacks, node, &parent);
		put_frame(i, sample, image_location(i, frame));
		node = parent;
	}
}

/* The functions at a frame, innermost first, for wait_state(). */
static void name_frame(const struct image *i, struct row *row, uint32_t frame)
{
	const struct frame *f = stack_frame(aggregate_stacks(i->rooms->aggregate), frame);
	const struct module *m = module_table_get(i->rooms->modules, f->module);

	if (!m || m->kind == MODULE_KERNEL)
		return;
	const struct symbol_address *a = symbolizer_lookup(i->rooms->symbolizer, m->id, f->offset);
	const struct symbol_line *lines = a ? symbolizer_lines(i->rooms->symbolizer, a) : NULL;
	uint32_t n = lines ? a->n_lines : 0;
	if (n == 0)
		row->frames[row->n_frames++] = (struct wait_frame){ "", m->path };
	for (uint32_t l = 0; l < n && row->n_frames < STATE_FRAMES; l++) {
		uint32_t name = lines[l].name ?: lines[l].system_name;
		row->frames[row->n_frames++] =
			(struct wait_frame){ strings_get(i->rooms->strings, name, NULL), m->path };
	}
}

static void name_frames(const struct image *i, struct row *row)
{
	const struct stack_store *stacks = aggregate_stacks(i->rooms->aggregate);

	if (row->key->entry == STACK_NONE)
		return;
	uint32_t node = stack_entry(stacks, row->key->entry)->node;
	while (node != STACK_NONE && node != STACK_NODE_ROOT && row->n_frames < STATE_FRAMES) {
		uint32_t parent;
		name_frame(i, row, stack_node_frame(stacks, node, &parent));
		node = parent;
	}
}

/* ---- samples ---- */

/* Writes a sample with these values, unless there is nothing in it. */
static void put_sample(struct image *i, struct row *row, const uint64_t value[2])
{
	struct snapshot_sample *s = &row->sample;

	if (!value[0] && !value[1])
		return;
	if (!s->n_frames)
		put_frames(i, row, s);
	s->value[0] = value[0];
	s->value[1] = value[1];
	writer_put(&i->sections[SNAPSHOT_SAMPLES], s, sizeof(*s));
	i->n_samples++;
}

/* Of other things that are waited for, nobody is. */
static bool has_owner(enum wait_state state)
{
	return state == WAIT_MUTEX || state == WAIT_RWLOCK || state == WAIT_RUNTIME_LOCK;
}

/* The part of a row that is of one state. */
static void put_part(
	struct image *i, struct row *row, bool only_runnable, uint64_t events, uint64_t ns)
{
	const struct series_key *key = row->key;
	struct wait_facts facts = {
		.probe_set = key->probe_set < ABI_SETS ? key->probe_set : 0,
		.syscall = key->syscall,
		.file = key->file,
		.flags = key->flags,
		.only_runnable = only_runnable,
	};
	bool is_wait = key->probe_set < ABI_SETS, is_blocked = is_wait && !only_runnable;

	if (!events && !ns)
		return;
	enum wait_state state = wait_state(&facts, row->frames, row->n_frames);
	if (!(i->options.states >> state & 1)) {
		i->left_out += events ? row->selected->count : 0;
		i->left_out_ns[state] += ns;
		return;
	}
	struct snapshot_sample *s = &row->sample;
	s->state = state_text(i, state);
	s->syscall = is_wait ? syscall_text(i, key->syscall) : 0;
	s->waker = is_wait ? waker_text(i, key) : 0;
	s->lock = is_blocked ? key->lock : 0;
	s->owner = is_blocked && has_owner(state) ? key->owner : 0;
	put_sample(i, row, (uint64_t[]){ events, ns });
}

/* A thread that waits for something wants a CPU when it has it: these are two states. The event is
 * the wait's. */
static void put_wait(struct image *i, struct row *row)
{
	const struct selected *s = row->selected;
	bool is_blocked = row->key->flags & WAIT_IS_BLOCKED;

	if (is_blocked)
		put_part(i, row, false, s->events, s->ns[SPAN_BLOCKED]);
	put_part(i, row, true, is_blocked ? 0 : s->events, s->ns[SPAN_RUNQ]);
}

static void put_time(struct image *i, struct row *row)
{
	const struct selected *s = row->selected;

	name_frames(i, row);
	if (row->key->probe_set >= ABI_SETS)
		put_part(i, row, false, s->events, s->ns[SPAN_CPU]);
	else if (i->options.type == PROFILE_BLOCK || i->options.type == PROFILE_MUTEX)
		put_part(i, row, false, s->events, s->ns[SPAN_BLOCKED]);
	else if (i->options.type == PROFILE_RUNQ)
		put_part(i, row, true, s->events, s->ns[SPAN_RUNQ]);
	else
		put_wait(i, row);
}

static void put_cpu(struct image *i, struct row *row)
{
	const struct aggregate_rate *rate = aggregate_rate(i->rooms->aggregate, row->key->rate);
	uint64_t count = row->selected->count;

	if (!i->period_ns || rate->period_ns < i->period_ns)
		i->period_ns = rate->period_ns;
	put_sample(i, row, (uint64_t[]){ count, count * rate->period_ns });
}

/* Labels that every sample has where they are known. */
static const struct process *label(struct image *i, struct row *row)
{
	struct snapshot_sample *s = &row->sample;
	const struct selected *selected = row->selected;
	const struct series_key *key = row->key;
	const struct process *p = key ? process_table_get(i->rooms->processes, key->process)
				      : process_table_find(i->rooms->processes, selected->pid,
						clock_monotonic_ns(), false);

	s->pid = selected->pid ?: (p ? p->pid : 0);
	s->tid = selected->tid ?: (key ? key->tid : 0);
	if (key) {
		s->thread = image_name(i, key->thread);
		s->comm = image_name(i, key->comm);
		s->cgroup = image_name(i, aggregate_cgroup(i->rooms->aggregate, key->cgroup));
	} else if (p) {
		s->comm = image_text(i, p->comm, strnlen(p->comm, sizeof(p->comm)));
	}
	if (selected->slot_ns)
		s->slot_time_ns = selected->slot_ns + (uint64_t)i->wall_offset_ns;
	return p;
}

int image_add(struct image *i, const struct selected *selected)
{
	const struct slots *slots = aggregate_slots(i->rooms->aggregate);
	struct row row = {
		.selected = selected,
		.key = selected->series == SERIES_NONE
			       ? NULL
			       : &slots_series(slots, selected->series)->key,
	};
	uint64_t before = i->n_samples;
	const struct process *p = label(i, &row);

	if (i->options.type == PROFILE_CPU)
		put_cpu(i, &row);
	else if (i->options.type == PROFILE_THREADCREATE)
		put_sample(i, &row, (uint64_t[]){ selected->count, 0 });
	else
		put_time(i, &row);
	if (i->n_samples > before && note_program(i, p) < 0)
		return -ENOMEM;
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++)
		if (i->sections[s].bad)
			return i->sections[s].bad;
	return 0;
}
