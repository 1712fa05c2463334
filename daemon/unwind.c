/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a record for each process with a list, and who waits for lists. Changes are only noted; the
 * work is done in turns of a millisecond, each an event of its own, so that rings and sockets have
 * theirs in between. A list names only tables that are whole, and holds each that it names.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "profd.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TURN_NS		(1 * NS_PER_MS)
#define ENDED_KEEP_NS	(1 * NS_PER_SEC)  /* what still runs in its exit */
#define SEEN_SLOTS	1024U		  /* power of two */
#define QUIET_NS	(10 * NS_PER_SEC) /* not sampled for so long: can do without a list */
#define MAINTAIN_A_TURN 512U

struct record {
	uint32_t pid, process; /* pid 0: free */
	uint32_t epoch;	       /* of the mappings that are published */
	bool published, dirty;
	uint64_t sampled_ns;  /* lately, to a second or so; 0: never */
	struct array modules; /* uint32_t: distinct, sorted; mapped */
	struct array held;    /* uint32_t: of these, whose table the list names */
};

struct unwind {
	struct profd *profd;
	struct unwind_tables *tables;
	sd_event_source *turn, *later;
	struct array records; /* struct record */
	struct array free;    /* uint32_t: places in records */
	struct table by_pid;
	struct array dirty; /* uint32_t: places, from next_dirty on */
	size_t next_dirty;
	struct kernel_mapping *list; /* LIMIT_MAPPINGS of them; owned */
	struct unwind_waits *waits;  /* owned */
	uint32_t next_maintained;
	struct {
		uint32_t tgid;
		uint64_t start_ns;
	} seen[SEEN_SLOTS]; /* processes of late samples */
	struct unwind_stats stats;
};

static struct record *record_at(const struct unwind *u, uint32_t i)
{
	return ARRAY_AT(&u->records, struct record, i);
}

static uint64_t pid_hash(uint32_t pid)
{
	return hash_u64(pid, hash_seed());
}

static uint64_t hash_of(const void *ctx, uint32_t id)
{
	return pid_hash(record_at(ctx, id)->pid);
}

static bool same_pid(const void *ctx, uint32_t id, const void *key)
{
	return record_at(ctx, id)->pid == *(const uint32_t *)key;
}

static struct record *find(const struct unwind *u, uint32_t pid)
{
	uint32_t i = table_find(&u->by_pid, pid_hash(pid), &pid);
	return i == TABLE_NONE ? NULL : record_at(u, i);
}

static void wake(void *userdata)
{
	struct unwind *u = userdata;
	(void)sd_event_source_set_enabled(u->turn, SD_EVENT_ONESHOT);
}

static void wake_in(struct unwind *u, uint64_t ns)
{
	(void)sd_event_source_set_time_relative(u->later, ns / NS_PER_US);
	(void)sd_event_source_set_enabled(u->later, SD_EVENT_ONESHOT);
}

static void make_dirty(struct unwind *u, struct record *r)
{
	uint32_t *place = r->dirty ? NULL : array_push(&u->dirty);
	if (!place)
		return;
	*place = (uint32_t)(r - (struct record *)u->records.data);
	r->dirty = true;
	wake(u);
}

/* ---- records ---- */

static void release(struct unwind *u, struct array *held)
{
	ARRAY_EACH(held, uint32_t, module)
		unwind_tables_unref(u->tables, *module);
	held->n = 0;
}

static void forget_list(struct unwind *u, struct record *r)
{
	if (r->published)
		kernel_process_drop(u->profd->kernel, r->pid);
	r->published = false;
	release(u, &r->held);
	r->modules.n = 0;
}

static struct record *add(struct unwind *u, const struct process *process)
{
	uint32_t i;

	if (u->free.n > 0) {
		i = *ARRAY_AT(&u->free, uint32_t, --u->free.n);
	} else {
		i = (uint32_t)u->records.n;
		if (!array_push(&u->records))
			return NULL;
	}
	struct record *r = record_at(u, i);
	/* It may still be among the dirty ones from its former life. */
	*r = (struct record){ .pid = process->pid, .process = process->id, .dirty = r->dirty };
	r->modules = (struct array)ARRAY_INIT(uint32_t, LIMIT_MAPPINGS);
	r->held = (struct array)ARRAY_INIT(uint32_t, LIMIT_MAPPINGS);
	if (table_add(&u->by_pid, pid_hash(r->pid), i) < 0) {
		r->pid = 0;
		uint32_t *place = array_push(&u->free);
		if (place)
			*place = i;
		return NULL;
	}
	u->stats.lists++;
	return r;
}

