/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of mappings that the programs know processes by. A list never changes: another one
 * takes its place, with a key of its own, which is also what tells ranges that the programs
 * remember apart. Children hold their parent's list until they have their own (follow.bpf.c), so
 * the key in the store is cleared before the bytes become something else.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "bpf/cpu.skel.h"
#include "kernel/tables.h"

#define PROCESS_FREE UINT32_MAX

struct listed_process {
	uint32_t pid;	   /* 0: a free place */
	uint32_t tgid;	   /* the kernel's number */
	struct room *room; /* owned */
	uint32_t *tables;  /* of its mappings; owned */
	uint32_t n;
	uint32_t next_free;
};

static uint64_t pid_hash(uint32_t pid)
{
	return hash_u64(pid, hash_seed());
}

static struct listed_process *process_at(const struct kernel *k, uint32_t id)
{
	return ARRAY_AT(&k->tables.processes, struct listed_process, id);
}

static uint64_t hash_of(const void *context, uint32_t id)
{
	return pid_hash(process_at(context, id)->pid);
}

static bool equal(const void *context, uint32_t id, const void *key)
{
	return process_at(context, id)->pid == *(const uint32_t *)key;
}

static int map_fd(const struct kernel *k)
{
	return bpf_map__fd(k->programs.cpu->maps.unwind_processes);
}

int lists_init(struct kernel *k)
{
	struct tables *t = &k->tables;

	t->processes = (struct array)ARRAY_INIT(struct listed_process, LIMIT_PROCESSES);
	t->free_process = PROCESS_FREE;
	table_init(&t->by_pid, LIMIT_PROCESSES, hash_of, equal, k);
	return 0;
}

/* The bytes of a list that was replaced, and the tables it named. */
static void list_retire(struct kernel *k, struct room *room, uint32_t *tables, uint32_t n)
{
	struct store_list *list = (void *)(k->tables.store.bytes + room->offset);

	/* Pairs with the load of it in unwind_find_list(). */
	__atomic_store_n(&list->key, 0, __ATOMIC_RELEASE);
	tables_retire(k, room);
	for (uint32_t i = 0; i < n; i++)
		if (tables[i] < KERNEL_TABLE_PENDING)
			tables_unref(k, tables[i]);
	free(tables);
}

void lists_deinit(struct kernel *k)
{
	struct tables *t = &k->tables;

	ARRAY_EACH(&t->processes, struct listed_process, p)
		if (p->pid)
			list_retire(k, p->room, p->tables, p->n);
	array_deinit(&t->processes);
	table_deinit(&t->by_pid);
}

static int mappings_check(const struct kernel *k, const struct kernel_mapping *mappings, uint32_t n)
{
	uint64_t end = 0;

	if (n > LIMIT_MAPPINGS)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++) {
		const struct kernel_mapping *m = &mappings[i];

		if (m->start < end || m->end <= m->start)
			return -EINVAL;
		if (m->table < KERNEL_TABLE_PENDING && !tables_is_whole(k, m->table))
			return -EINVAL;
		end = m->end;
	}
	return 0;
}

static void list_write(struct kernel *k, const struct room *room, uint64_t key,
	const struct kernel_mapping *mappings, uint32_t n)
{
	struct store_list *list = (void *)(k->tables.store.bytes + room->offset);
	struct store_mapping *to = (void *)(list + 1);

	for (uint32_t i = 0; i < n; i++) {
		const struct kernel_mapping *m = &mappings[i];
		struct store_mapping entry = { .index = STORE_INDEX_NONE };

		if (m->table == KERNEL_TABLE_PENDING)
			entry.index = STORE_INDEX_PENDING;
		else if (m->table != KERNEL_TABLE_NONE)
			entry = tables_mapping(k, m->table);
		entry.start = m->start;
		entry.end = m->end;
		entry.base = m->base;
		to[i] = entry;
	}
	*list = (struct store_list){ .key = key, .n = n };
}

