/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the lives: slots, the two indexes, the chain of lives of one pid (newest first, not
 * overlapping in time). Bounded by LIMIT_PROCESSES; when full, ended lives that nobody refers to
 * make room.
 */
#include "proc/process_table.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"

/* Samples of a process in its exit, and events of it that were told late. */
#define EXIT_GRACE_NS (1 * NS_PER_SEC)
#define MAKE_ROOM     1024U

static uint64_t hash_pid(uint32_t pid)
{
	return hash_u64(pid, hash_seed());
}

static uint64_t hash_of_pid(const void *ctx, uint32_t slot)
{
	return hash_pid(process_table_slot(ctx, slot)->p.pid);
}

static bool equal_pid(const void *ctx, uint32_t slot, const void *key)
{
	return process_table_slot(ctx, slot)->p.pid == *(const uint32_t *)key;
}

static uint64_t hash_of_id(const void *ctx, uint32_t slot)
{
	return hash_pid(process_table_slot(ctx, slot)->p.id);
}

static bool equal_id(const void *ctx, uint32_t slot, const void *key)
{
	return process_table_slot(ctx, slot)->p.id == *(const uint32_t *)key;
}

struct life *process_table_slot(const struct process_table *t, uint32_t slot)
{
	return *ARRAY_AT(&t->slots, struct life *, slot);
}

struct life *process_table_newest(const struct process_table *t, uint32_t pid)
{
	uint32_t slot = table_find(&t->by_pid, hash_pid(pid), &pid);

	return slot == TABLE_NONE ? NULL : process_table_slot(t, slot);
}

struct life *process_table_older(const struct process_table *t, const struct life *l)
{
	return l->older == TABLE_NONE ? NULL : process_table_slot(t, l->older);
}

struct process *process_table_get(struct process_table *t, uint32_t id)
{
	uint32_t slot = table_find(&t->by_id, hash_pid(id), &id);

	return slot == TABLE_NONE ? NULL : &process_table_slot(t, slot)->p;
}

struct life *process_table_at(struct process_table *t, uint32_t pid, uint64_t time_ns)
{
	struct life *newer = NULL;

	for (struct life *l = process_table_newest(t, pid); l; l = process_table_older(t, l)) {
		if (l->p.from_ns <= time_ns) {
			if (time_ns < l->p.until_ns || time_ns - l->p.until_ns < EXIT_GRACE_NS)
				return l;
			break;
		}
		newer = l;
	}
	if (!newer || newer->from_exact)
		return NULL;
	life_extend_back(newer, time_ns);
	return newer;
}

struct process *process_table_find(
	struct process_table *t, uint32_t pid, uint64_t time_ns, bool add)
{
	struct life *l = process_table_at(t, pid, time_ns);

	if (!l && add)
		l = process_table_add(t, pid, time_ns, false);
	return l ? &l->p : NULL;
}

DEFINE_CLEANUP(struct process_table *, process_table_free)

int process_table_new(struct process_table **ret, struct module_table *modules)
{
	CLEANUP(process_table_freep) struct process_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->modules = modules;
	t->slots = (struct array)ARRAY_INIT(struct life *, LIMIT_PROCESSES);
	t->free_slots = (struct array)ARRAY_INIT(uint32_t, LIMIT_PROCESSES);
	table_init(&t->by_pid, LIMIT_PROCESSES, hash_of_pid, equal_pid, t);
	table_init(&t->by_id, LIMIT_PROCESSES, hash_of_id, equal_id, t);
	*ret = TAKE_PTR(t);
	return 0;
}

struct process_table *process_table_free(struct process_table *t)
{
	if (!t)
		return NULL;
	ARRAY_EACH(&t->slots, struct life *, l)
		life_free(*l, t->modules);
	table_deinit(&t->by_id);
	table_deinit(&t->by_pid);
	array_deinit(&t->free_slots);
	array_deinit(&t->slots);
	free(t);
	return NULL;
}

size_t process_table_bytes(const struct process_table *t)
{
	size_t n = sizeof(*t) + array_bytes(&t->slots) + array_bytes(&t->free_slots) +
		   table_bytes(&t->by_pid) + table_bytes(&t->by_id);

	ARRAY_EACH(&t->slots, struct life *, l)
		if (*l)
			n += life_bytes(*l);
	return n;
}

uint32_t process_table_n_alive(const struct process_table *t)
{
	return t->n_alive;
}

static int take_slot(struct process_table *t, uint32_t *ret)
{
	/* Full: ended lives go before their time, but not those that samples name. */
	if (t->free_slots.n == 0 && t->slots.n >= LIMIT_PROCESSES)
		process_table_expire(t, PROCESS_FOREVER_NS, MAKE_ROOM);
	if (t->free_slots.n > 0) {
		*ret = *ARRAY_AT(&t->free_slots, uint32_t, t->free_slots.n - 1);
		t->free_slots.n--;
		return 0;
	}
	if (t->slots.n >= LIMIT_PROCESSES)
		return -E2BIG;
	*ret = (uint32_t)t->slots.n;
	return array_push(&t->slots) ? 0 : -ENOMEM;
}

