/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locating (locate.h). Owns the list of entries that wait for a process's mappings; each holds a
 * reference. A process whose mappings cannot be read is marked as known: what sideband tells of it
 * from then on is all there will be.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collect/locate.h"

#define MAX_PENDING 65536U
/* A leaf in no mapping means that sideband missed one: look again, but not all the time. */
#define REREAD_NS (1 * NS_PER_SEC)

struct pending {
	uint32_t entry, process;
};

struct locator {
	struct locator_rooms rooms;
	struct array pending; /* struct pending */
	uint64_t reread_ns;   /* of the last second look, whichever process */
	uint64_t perf_map_ns; /* of the last second try for one */
};

/* One /proc read under way; freed in its callback. */
struct asked {
	struct locator *locator;
	uint32_t process, pid;
};

int locator_new(struct locator **ret, const struct locator_rooms *rooms)
{
	struct locator *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->rooms = *rooms;
	l->pending = (struct array)ARRAY_INIT(struct pending, MAX_PENDING);
	*ret = l;
	return 0;
}

struct locator *locator_free(struct locator *l)
{
	if (!l)
		return NULL;
	array_deinit(&l->pending);
	free(l);
	return NULL;
}

size_t locator_n_pending(const struct locator *l)
{
	return l->pending.n;
}

/* Has what names the module's frames opened while it can be. A perf map may be written later than
 * the first code is. */
static void prepare(struct locator *l, const struct module *m, uint64_t time_ns)
{
	if (!m || (m->kind != MODULE_FILE && m->kind != MODULE_JIT))
		return;
	if (m->file_state == MODULE_FILE_FAILED && m->kind == MODULE_JIT) {
		if (time_ns < l->perf_map_ns + REREAD_NS)
			return;
		l->perf_map_ns = time_ns;
	} else if (m->file_state != MODULE_FILE_UNASKED) {
		return;
	}
	(void)symbolizer_prepare(l->rooms.symbolizer, m->id);
}

static void frame_user(struct locator *l, const struct process *p, uint64_t ip, bool leaf,
	uint64_t time_ns, struct frame *ret)
{
	uint64_t address = ip - (leaf ? 0 : 1);
	uint32_t module;
	uint64_t offset;

	if (process_locate(p, address, time_ns, &module, &offset) < 0) {
		struct module *unknown = module_table_pseudo(l->rooms.modules, MODULE_UNKNOWN);
		*ret = (struct frame){ .module = unknown ? unknown->id : 0, .offset = 0 };
		return;
	}
	*ret = (struct frame){ .module = module, .offset = offset };
	prepare(l, module_table_get(l->rooms.modules, module), time_ns);
}

static int locate(struct locator *l, const struct process *p, uint32_t entry, uint64_t time_ns,
	uint32_t *ret_node)
{
	const struct stack_entry *e = stack_entry(l->rooms.stacks, entry);
	struct frame frames[LIMIT_STACK_FRAMES];
	size_t n = 0;

	struct module *kernel = module_table_pseudo(l->rooms.modules, MODULE_KERNEL);
	if (!kernel)
		return -ENOMEM;
	for (size_t i = 0; i < e->n_kernel && n < LIMIT_STACK_FRAMES; i++)
		frames[n++] = (struct frame){ .module = kernel->id,
			.offset = e->raw[i] - (i > 0 ? 1 : 0) };
	for (size_t i = 0; i < e->n_user && n < LIMIT_STACK_FRAMES; i++)
		frame_user(l, p, e->raw[e->n_kernel + i], i == 0, time_ns, &frames[n++]);
	return stack_intern(l->rooms.stacks, frames, n, ret_node);
}

static bool leaf_is_unknown(
	struct locator *l, const struct process *p, const struct stack_entry *e, uint64_t time_ns)
{
	uint32_t module;
	uint64_t offset;
	(void)l;
	return e->n_user > 0 &&
	       process_locate(p, e->raw[e->n_kernel], time_ns, &module, &offset) < 0;
}