static void drop(struct unwind *u, struct record *r)
{
	uint32_t i = (uint32_t)(r - (struct record *)u->records.data);

	forget_list(u, r);
	table_remove(&u->by_pid, pid_hash(r->pid), i);
	array_deinit(&r->modules);
	array_deinit(&r->held);
	r->pid = 0;
	u->stats.lists--;
	uint32_t *place = array_push(&u->free);
	if (place)
		*place = i;
}

static bool is_wanted(const struct unwind *u, uint32_t pid)
{
	const struct attachment *a = attachment_table_at(u->profd->attachments, 0);

	if (!a)
		return false;
	for (size_t i = 0; (a = attachment_table_at(u->profd->attachments, i)); i++)
		if (a->target.all)
			return true;
	return kernel_target_of(u->profd->kernel, pid) != 0;
}

static struct record *get_or_add(struct unwind *u, const struct process *process)
{
	struct record *r = find(u, process->pid);

	if (!r)
		return add(u, process);
	if (r->process != process->id) {
		/* Another life of that number. */
		forget_list(u, r);
		r->process = process->id;
		r->sampled_ns = 0;
	}
	return r;
}

static void want(struct unwind *u, struct process *process, bool sampled)
{
	if (process->until_ns != PROCESS_FOREVER_NS)
		return;
	struct record *r = get_or_add(u, process);
	if (!r)
		return;
	if (sampled)
		r->sampled_ns = clock_monotonic_ns();
	if (!r->published || r->epoch != process->epoch)
		make_dirty(u, r);
}

void unwind_changed(struct unwind *u, struct process *process)
{
	const struct record *r = find(u, process->pid);

	if ((r && r->process == process->id) || is_wanted(u, process->pid))
		want(u, process, false);
}

void unwind_sampled(struct unwind *u, const struct sample_record *record)
{
	uint64_t hash = hash_u64(record->tgid ^ record->start_ns, hash_seed());
	uint32_t i = hash & (SEEN_SLOTS - 1);

	if (u->seen[i].tgid == record->tgid && u->seen[i].start_ns == record->start_ns)
		return;
	u->seen[i].tgid = record->tgid;
	u->seen[i].start_ns = record->start_ns;
	struct process *process =
		process_table_find(u->profd->processes, record->tgid, record->time_ns, false);
	if (process)
		want(u, process, true);
}

/* ---- publishing ---- */

static void want_table(void *userdata, uint32_t module)
{
	struct unwind *u = userdata;
	(void)unwind_tables_want(u->tables, module);
}

static void publish(struct unwind *u, struct record *r, const struct process *process)
{
	struct array held = ARRAY_INIT(uint32_t, LIMIT_MAPPINGS);
	int error = unwind_list_modules(process, want_table, u, &r->modules);

	/* Those of the new list before those of the old are let go. */
	ARRAY_EACH(&r->modules, uint32_t, module) {
		if (error < 0 || !unwind_tables_is_whole(u->tables, *module))
			continue;
		uint32_t *place = array_push(&held);
		if (!place) {
			error = -ENOMEM;
			break;
		}
		*place = *module;
		unwind_tables_ref(u->tables, *module);
	}
	if (error == 0) {
		uint32_t n = unwind_list_make(
			process, unwind_tables_place, u->tables, u->list, LIMIT_MAPPINGS);
		error = kernel_process_publish(
			u->profd->kernel, r->pid, process->start_boottime_ns, u->list, n);
	}
	if (error < 0) {
		u->stats.not_published++;
		release(u, &held);
		array_deinit(&held);
		/* The old list may say what is not so any more. */
		forget_list(u, r);
	} else {
		u->stats.published++;
		release(u, &r->held);
		array_deinit(&r->held);
		r->held = held;
		r->published = true;
	}
	r->epoch = process->epoch;
}

