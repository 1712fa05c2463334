/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack store (stack.h). Owns frames, trie nodes and entries; knows nothing of processes but
 * their number. Frames' offsets and hashes come from the kernel about hostile targets: the tables
 * are seeded.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "collect/stack.h"

#define MAX_IDS (16U << 20)

struct node {
	uint32_t parent, frame;
	uint32_t n_refs; /* children, entries and callers; 0: free, parent links the free list */
};

struct stack_store {
	struct array frames, nodes, entries;
	struct table frame_index, node_index, entry_index;
	/* Heads of the free lists; STACK_NONE: empty. */
	uint32_t free_frame, free_node, free_entry;
	size_t raw_bytes, max_bytes;
	uint64_t seed;
};

struct entry_key {
	uint64_t hash, exec_id;
	uint32_t process;
};

static uint64_t frame_hash(const struct stack_store *s, const struct frame *f)
{
	return hash_u64(f->offset ^ ((uint64_t)f->module << 48), s->seed);
}

static uint64_t frame_hash_of(const void *ctx, uint32_t id)
{
	const struct stack_store *s = ctx;
	return frame_hash(s, ARRAY_AT(&s->frames, struct frame, id));
}

static bool frame_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct stack_store *s = ctx;
	const struct frame *a = ARRAY_AT(&s->frames, struct frame, id), *b = key;
	return a->offset == b->offset && a->module == b->module;
}

static uint64_t node_hash(const struct stack_store *s, const struct node *n)
{
	return hash_u64(((uint64_t)n->parent << 32) | n->frame, s->seed);
}

static uint64_t node_hash_of(const void *ctx, uint32_t id)
{
	const struct stack_store *s = ctx;
	return node_hash(s, ARRAY_AT(&s->nodes, struct node, id));
}

static bool node_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct stack_store *s = ctx;
	const struct node *a = ARRAY_AT(&s->nodes, struct node, id), *b = key;
	return a->parent == b->parent && a->frame == b->frame;
}

static uint64_t entry_hash(const struct stack_store *s, const struct entry_key *k)
{
	return hash_u64(k->hash ^ (k->exec_id << 40) ^ k->process, s->seed);
}

static uint64_t entry_hash_of(const void *ctx, uint32_t id)
{
	const struct stack_store *s = ctx;
	const struct stack_entry *e = ARRAY_AT(&s->entries, struct stack_entry, id);
	return entry_hash(s, &(struct entry_key){ e->hash, e->exec_id, e->process });
}

static bool entry_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct stack_store *s = ctx;
	const struct stack_entry *e = ARRAY_AT(&s->entries, struct stack_entry, id);
	const struct entry_key *k = key;
	return e->hash == k->hash && e->exec_id == k->exec_id && e->process == k->process;
}

int stack_store_new(struct stack_store **ret, size_t max_bytes)
{
	struct stack_store *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->frames = (struct array)ARRAY_INIT(struct frame, MAX_IDS);
	s->nodes = (struct array)ARRAY_INIT(struct node, MAX_IDS);
	s->entries = (struct array)ARRAY_INIT(struct stack_entry, MAX_IDS);
	s->free_frame = s->free_node = s->free_entry = STACK_NONE;
	s->max_bytes = max_bytes;
	s->seed = hash_seed();
	table_init(&s->frame_index, MAX_IDS, frame_hash_of, frame_equal, s);
	table_init(&s->node_index, MAX_IDS, node_hash_of, node_equal, s);
	table_init(&s->entry_index, MAX_IDS, entry_hash_of, entry_equal, s);
	struct node *root = array_push(&s->nodes);
	if (!root) {
		stack_store_free(s);
		return -ENOMEM;
	}
	*root = (struct node){ .parent = STACK_NONE, .frame = STACK_NONE, .n_refs = 1 };
	*ret = s;
	return 0;
}

struct stack_store *stack_store_free(struct stack_store *s)
{
	if (!s)
		return NULL;
	ARRAY_EACH(&s->entries, struct stack_entry, e)
		free(e->raw);
	table_deinit(&s->entry_index);
	table_deinit(&s->node_index);
	table_deinit(&s->frame_index);
	array_deinit(&s->entries);
	array_deinit(&s->nodes);
	array_deinit(&s->frames);
	free(s);
	return NULL;
}

size_t stack_store_bytes(const struct stack_store *s)
{
	return array_bytes(&s->frames) + array_bytes(&s->nodes) + array_bytes(&s->entries) +
	       table_bytes(&s->frame_index) + table_bytes(&s->node_index) +
	       table_bytes(&s->entry_index) + s->raw_bytes;
}

