/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns all modules and their open files. Stored samples name modules by id: one is removed only by
 * a sweep that has asked everybody, and its place in `slots` is NULL until it is used again. Paths
 * come from targets and are kept as they came. At most LIMIT_MODULES modules and LIMIT_MODULE_FDS
 * open files; beyond the first a mapping is of the unknown module, beyond the second a file is not
 * held (-EMFILE).
 */
#include "proc/module.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"

struct module_slot {
	struct module m;
	struct module_table *table; /* for the count of open files */
	uint32_t older;		    /* same device and inode, another generation; TABLE_NONE */
};

struct module_table {
	struct array slots; /* struct module_slot *, by id */
	struct table by_key;
	struct module *pseudo[MODULE_UNKNOWN + 1];
	struct array free_ids; /* uint32_t */
	uint64_t last_serial;
	size_t path_bytes;
	unsigned n_open;
};

/* What the index finds by: of files device and inode, whose generations are chained from the
 * newest; /proc tells no generation, perf events do. */
struct module_key {
	enum module_kind kind;
	uint32_t major, minor, pid;
	uint64_t inode, pid_start_ns;
};

static uint64_t key_hash(const struct module_key *k)
{
	uint64_t h = hash_u64(k->inode, hash_seed());

	h = hash_u64((uint64_t)k->major << 32 | k->minor, h);
	h = hash_u64((uint64_t)k->pid << 8 | (uint64_t)k->kind, h);
	return hash_u64(k->pid_start_ns, h);
}

static struct module_key key_of(const struct module *m)
{
	/* A file is the same whoever mapped it first. */
	bool file = m->kind == MODULE_FILE;

	return (struct module_key){ .kind = m->kind,
		.major = m->major,
		.minor = m->minor,
		.pid = file ? 0 : m->pid,
		.inode = m->inode,
		.pid_start_ns = file ? 0 : m->pid_start_ns };
}

static struct module_slot *slot_at(const struct module_table *t, uint32_t id)
{
	return *ARRAY_AT(&t->slots, struct module_slot *, id);
}

static uint64_t hash_of(const void *ctx, uint32_t id)
{
	struct module_key k = key_of(&slot_at(ctx, id)->m);

	return key_hash(&k);
}

static bool equal(const void *ctx, uint32_t id, const void *key)
{
	struct module_key k = key_of(&slot_at(ctx, id)->m);
	const struct module_key *other = key;

	return k.kind == other->kind && k.major == other->major && k.minor == other->minor &&
	       k.pid == other->pid && k.inode == other->inode &&
	       k.pid_start_ns == other->pid_start_ns;
}

static void module_slot_free(struct module_slot *s)
{
	if (!s)
		return;
	(void)close_fd(s->m.fd);
	free(s->m.path);
	free(s);
}

DEFINE_CLEANUP(struct module_slot *, module_slot_free)
DEFINE_CLEANUP(struct module_table *, module_table_free)

/* `head`: the module of the same key so far, which the new one takes the place of in the index. */
static struct module *module_add(
	struct module_table *t, const struct module_key *k, uint32_t head, const char *path)
{
	CLEANUP(module_slot_freep) struct module_slot *s = calloc(1, sizeof(*s));
	bool again = t->free_ids.n > 0;
	struct module_slot **at;
	uint32_t id =
		again ? *ARRAY_AT(&t->free_ids, uint32_t, t->free_ids.n - 1) : (uint32_t)t->slots.n;

	if (!s)
		return NULL;
	s->table = t;
	s->older = head;
	s->m = (struct module){ .id = id,
		.kind = k->kind,
		.major = k->major,
		.minor = k->minor,
		.inode = k->inode,
		.pid = k->pid,
		.pid_start_ns = k->pid_start_ns,
		.fd = -1,
		.serial = ++t->last_serial,
		.path = strdup(path) };
	if (!s->m.path)
		return NULL;
	at = again ? ARRAY_AT(&t->slots, struct module_slot *, id) : array_push(&t->slots);
	if (!at)
		return NULL;
	*at = s;
	if (head != TABLE_NONE)
		table_remove(&t->by_key, key_hash(k), head);
	if (table_add(&t->by_key, key_hash(k), id) < 0) {
		*at = NULL;
		if (!again)
			t->slots.n--;
		return NULL;
	}
	if (again)
		t->free_ids.n--;
	t->path_bytes += strlen(path) + 1;
	return &TAKE_PTR(s)->m;
}

static uint32_t find_key(const struct module_table *t, const struct module_key *k)
{
	return table_find(&t->by_key, key_hash(k), k);
}

int module_table_new(struct module_table **ret)
{
	static const char *const paths[] = { [MODULE_KERNEL] = "[kernel.kallsyms]",
		[MODULE_VDSO] = "[vdso]",
		[MODULE_UNKNOWN] = "[unknown]" };
	CLEANUP(module_table_freep) struct module_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->slots = (struct array)ARRAY_INIT(struct module_slot *, LIMIT_MODULES);
	t->free_ids = (struct array)ARRAY_INIT(uint32_t, LIMIT_MODULES);
	table_init(&t->by_key, LIMIT_MODULES, hash_of, equal, t);
	for (unsigned kind = 0; kind < ARRAY_SIZE(paths); kind++) {
		struct module_key k = { .kind = kind };

		if (!paths[kind])
			continue;
		t->pseudo[kind] = module_add(t, &k, TABLE_NONE, paths[kind]);
		if (!t->pseudo[kind])
			return -ENOMEM;
	}
	*ret = TAKE_PTR(t);
	return 0;
}