static void entry_done(struct locator *l, uint32_t entry, uint32_t process)
{
	if (!stack_unref(l->rooms.stacks, entry))
		return;
	struct process *p = process_table_get(l->rooms.processes, process);
	if (p)
		p->n_refs--;
}

/* Locates what has waited for the process. */
static void process_ready(struct locator *l, struct process *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->pending.n; i++) {
		struct pending w = *ARRAY_AT(&l->pending, struct pending, i);
		if (w.process != p->id) {
			*ARRAY_AT(&l->pending, struct pending, kept++) = w;
			continue;
		}
		struct stack_entry *e = stack_entry(l->rooms.stacks, w.entry);
		uint32_t node;
		if (e->node == STACK_NONE && locate(l, p, w.entry, e->first_ns, &node) >= 0)
			stack_set_node(l->rooms.stacks, w.entry, node, p->epoch);
		entry_done(l, w.entry, w.process);
	}
	l->pending.n = kept;
}

static void on_read(void *userdata, int error, const struct target_process_info *info)
{
	_cleanup_free_ struct asked *asked = userdata;
	struct locator *l = asked->locator;

	if (error >= 0)
		(void)process_table_read(l->rooms.processes, info);
	struct process *p = process_table_get(l->rooms.processes, asked->process);
	if (!p)
		return;
	p->maps_known = true;
	if (error >= 0 && l->rooms.process_read)
		l->rooms.process_read(l->rooms.userdata, p, info);
	process_ready(l, p);
}

void locator_ask(struct locator *l, struct process *p)
{
	if (p->maps_asked)
		return;
	struct asked *asked = malloc(sizeof(*asked));
	if (!asked)
		return;
	*asked = (struct asked){ .locator = l, .process = p->id, .pid = p->pid };
	if (target_read(l->rooms.io, p->pid, true, on_read, asked) < 0) {
		free(asked);
		p->maps_known = true;
		process_ready(l, p);
		return;
	}
	p->maps_asked = true;
}

static int wait_for(struct locator *l, struct process *p, uint32_t entry)
{
	ARRAY_EACH(&l->pending, struct pending, w)
		if (w->entry == entry)
			return 0;
	struct pending *w = array_push(&l->pending);
	if (!w)
		return -ENOSPC;
	*w = (struct pending){ .entry = entry, .process = p->id };
	stack_ref(l->rooms.stacks, entry);
	return 0;
}

int locator_update(
	struct locator *l, struct process *p, uint32_t entry, uint64_t time_ns, uint32_t *ret_entry)
{
	struct stack_entry *e = stack_entry(l->rooms.stacks, entry);
	uint32_t node;
	int r;

	e->last_ns = MAX(e->last_ns, time_ns);
	*ret_entry = entry;
	if (e->node != STACK_NONE && e->epoch == p->epoch)
		return 0;
	if (!p->maps_known) {
		locator_ask(l, p);
		if (!p->maps_known)
			return wait_for(l, p, entry);
	}
	if (p->until_ns == PROCESS_FOREVER_NS && p->maps_asked == false &&
		time_ns > l->reread_ns + REREAD_NS && leaf_is_unknown(l, p, e, time_ns)) {
		l->reread_ns = time_ns;
		p->maps_known = false;
		locator_ask(l, p);
		return wait_for(l, p, entry);
	}
	r = locate(l, p, entry, time_ns, &node);
	if (r < 0)
		return r;
	if (e->node == STACK_NONE || e->node == node) {
		stack_set_node(l->rooms.stacks, entry, node, p->epoch);
		return 0;
	}
	uint32_t copy;
	r = stack_copy(l->rooms.stacks, entry, &copy);
	if (r < 0) {
		stack_node_unref(l->rooms.stacks, node);
		return r;
	}
	p->n_refs++;
	stack_set_node(l->rooms.stacks, copy, node, p->epoch);
	*ret_entry = copy;
	return 0;
}