uint32_t stack_find(const struct stack_store *s, uint32_t process, uint64_t exec_id, uint64_t hash)
{
	struct entry_key k = { hash, exec_id, process };
	return table_find(&s->entry_index, entry_hash(s, &k), &k);
}

/* Makes `entry` the one that its key finds. */
static int entry_publish(struct stack_store *s, uint32_t entry)
{
	struct stack_entry *e = ARRAY_AT(&s->entries, struct stack_entry, entry);
	struct entry_key k = { e->hash, e->exec_id, e->process };
	uint64_t hash = entry_hash(s, &k);
	uint32_t old = table_find(&s->entry_index, hash, &k);
	if (old != TABLE_NONE) {
		table_remove(&s->entry_index, hash, old);
		ARRAY_AT(&s->entries, struct stack_entry, old)->current = false;
	}
	int r = table_add(&s->entry_index, hash, entry);
	if (r < 0)
		return r;
	e->current = true;
	return 0;
}

static void entry_release(struct stack_store *s, uint32_t entry)
{
	struct stack_entry *e = ARRAY_AT(&s->entries, struct stack_entry, entry);
	if (e->current)
		table_remove(&s->entry_index, entry_hash_of(s, entry), entry);
	if (e->node != STACK_NONE)
		stack_node_unref(s, e->node);
	s->raw_bytes -= (size_t)(e->n_kernel + e->n_user) * sizeof(uint64_t);
	free(e->raw);
	*e = (struct stack_entry){ .process = s->free_entry, .node = STACK_NONE };
	s->free_entry = entry;
}

static int entry_new(struct stack_store *s, const struct stack_entry *like, const uint64_t *raw,
	uint32_t *ret_entry)
{
	size_t n = (size_t)like->n_kernel + like->n_user;
	if (stack_store_bytes(s) + n * sizeof(uint64_t) > s->max_bytes)
		return -ENOSPC;
	uint64_t *copy = malloc(MAX(n, 1U) * sizeof(uint64_t));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, raw, n * sizeof(uint64_t));

	uint32_t id = s->free_entry;
	struct stack_entry *e;
	if (id != STACK_NONE) {
		e = ARRAY_AT(&s->entries, struct stack_entry, id);
		s->free_entry = e->process;
	} else {
		id = (uint32_t)s->entries.n;
		e = array_push(&s->entries);
		if (!e) {
			free(copy);
			return -ENOSPC;
		}
	}
	*e = *like;
	e->raw = copy;
	e->node = STACK_NONE;
	e->n_refs = 0;
	e->used = true;
	e->current = false;
	s->raw_bytes += n * sizeof(uint64_t);
	int r = entry_publish(s, id);
	if (r < 0) {
		entry_release(s, id);
		return r;
	}
	*ret_entry = id;
	return 0;
}

int stack_add(struct stack_store *s, uint32_t process, const struct sample_record *record,
	uint32_t *ret_entry)
{
	struct stack_entry like = {
		.hash = record->stack_hash,
		.exec_id = record->exec_id,
		.first_ns = record->time_ns,
		.last_ns = record->time_ns,
		.process = process,
		.n_kernel = record->n_kernel,
		.n_user = record->n_user,
		.truncated = record->truncated,
	};
	return entry_new(s, &like, record->frames, ret_entry);
}

int stack_copy(struct stack_store *s, uint32_t from, uint32_t *ret_entry)
{
	struct stack_entry like = *ARRAY_AT(&s->entries, struct stack_entry, from);
	return entry_new(s, &like, like.raw, ret_entry);
}

struct stack_entry *stack_entry(const struct stack_store *s, uint32_t entry)
{
	return ARRAY_AT(&s->entries, struct stack_entry, entry);
}

void stack_ref(struct stack_store *s, uint32_t entry)
{
	stack_entry(s, entry)->n_refs++;
}

bool stack_unref(struct stack_store *s, uint32_t entry)
{
	struct stack_entry *e = stack_entry(s, entry);
	if (--e->n_refs > 0 || e->current)
		return false;
	entry_release(s, entry);
	return true;
}

/* A frame that no node holds yet is freed with the first that does, or by frame_release(). */
static int frame_intern(struct stack_store *s, const struct frame *f, uint32_t *ret)
{
	uint64_t hash = frame_hash(s, f);
	uint32_t id = table_find(&s->frame_index, hash, f);
	if (id == TABLE_NONE) {
		struct frame *new;
		id = s->free_frame;
		if (id != STACK_NONE) {
			new = ARRAY_AT(&s->frames, struct frame, id);
			s->free_frame = (uint32_t) new->offset;
		} else {
			id = (uint32_t)s->frames.n;
			new = array_push(&s->frames);
			if (!new)
				return -ENOSPC;
		}
		*new = (struct frame){ .offset = f->offset, .module = f->module };
		int r = table_add(&s->frame_index, hash, id);
		if (r < 0) {
			new->offset = s->free_frame;
			new->module = STACK_NONE;
			s->free_frame = id;
			return r;
		}
	}
	*ret = id;
	return 0;
}