/* Into the chain of its pid, in order of time. */
static int chain(struct process_table *t, struct life *l)
{
	struct life *newer = NULL, *older = process_table_newest(t, l->p.pid);
	int r = 0;

	while (older && older->p.from_ns > l->p.from_ns) {
		newer = older;
		older = process_table_older(t, older);
	}
	l->older = older ? older->slot : TABLE_NONE;
	if (newer) {
		l->p.until_ns = newer->p.from_ns;
		newer->older = l->slot;
	} else {
		if (older)
			table_remove(&t->by_pid, hash_pid(l->p.pid), older->slot);
		r = table_add(&t->by_pid, hash_pid(l->p.pid), l->slot);
		if (r < 0 && older)
			(void)table_add(&t->by_pid, hash_pid(l->p.pid), older->slot);
	}
	/* Its exit was lost: the number has a new owner. */
	if (r == 0 && older && older->p.until_ns > l->p.from_ns)
		process_table_end(t, older, l->p.from_ns);
	return r;
}

static uint32_t new_id(struct process_table *t)
{
	do {
		t->next_id++;
	} while (t->next_id == 0 || t->next_id == TABLE_NONE || process_table_get(t, t->next_id));
	return t->next_id;
}

struct life *process_table_add(
	struct process_table *t, uint32_t pid, uint64_t from_ns, bool from_exact)
{
	_cleanup_free_ struct life *l = calloc(1, sizeof(*l));
	uint32_t slot;

	if (!l || take_slot(t, &slot) < 0)
		return NULL;
	*l = (struct life){
		.p = { .id = new_id(t),
			.pid = pid,
			.from_ns = from_ns,
			.until_ns = PROCESS_FOREVER_NS,
			.exec_ns = from_ns,
			.mappings = ARRAY_INIT(struct process_mapping, LIMIT_MAPPINGS) },
		.slot = slot,
		.older = TABLE_NONE,
		.from_exact = from_exact,
		.jit = TABLE_NONE,
		.uses = ARRAY_INIT(struct module_use, LIMIT_MAPPINGS),
	};
	l->p.exe = strdup("");
	*ARRAY_AT(&t->slots, struct life *, slot) = l;
	if (!l->p.exe || table_add(&t->by_id, hash_pid(l->p.id), slot) < 0)
		goto no_room;
	if (chain(t, l) < 0) {
		table_remove(&t->by_id, hash_pid(l->p.id), slot);
		goto no_room;
	}
	if (l->p.until_ns == PROCESS_FOREVER_NS)
		t->n_alive++;
	return TAKE_PTR(l);
no_room:
	free(l->p.exe);
	*ARRAY_AT(&t->slots, struct life *, slot) = NULL;
	uint32_t *again = array_push(&t->free_slots);
	if (again)
		*again = slot;
	return NULL;
}

void process_table_forget(struct process_table *t, struct life *l)
{
	struct process *parent = process_table_get(t, l->p.parent);
	struct life *newer = process_table_newest(t, l->p.pid);
	uint32_t *again = array_push(&t->free_slots);

	/* Without memory to note the slot as free it stays with its life: tried again later. */
	if (!again)
		return;
	*again = l->slot;
	if (parent && parent->n_refs > 0)
		parent->n_refs--;
	if (newer == l) {
		table_remove(&t->by_pid, hash_pid(l->p.pid), l->slot);
		/* It takes the place that was just made. */
		if (l->older != TABLE_NONE)
			(void)table_add(&t->by_pid, hash_pid(l->p.pid), l->older);
	} else {
		while (newer->older != l->slot)
			newer = process_table_slot(t, newer->older);
		newer->older = l->older;
	}
	table_remove(&t->by_id, hash_pid(l->p.id), l->slot);
	*ARRAY_AT(&t->slots, struct life *, l->slot) = NULL;
	if (l->p.until_ns == PROCESS_FOREVER_NS)
		t->n_alive--;
	life_free(l, t->modules);
}

void process_table_end(struct process_table *t, struct life *l, uint64_t time_ns)
{
	if (l->p.until_ns == PROCESS_FOREVER_NS)
		t->n_alive--;
	life_end(l, t->modules, time_ns);
}

int process_table_each(
	struct process_table *t, int (*each)(void *userdata, struct process *p), void *userdata)
{
	for (size_t i = 0; i < t->slots.n; i++) {
		struct life *l = process_table_slot(t, (uint32_t)i);
		int r = l && l->p.until_ns == PROCESS_FOREVER_NS ? each(userdata, &l->p) : 0;

		if (r != 0)
			return r;
	}
	return 0;
}

void process_table_expire(struct process_table *t, uint64_t now_ns, unsigned budget)
{
	/* "Now, for ever" asks for room: what has ended goes at once. */
	uint64_t before_ns =
		now_ns == PROCESS_FOREVER_NS ? now_ns - 1 : now_ns - MIN(now_ns, PROCESS_KEEP_NS);

	for (size_t n = MIN((size_t)budget, t->slots.n); n > 0; n--) {
		struct life *l;

		if (t->expire_at >= t->slots.n)
			t->expire_at = 0;
		l = process_table_slot(t, t->expire_at++);
		if (!l)
			continue;
		if (l->p.until_ns <= before_ns && l->p.n_refs == 0)
			process_table_forget(t, l);
		else if (now_ns != PROCESS_FOREVER_NS)
			life_prune(l, before_ns);
	}
}