/* The place of a process, a new one where it has none. */
static int process_place(struct tables *t, uint32_t pid, uint32_t *ret)
{
	uint32_t id = table_find(&t->by_pid, pid_hash(pid), &pid);
	struct listed_process *p;
	int r;

	if (id != TABLE_NONE) {
		*ret = id;
		return 0;
	}
	id = t->free_process;
	if (id == PROCESS_FREE) {
		id = (uint32_t)t->processes.n;
		if (!array_push(&t->processes))
			return id >= LIMIT_PROCESSES ? -ENOSPC : -ENOMEM;
		ARRAY_AT(&t->processes, struct listed_process, id)->next_free = PROCESS_FREE;
	}
	p = ARRAY_AT(&t->processes, struct listed_process, id);
	t->free_process = p->next_free;
	*p = (struct listed_process){ .pid = pid };
	r = table_add(&t->by_pid, pid_hash(pid), id);
	if (r < 0) {
		*p = (struct listed_process){ .next_free = t->free_process };
		t->free_process = id;
		return r == -E2BIG ? -ENOSPC : r;
	}
	t->n_processes++;
	*ret = id;
	return 0;
}

static void process_forget(struct tables *t, uint32_t id)
{
	struct listed_process *p = ARRAY_AT(&t->processes, struct listed_process, id);

	table_remove(&t->by_pid, pid_hash(p->pid), id);
	*p = (struct listed_process){ .next_free = t->free_process };
	t->free_process = id;
	t->n_processes--;
}

int kernel_process_publish(struct kernel *k, uint32_t pid, uint64_t start_ns,
	const struct kernel_mapping *mappings, uint32_t n)
{
	struct tables *t = &k->tables;
	struct unwind_process entry = { .start_ns = start_ns };
	_cleanup_free_ uint32_t *tables = NULL;
	struct listed_process *p;
	struct room *room;
	uint32_t tgid, id;
	int r = mappings_check(k, mappings, n);

	if (r < 0)
		return r;
	r = targets_tgid(k, pid, &tgid);
	if (r < 0)
		return r;
	tables = calloc(MAX(n, 1U), sizeof(*tables));
	if (!tables)
		return -ENOMEM;
	tables_reclaim(k);
	r = store_take(
		&t->store, sizeof(struct store_list) + n * sizeof(struct store_mapping), &room);
	if (r < 0)
		return r == -EFBIG ? -ENOSPC : r;
	r = process_place(t, pid, &id);
	if (r < 0) {
		(void)store_release(&t->store, room);
		return r;
	}
	entry.list = room->offset;
	entry.key = hash_u64(++t->keys, hash_seed()) | 1;
	list_write(k, room, entry.key, mappings, n);
	r = bpf_map_update_elem(map_fd(k), &tgid, &entry, BPF_ANY);
	p = process_at(k, id);
	if (r < 0) {
		(void)store_release(&t->store, room);
		if (!p->room)
			process_forget(t, id);
		return r == -E2BIG ? -ENOSPC : r;
	}
	for (uint32_t i = 0; i < n; i++) {
		tables[i] = mappings[i].table;
		if (tables[i] < KERNEL_TABLE_PENDING)
			tables_ref(k, tables[i]);
	}
	if (p->room)
		list_retire(k, p->room, p->tables, p->n);
	p->tgid = tgid;
	p->room = room;
	p->tables = TAKE_PTR(tables);
	p->n = n;
	return 0;
}

void kernel_process_drop(struct kernel *k, uint32_t pid)
{
	struct tables *t = &k->tables;
	uint32_t id = table_find(&t->by_pid, pid_hash(pid), &pid);
	struct unwind_process entry;
	struct listed_process *p;

	if (id == TABLE_NONE)
		return;
	p = process_at(k, id);
	/* The number may be another process's by now, with its parent's list. */
	if (bpf_map_lookup_elem(map_fd(k), &p->tgid, &entry) == 0 && entry.list == p->room->offset)
		(void)bpf_map_delete_elem(map_fd(k), &p->tgid);
	list_retire(k, p->room, p->tables, p->n);
	process_forget(t, id);
}