static void frame_release(struct stack_store *s, uint32_t id)
{
	struct frame *f = ARRAY_AT(&s->frames, struct frame, id);
	if (f->n_refs > 0)
		return;
	table_remove(&s->frame_index, frame_hash(s, f), id);
	*f = (struct frame){ .offset = s->free_frame, .module = STACK_NONE };
	s->free_frame = id;
}

static struct node *node_take(struct stack_store *s, uint32_t *ret)
{
	uint32_t id = s->free_node;
	struct node *n;
	if (id != STACK_NONE) {
		n = ARRAY_AT(&s->nodes, struct node, id);
		s->free_node = n->parent;
	} else {
		id = (uint32_t)s->nodes.n;
		n = array_push(&s->nodes);
	}
	*ret = id;
	return n;
}

/* The child of `parent` for a frame; a new one holds a reference to its parent and to the frame. */
static int node_child(struct stack_store *s, uint32_t parent, uint32_t frame, uint32_t *ret)
{
	struct node key = { .parent = parent, .frame = frame };
	uint64_t hash = node_hash(s, &key);
	uint32_t id = table_find(&s->node_index, hash, &key);
	if (id == TABLE_NONE) {
		struct node *n = node_take(s, &id);
		if (!n)
			return -ENOSPC;
		*n = key;
		int r = table_add(&s->node_index, hash, id);
		if (r < 0) {
			*n = (struct node){ .parent = s->free_node };
			s->free_node = id;
			return r;
		}
		ARRAY_AT(&s->nodes, struct node, parent)->n_refs++;
		ARRAY_AT(&s->frames, struct frame, frame)->n_refs++;
	}
	*ret = id;
	return 0;
}

int stack_intern(struct stack_store *s, const struct frame *frames, size_t n, uint32_t *ret_node)
{
	uint32_t node = STACK_NODE_ROOT;
	/* Held while descending, so that a failure half way frees what was made for it. */
	ARRAY_AT(&s->nodes, struct node, node)->n_refs++;
	for (size_t i = n; i-- > 0;) {
		uint32_t frame, child;
		int r = frame_intern(s, &frames[i], &frame);
		if (r >= 0) {
			r = node_child(s, node, frame, &child);
			if (r < 0)
				frame_release(s, frame);
		}
		if (r < 0) {
			stack_node_unref(s, node);
			return r;
		}
		ARRAY_AT(&s->nodes, struct node, child)->n_refs++;
		ARRAY_AT(&s->nodes, struct node, node)->n_refs--;
		node = child;
	}
	*ret_node = node;
	return 0;
}

void stack_set_node(struct stack_store *s, uint32_t entry, uint32_t node, uint32_t epoch)
{
	struct stack_entry *e = stack_entry(s, entry);
	if (e->node != STACK_NONE)
		stack_node_unref(s, e->node);
	e->node = node;
	e->epoch = epoch;
}

void stack_node_unref(struct stack_store *s, uint32_t node)
{
	for (;;) {
		struct node *n = ARRAY_AT(&s->nodes, struct node, node);
		if (--n->n_refs > 0 || node == STACK_NODE_ROOT)
			return;
		uint32_t parent = n->parent, frame = n->frame;
		table_remove(&s->node_index, node_hash(s, n), node);
		*n = (struct node){ .parent = s->free_node, .frame = STACK_NONE };
		s->free_node = node;
		ARRAY_AT(&s->frames, struct frame, frame)->n_refs--;
		frame_release(s, frame);
		node = parent;
	}
}

uint32_t stack_node_frame(const struct stack_store *s, uint32_t node, uint32_t *ret_parent)
{
	const struct node *n = ARRAY_AT(&s->nodes, struct node, node);
	*ret_parent = n->parent;
	return n->frame;
}

const struct frame *stack_frame(const struct stack_store *s, uint32_t frame)
{
	return ARRAY_AT(&s->frames, struct frame, frame);
}

uint32_t stack_n_frames(const struct stack_store *s)
{
	return (uint32_t)s->frames.n;
}

size_t stack_sweep(struct stack_store *s, uint64_t before_ns,
	void (*gone)(void *userdata, uint32_t process), void *userdata)
{
	size_t n = 0;
	for (uint32_t i = 0; i < s->entries.n; i++) {
		struct stack_entry *e = stack_entry(s, i);
		if (!e->used || e->n_refs > 0 || e->last_ns >= before_ns)
			continue;
		uint32_t process = e->process;
		entry_release(s, i);
		gone(userdata, process);
		n++;
	}
	return n;
}