struct module_table *module_table_free(struct module_table *t)
{
	if (!t)
		return NULL;
	ARRAY_EACH(&t->slots, struct module_slot *, s)
		module_slot_free(*s);
	table_deinit(&t->by_key);
	array_deinit(&t->slots);
	array_deinit(&t->free_ids);
	free(t);
	return NULL;
}

struct module *module_table_file(struct module_table *t, uint32_t major, uint32_t minor,
	uint64_t inode, uint64_t generation, const char *path)
{
	struct module_key k = {
		.kind = MODULE_FILE, .major = major, .minor = minor, .inode = inode
	};
	uint32_t head = find_key(t, &k);
	struct module *m;

	for (uint32_t id = head; id != TABLE_NONE; id = slot_at(t, id)->older) {
		m = &slot_at(t, id)->m;
		if (generation == 0 || m->generation == generation)
			return m;
		if (m->generation == 0) {
			m->generation = generation;
			return m;
		}
	}
	m = module_add(t, &k, head, path);
	if (m)
		m->generation = generation;
	return m;
}

struct module *module_table_jit(struct module_table *t, uint32_t pid, uint64_t pid_start_ns)
{
	struct module_key k = { .kind = MODULE_JIT, .pid = pid, .pid_start_ns = pid_start_ns };
	uint32_t id = find_key(t, &k);

	return id == TABLE_NONE ? module_add(t, &k, TABLE_NONE, "[jit]") : &slot_at(t, id)->m;
}

struct module *module_table_pseudo(struct module_table *t, enum module_kind kind)
{
	return kind <= MODULE_UNKNOWN ? t->pseudo[kind] : NULL;
}

struct module *module_table_get(const struct module_table *t, uint32_t id)
{
	struct module_slot *s = id < t->slots.n ? slot_at(t, id) : NULL;

	return s ? &s->m : NULL;
}

uint32_t module_table_n(const struct module_table *t)
{
	return (uint32_t)t->slots.n;
}

/* Takes the module out of the index and out of the chain of its key. */
static void unlink_key(struct module_table *t, struct module_slot *s)
{
	struct module_key k = key_of(&s->m);
	uint32_t head = find_key(t, &k);

	if (head != s->m.id) {
		while (head != TABLE_NONE && slot_at(t, head)->older != s->m.id)
			head = slot_at(t, head)->older;
		if (head != TABLE_NONE)
			slot_at(t, head)->older = s->older;
		return;
	}
	table_remove(&t->by_key, key_hash(&k), head);
	/* There is room: one was just taken out. */
	if (s->older != TABLE_NONE)
		(void)table_add(&t->by_key, key_hash(&k), s->older);
}

uint32_t module_table_sweep(struct module_table *t, uint64_t now_ns,
	bool (*in_use)(void *userdata, uint32_t id), bool (*forget)(void *userdata, uint32_t id),
	void *userdata)
{
	uint32_t removed = 0;

	for (uint32_t id = 0; id < t->slots.n; id++) {
		struct module_slot *s = slot_at(t, id);
		uint32_t *place;

		if (!s || (s->m.kind != MODULE_FILE && s->m.kind != MODULE_JIT))
			continue;
		if (s->m.n_processes > 0 || in_use(userdata, id)) {
			s->m.idle_ns = 0;
			continue;
		}
		if (s->m.idle_ns == 0)
			s->m.idle_ns = now_ns;
		if (now_ns - s->m.idle_ns < MODULE_IDLE_NS || !forget(userdata, id))
			continue;
		place = array_push(&t->free_ids);
		if (!place)
			return removed;
		*place = id;
		unlink_key(t, s);
		t->path_bytes -= strlen(s->m.path) + 1;
		if (s->m.fd >= 0)
			t->n_open--;
		module_slot_free(s);
		*ARRAY_AT(&t->slots, struct module_slot *, id) = NULL;
		removed++;
	}
	return removed;
}

size_t module_table_bytes(const struct module_table *t)
{
	return sizeof(*t) + array_bytes(&t->slots) + table_bytes(&t->by_key) + t->path_bytes +
	       t->slots.n * sizeof(struct module_slot);
}

static struct module_table *table_of(struct module *m)
{
	return ((struct module_slot *)((char *)m - offsetof(struct module_slot, m)))->table;
}

static void drop_file(struct module *m)
{
	if (m->fd < 0)
		return;
	m->fd = close_fd(m->fd);
	table_of(m)->n_open--;
}

void module_set_file(struct module *m, int fd, uint64_t size, uint64_t mtime_ns, uint64_t ctime_ns,
	uint32_t owner_uid, bool same_mount_as_root)
{
	drop_file(m);
	if (table_of(m)->n_open >= LIMIT_MODULE_FDS) {
		(void)close_fd(fd);
		module_set_file_error(m, -EMFILE);
		return;
	}
	table_of(m)->n_open++;
	m->fd = fd;
	m->file_state = MODULE_FILE_OPEN;
	m->file_error = 0;
	m->size = size;
	m->mtime_ns = mtime_ns;
	m->ctime_ns = ctime_ns;
	m->owner_uid = owner_uid;
	m->same_mount_as_root = same_mount_as_root;
}

void module_close_file(struct module *m)
{
	drop_file(m);
	m->file_state = MODULE_FILE_UNASKED;
}

void module_set_file_error(struct module *m, int error)
{
	drop_file(m);
	m->file_state = MODULE_FILE_FAILED;
	m->file_error = error;
}