static void publish_dirty(struct unwind *u, uint64_t deadline_ns)
{
	while (u->next_dirty < u->dirty.n && clock_monotonic_ns() < deadline_ns) {
		struct record *r = record_at(u, *ARRAY_AT(&u->dirty, uint32_t, u->next_dirty++));
		const struct process *process =
			r->pid ? process_table_get(u->profd->processes, r->process) : NULL;
		r->dirty = false;
		if (process && process->until_ns == PROCESS_FOREVER_NS)
			publish(u, r, process);
	}
	/* Each record is there once, so what is done is half of it at the latest. */
	if (u->next_dirty == u->dirty.n || u->next_dirty >= LIMIT_PROCESSES) {
		uint32_t *places = u->dirty.data;
		u->dirty.n -= u->next_dirty;
		if (u->dirty.n > 0)
			memmove(places, places + u->next_dirty, u->dirty.n * sizeof(*places));
		u->next_dirty = 0;
	}
}

/* A table has come, or will not: the lists that wait for it are made again. */
static void on_ready(void *userdata, uint32_t module)
{
	struct unwind *u = userdata;

	ARRAY_EACH(&u->records, struct record, r)
		if (r->pid && unwind_list_has(&r->modules, module))
			make_dirty(u, r);
}

/* Who was not sampled of late has a list again with the next sample. */
static bool make_room(void *userdata)
{
	struct unwind *u = userdata;
	uint64_t now_ns = clock_monotonic_ns();
	bool any = false;

	ARRAY_EACH(&u->records, struct record, r) {
		if (!r->pid || r->dirty || now_ns - r->sampled_ns < QUIET_NS)
			continue;
		any |= r->held.n > 0;
		drop(u, r);
	}
	return any;
}

/* ---- waiting ---- */

static bool is_ready(void *userdata, uint32_t id)
{
	const struct unwind *u = userdata;
	const struct process *process = process_table_get(u->profd->processes, id);
	const struct record *r = process ? find(u, process->pid) : NULL;

	if (!process || process->until_ns != PROCESS_FOREVER_NS)
		return true;
	if (!process->maps_known || !r || r->process != id || r->dirty ||
		r->epoch != process->epoch)
		return false;
	ARRAY_EACH(&r->modules, uint32_t, module)
		if (unwind_tables_is_pending(u->tables, *module))
			return false;
	return true;
}

void unwind_wait(struct unwind *u, uint32_t *processes, size_t n, uint64_t timeout_ns,
	unwind_done_fn done, void *userdata)
{
	for (size_t i = 0; i < n; i++) {
		struct process *process = process_table_get(u->profd->processes, processes[i]);
		if (process)
			want(u, process, false);
	}
	if (unwind_waits_add(u->waits, processes, n, timeout_ns, done, userdata))
		wake(u);
}

/* ---- turns ---- */

static int on_turn(sd_event_source *source, void *userdata)
{
	struct unwind *u = userdata;
	uint64_t now_ns = clock_monotonic_ns(), deadline_ns = now_ns + TURN_NS;

	(void)source;
	/* Lists first: they are short, and what they ask for is wanted most. */
	publish_dirty(u, now_ns + TURN_NS / 2);
	uint64_t more_ns = unwind_tables_work(u->tables, deadline_ns);
	unwind_waits_check(u->waits);
	u->stats.max_turn_ns = MAX(u->stats.max_turn_ns, clock_monotonic_ns() - now_ns);
	if (u->next_dirty < u->dirty.n || more_ns == 0)
		wake(u);
	else if (more_ns != UINT64_MAX)
		wake_in(u, more_ns);
	return 0;
}

static int on_later(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	wake(userdata);
	return 0;
}

/* A table that failed for a while, or was evicted, may be had now. */
static bool has_due(const struct unwind *u, const struct record *r)
{
	ARRAY_EACH(&r->modules, uint32_t, module)
		if (unwind_tables_is_due(u->tables, *module))
			return true;
	return false;
}

static bool has_ended(const struct process *process, uint64_t now_ns)
{
	return process->until_ns != PROCESS_FOREVER_NS &&
	       now_ns > process->until_ns + ENDED_KEEP_NS;
}

void unwind_maintain(struct unwind *u)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (uint32_t n = 0; n < MAINTAIN_A_TURN && n < u->records.n; n++) {
		uint32_t i = u->next_maintained++ % (uint32_t)u->records.n;
		struct record *r = record_at(u, i);
		if (!r->pid)
			continue;
		const struct process *process = process_table_get(u->profd->processes, r->process);
		if (!process || has_ended(process, now_ns) ||
			(!r->sampled_ns && !is_wanted(u, r->pid)))
			drop(u, r);
		else if (process->until_ns == PROCESS_FOREVER_NS &&
			 (!r->published || r->epoch != process->epoch || has_due(u, r)))
			make_dirty(u, r);
	}
	/* Who had no place, or was not known yet, gets another chance. */
	memset(u->seen, 0, sizeof(u->seen));
	unwind_tables_trim(u->tables);
	if (unwind_waits_any(u->waits))
		wake(u);
}

