/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon that runs for months must give back: files held on other mounts once nobody maps
 * them (named first, then closed, so that a mount is pinned no longer than needed), modules that no
 * stored stack and no process names any more, and symbol names past their bound.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "profd.h"

/* Workers are kept that long after a dump. */
#define IDLE_NS		 (30 * NS_PER_SEC)
#define EVERY_NS	 (5 * NS_PER_SEC)
#define SWEEP_FROM	 (LIMIT_MODULES / 2)
#define NAMES_FROM_BYTES (64 * MIB)
#define RELEASES_A_TURN	 8

/* One bit a module: is it in a frame of a stored stack? */
static uint8_t *mark_modules(struct profd *p)
{
	const struct stack_store *stacks = aggregate_stacks(p->aggregate);
	uint32_t n = module_table_n(p->modules);
	uint8_t *marks = calloc(n / 8 + 1, 1);

	for (uint32_t i = 0; marks && i < stack_n_frames(stacks); i++) {
		uint32_t module = stack_frame(stacks, i)->module;
		if (module < n)
			marks[module / 8] |= (uint8_t)(1U << (module % 8));
	}
	return marks;
}

struct sweep {
	struct profd *profd;
	const uint8_t *marks;
};

static bool in_use(void *userdata, uint32_t id)
{
	const struct sweep *s = userdata;
	return s->marks[id / 8] & (1U << (id % 8));
}

static bool forget(void *userdata, uint32_t id)
{
	const struct sweep *s = userdata;
	return unwind_forget_module(s->profd->unwind, id) &&
	       symbolizer_forget_module(s->profd->symbolizer, id);
}

static void sweep_modules(struct profd *p, uint64_t now_ns)
{
	_cleanup_free_ uint8_t *marks = mark_modules(p);
	struct sweep s = { .profd = p, .marks = marks };
	if (marks)
		(void)module_table_sweep(p->modules, now_ns, in_use, forget, &s);
}

/* ---- files on other mounts ---- */

struct release {
	struct profd *profd;
	uint32_t module;
	uint64_t serial;
};

static void on_named(void *userdata, int error)
{
	_cleanup_free_ struct release *r = userdata;
	struct module *m = module_table_get(r->profd->modules, r->module);

	(void)error;
	if (m && m->serial == r->serial && m->n_processes == 0)
		module_close_file(m);
}

static int release_file(struct profd *p, const struct module *m)
{
	const struct stack_store *stacks = aggregate_stacks(p->aggregate);
	struct array offsets = ARRAY_INIT(uint64_t, 1U << 20);
	struct release *r = malloc(sizeof(*r));
	int result = -ENOMEM;

	if (r) {
		*r = (struct release){ .profd = p, .module = m->id, .serial = m->serial };
		for (uint32_t i = 0; i < stack_n_frames(stacks); i++) {
			const struct frame *f = stack_frame(stacks, i);
			uint64_t *offset = f->module == m->id ? array_push(&offsets) : NULL;
			if (offset)
				*offset = f->offset;
		}
		result = symbolizer_resolve(
			p->symbolizer, m->id, offsets.data, offsets.n, on_named, r);
	}
	if (result < 0)
		free(r);
	array_deinit(&offsets);
	return result;
}

static void release_files(struct profd *p, uint64_t now_ns)
{
	unsigned released = 0;

	for (uint32_t id = 0; id < module_table_n(p->modules); id++) {
		struct module *m = module_table_get(p->modules, id);
		if (!m || m->kind != MODULE_FILE || m->fd < 0 || m->same_mount_as_root)
			continue;
		if (m->n_processes > 0) {
			m->idle_ns = 0;
			continue;
		}
		if (m->idle_ns == 0)
			m->idle_ns = now_ns;
		else if (now_ns - m->idle_ns >= EVERY_NS && release_file(p, m) >= 0 &&
			 ++released == RELEASES_A_TURN)
			return;
	}
}

void modules_maintain(struct profd *p)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - p->modules_ns < EVERY_NS)
		return;
	p->modules_ns = now_ns;
	if (p->dumps) {
		p->dumped_ns = now_ns;
	} else if (p->dumped_ns && now_ns - p->dumped_ns >= IDLE_NS) {
		p->dumped_ns = 0;
		helper_pool_trim(p->encoder);
		symbolizer_trim(p->symbolizer);
	}
	release_files(p, now_ns);
	if (module_table_n(p->modules) > SWEEP_FROM)
		sweep_modules(p, now_ns);
	if (strings_bytes(&p->strings) > NAMES_FROM_BYTES && !p->dumps &&
		symbolizer_forget_names(p->symbolizer)) {
		strings_deinit(&p->strings);
		/* Without memory every name is unnamed until the next time. */
		(void)strings_init(&p->strings, PROFD_MAX_SYMBOL_NAMES, PROFD_MAX_SYMBOL_TEXT);
	}
}