bool unwind_forget_module(struct unwind *u, uint32_t module)
{
	return unwind_tables_forget(u->tables, module);
}

/* ---- the whole ---- */

int unwind_new(struct unwind **ret, struct profd *p)
{
	struct unwind *u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->profd = p;
	u->records = (struct array)ARRAY_INIT(struct record, LIMIT_PROCESSES);
	u->free = (struct array)ARRAY_INIT(uint32_t, LIMIT_PROCESSES);
	u->dirty = (struct array)ARRAY_INIT(uint32_t, 2 * LIMIT_PROCESSES);
	table_init(&u->by_pid, LIMIT_PROCESSES, hash_of, same_pid, u);
	u->list = calloc(LIMIT_MAPPINGS, sizeof(*u->list));
	int r = u->list ? unwind_waits_new(&u->waits, p->event, is_ready, u) : -ENOMEM;
	if (r >= 0)
		r = sd_event_add_defer(p->event, &u->turn, on_turn, u);
	if (r >= 0)
		r = sd_event_add_time_relative(
			p->event, &u->later, CLOCK_MONOTONIC, 0, 1, on_later, u);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->turn, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->later, SD_EVENT_OFF);
	if (r >= 0)
		r = unwind_tables_new(&u->tables, &(struct unwind_tables_rooms){ .event = p->event,
							  .kernel = p->kernel,
							  .modules = p->modules,
							  .io = p->io,
							  .ready = on_ready,
							  .wake = wake,
							  .make_room = make_room,
							  .userdata = u });
	if (r < 0) {
		unwind_free(u);
		return r;
	}
	/* Everybody has it; and a worker is there when the first file comes. */
	const struct module *vdso = module_table_pseudo(p->modules, MODULE_VDSO);
	if (vdso)
		(void)unwind_tables_want(u->tables, vdso->id);
	*ret = u;
	return 0;
}

struct unwind *unwind_free(struct unwind *u)
{
	if (!u)
		return NULL;
	unwind_waits_free(u->waits);
	unwind_tables_free(u->tables);
	sd_event_source_disable_unref(u->turn);
	sd_event_source_disable_unref(u->later);
	ARRAY_EACH(&u->records, struct record, r) {
		array_deinit(&r->modules);
		array_deinit(&r->held);
	}
	array_deinit(&u->records);
	array_deinit(&u->free);
	array_deinit(&u->dirty);
	table_deinit(&u->by_pid);
	free(u->list);
	free(u);
	return NULL;
}

const struct unwind_place *unwind_place(struct unwind *u, uint32_t module, bool *ret_coming)
{
	(void)unwind_tables_want(u->tables, module);
	*ret_coming = unwind_tables_is_pending(u->tables, module);
	return unwind_tables_place(u->tables, module);
}

uint64_t unwind_generation(const struct unwind *u)
{
	struct unwind_tables_stats tables;
	uint64_t n = u->stats.published + u->stats.not_published;

	unwind_tables_get_stats(u->tables, &tables);
	n += tables.built + tables.evicted;
	for (unsigned i = 0; i < UNWIND_FAILURES; i++)
		n += tables.failed[i];
	return n;
}

void unwind_get_stats(const struct unwind *u, struct unwind_stats *ret)
{
	*ret = u->stats;
	unwind_tables_get_stats(u->tables, &ret->tables);
}

void unwind_get_helper_stats(const struct unwind *u, struct helper_stats *ret)
{
	unwind_tables_get_helper_stats(u->tables, ret);
}

size_t unwind_bytes(const struct unwind *u)
{
	size_t n = sizeof(*u) + array_bytes(&u->records) + array_bytes(&u->free) +
		   array_bytes(&u->dirty) + table_bytes(&u->by_pid) +
		   LIMIT_MAPPINGS * sizeof(*u->list) + unwind_tables_bytes(u->tables);

	ARRAY_EACH(&u->records, struct record, r)
		n += array_bytes(&r->modules) + array_bytes(&r->held);
	return n;
}
