/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is known of each module and who waits for more: one job a module at a time, all offsets
 * asked for meanwhile go into the next one. Callbacks are called from the event loop only, each
 * once.
 *
 * A module whose worker died, timed out or whose file cannot be read is left alone for RETRY_NS.
 * The cache is dropped by module, those unused for KEEP_NS first of all; what a dump in progress
 * has resolved stays.
 */
#include "symbol/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbol/cache.h"
#include "symbol/job.h"
#include "symbol/open.h"

#define RETRY_NS    (60 * NS_PER_SEC)
#define PREPARE_NS  (5 * NS_PER_SEC)
#define KEEP_NS	    (120 * NS_PER_SEC)
#define CACHE_BYTES (96 * MIB)
#define WAITER_MAX  (4U << 20) /* offsets of one request */

struct waiter {
	struct waiter *next;
	uint64_t *offsets; /* owned */
	size_t n;
	symbolizer_done_fn done;
	void *userdata;
};

struct symbols {
	struct symbolizer *symbolizer;
	uint32_t module;
	bool answered, opened_only;
	struct symbol_module info;
	char runtime[32];
	struct symbol_identity *identity; /* owned; NULL: not identified yet */
	struct cache_module cache;
	struct symbol_job *job;	       /* running one */
	struct waiter *flight, *queue; /* served by the running job; by the next */
	uint64_t retry_ns, prepare_ns; /* not before that; of symbols, of opening only */
	uint64_t no_dwarf_until_ns, used_ns;
};

struct symbolizer {
	sd_event_source *deferred;
	struct workers workers;
	struct symbol_job_context context;
	struct module_table *modules;
	struct array symbols; /* struct symbols *, by module id */
	struct cache cache;
	struct waiter *finished, **finished_end;
};

static void start_next(struct symbols *m);

static struct symbols *get(const struct symbolizer *s, uint32_t module)
{
	return module < s->symbols.n ? *ARRAY_AT(&s->symbols, struct symbols *, module) : NULL;
}

static struct waiter *waiter_free(struct waiter *w)
{
	if (w) {
		free(w->offsets);
		free(w);
	}
	return NULL;
}

/* Each is owed its answer: whoever has given up meanwhile goes away with the last one. */
static void waiters_cancel(struct waiter *w)
{
	while (w) {
		struct waiter *next = w->next;

		w->done(w->userdata, -ECANCELED);
		waiter_free(w);
		w = next;
	}
}

static struct symbols *symbols_free(struct symbols *m)
{
	if (!m)
		return NULL;
	symbol_job_abandon(m->job);
	waiters_cancel(m->flight);
	waiters_cancel(m->queue);
	cache_module_deinit(&m->cache);
	free(m->identity);
	free(m);
	return NULL;
}

static int on_deferred(sd_event_source *source, void *userdata)
{
	struct symbolizer *s = userdata;
	struct waiter *w = s->finished;

	(void)source;
	/* What callbacks finish anew is for the next turn. */
	s->finished = NULL;
	s->finished_end = &s->finished;
	while (w) {
		struct waiter *next = w->next;

		w->done(w->userdata, 0);
		waiter_free(w);
		w = next;
	}
	return 0;
}

int symbolizer_new(struct symbolizer **ret, sd_event *event, struct target_io *io,
	struct module_table *modules, struct strings *strings, unsigned max_workers)
{
	struct symbolizer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->modules = modules;
	s->context = (struct symbol_job_context){ .workers = &s->workers, .io = io };
	s->symbols = (struct array)ARRAY_INIT(struct symbols *, LIMIT_MODULES);
	s->cache.strings = strings;
	s->cache.lines = (struct array)ARRAY_INIT(struct symbol_line, CACHE_MAX_LINES);
	s->finished_end = &s->finished;
	r = workers_init(&s->workers, event, max_workers);
	if (r == 0)
		r = sd_event_add_defer(event, &s->deferred, on_deferred, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->deferred, SD_EVENT_OFF);
	if (r < 0) {
		symbolizer_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* Jobs end in the callbacks they wait for: those of workers within workers_deinit(), those of
 * target_io with it. */
struct symbolizer *symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; i < s->symbols.n; i++)
		symbols_free(get(s, i));
	workers_deinit(&s->workers);
	waiters_cancel(s->finished);
	array_deinit(&s->symbols);
	array_deinit(&s->cache.lines);
	sd_event_source_disable_unref(s->deferred);
	free(s);
	return NULL;
}

static struct symbols *get_or_add(struct symbolizer *s, uint32_t module)
{
	struct symbols *m = get(s, module);

	if (m)
		return m;
	if (module >= s->symbols.n && array_resize(&s->symbols, (size_t)module + 1) < 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->symbolizer = s;
	m->module = module;
	m->info.runtime = m->runtime;
	cache_module_init(&m->cache);
	*ARRAY_AT(&s->symbols, struct symbols *, module) = m;
	return m;
}

/* ---- finishing ---- */

static void finish_waiters(struct symbols *m)
{
	struct symbolizer *s = m->symbolizer;

	if (!m->flight)
		return;
	*s->finished_end = m->flight;
	while (*s->finished_end)
		s->finished_end = &(*s->finished_end)->next;
	m->flight = NULL;
	(void)sd_event_source_set_enabled(s->deferred, SD_EVENT_ONESHOT);
}

static void keep_identity(struct symbols *m, const struct symbol_identity *from)
{
	if (!m->identity)
		m->identity = malloc(sizeof(*m->identity));
	if (!m->identity)
		return;
	*m->identity = *from;
	hex_format(from->build_id, from->build_id_n, m->info.build_id);
	memcpy(m->runtime, from->runtime, sizeof(m->runtime));
	m->info.n_segments = from->n_segments;
	for (uint32_t i = 0; i < from->n_segments; i++) {
		m->info.segments[i].offset = from->segments[i].offset;
		m->info.segments[i].vaddr = from->segments[i].vaddr;
		m->info.segments[i].size = from->segments[i].size;
	}
}

/* Drops modules that nobody asked for lately. */
static void make_room(struct symbolizer *s, uint64_t now_ns)
{
	_cleanup_free_ struct cache_module **kept = NULL;
	size_t n = 0;
	bool dropped = false;

	if (symbolizer_bytes(s) < CACHE_BYTES)
		return;
	kept = calloc(s->symbols.n, sizeof(struct cache_module *));
	if (!kept)
		return;
	for (uint32_t i = 0; i < s->symbols.n; i++) {
		struct symbols *m = get(s, i);

		if (!m)
			continue;
		if (!m->job && !m->queue && now_ns - m->used_ns > KEEP_NS &&
			m->cache.addresses.n > 0) {
			cache_module_deinit(&m->cache);
			cache_module_init(&m->cache);
			dropped = true;
		}
		kept[n++] = &m->cache;
	}
	if (dropped)
		(void)cache_compact(&s->cache, kept, n);
}

void symbolizer_trim(struct symbolizer *s)
{
	workers_trim(&s->workers);
}

bool symbolizer_forget_names(struct symbolizer *s)
{
	for (uint32_t i = 0; i < s->symbols.n; i++) {
		const struct symbols *m = get(s, i);

		if (m && (m->job || m->flight || m->queue))
			return false;
	}
	for (uint32_t i = 0; i < s->symbols.n; i++) {
		struct symbols *m = get(s, i);

		if (!m)
			continue;
		cache_module_deinit(&m->cache);
		cache_module_init(&m->cache);
	}
	array_deinit(&s->cache.lines);
	s->cache.lines = (struct array)ARRAY_INIT(struct symbol_line, CACHE_MAX_LINES);
	return true;
}

bool symbolizer_forget_module(struct symbolizer *s, uint32_t module)
{
	struct symbols *m = get(s, module);

	if (m && (m->job || m->flight || m->queue))
		return false;
	if (m)
		*ARRAY_AT(&s->symbols, struct symbols *, module) = symbols_free(m);
	return true;
}

/* A file that is gone by now does not undo what it gave earlier. */
static void note_error(struct symbols *m, int error)
{
	m->info.error = m->cache.addresses.n > 0 ? 0 : error;
	m->answered = true;
}

/* A runtime may write its perf map at any time: only what hurt is put off. */
static bool must_wait(const struct symbols *m, int error)
{
	const struct module *module = module_table_get(m->symbolizer->modules, m->module);

	if (module && module->kind == MODULE_JIT)
		return error == -EPIPE || error == -ETIMEDOUT;
	return error < 0;
}

static void on_job(void *userdata, int error, const struct symbol_identity *identity,
	const struct answer_view *answer, bool dwarf_failed)
{
	struct symbols *m = userdata;
	struct symbolizer *s = m->symbolizer;
	uint64_t now_ns = clock_monotonic_ns();
	bool opened_only = m->opened_only;

	if (identity)
		keep_identity(m, identity);
	if (answer) {
		error = cache_add(
			&s->cache, &m->cache, symbol_job_offsets(m->job), answer, &m->info);
		m->info.has_symtab = (answer->flags & ANSWER_FULL_SYMBOLS) != 0;
		m->info.partial |= (answer->flags & ANSWER_PARTIAL) != 0;
	}
	if (dwarf_failed) {
		m->no_dwarf_until_ns = now_ns + RETRY_NS;
		m->info.partial = true;
	}
	m->job = NULL;
	m->opened_only = false;
	if (!opened_only || error < 0)
		note_error(m, error);
	if (opened_only)
		m->prepare_ns = now_ns + PREPARE_NS;
	else
		m->retry_ns = must_wait(m, error) ? now_ns + RETRY_NS : 0;
	make_room(s, now_ns);
	finish_waiters(m);
	start_next(m);
}

/* ---- starting ---- */

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* What those in flight want and is not known: sorted, distinct, at most SYMBOL_MAX_OFFSETS. A
 * runtime moves its code: of JIT modules everything is asked for again. */
static int collect_missing(
	struct symbols *m, const struct module *module, uint64_t **ret, size_t *ret_n)
{
	_cleanup_free_ uint64_t *v = NULL;
	size_t n = 0, kept = 0, all = 0;

	for (struct waiter *w = m->flight; w; w = w->next)
		all += w->n;
	v = malloc((all ? all : 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (struct waiter *w = m->flight; w; w = w->next) {
		for (size_t i = 0; i < w->n; i++) {
			if (module->kind == MODULE_JIT ||
				!cache_module_find(&m->cache, w->offsets[i]))
				v[n++] = w->offsets[i];
		}
	}
	qsort(v, n, sizeof(*v), compare_u64);
	for (size_t i = 0; i < n && kept < SYMBOL_MAX_OFFSETS; i++) {
		if (kept == 0 || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	*ret = TAKE_PTR(v);
	*ret_n = kept;
	return 0;
}

static void start_next(struct symbols *m)
{
	struct symbolizer *s = m->symbolizer;
	struct module *module = module_table_get(s->modules, m->module);
	uint64_t now_ns = clock_monotonic_ns(), *offsets = NULL;
	size_t n = 0;
	int r;

	if (m->job || !m->queue)
		return;
	m->flight = m->queue;
	m->queue = NULL;
	m->used_ns = now_ns;
	if (now_ns < m->retry_ns) {
		finish_waiters(m);
		return;
	}
	r = module ? collect_missing(m, module, &offsets, &n) : -ENOENT;
	if (r == 0 && n == 0) {
		free(offsets);
		finish_waiters(m);
		return;
	}
	if (r == 0)
		r = symbol_job_new(&m->job, &s->context, module, m->identity,
			now_ns < m->no_dwarf_until_ns, offsets, n, on_job, m);
	if (r < 0) {
		note_error(m, r);
		m->retry_ns = must_wait(m, r) ? now_ns + RETRY_NS : 0;
		finish_waiters(m);
	}
}

int symbolizer_resolve(struct symbolizer *s, uint32_t module, const uint64_t *offsets, size_t n,
	symbolizer_done_fn done, void *userdata)
{
	struct symbols *m;
	struct waiter *w, **end;

	if (n > WAITER_MAX)
		return -E2BIG;
	if (!module_table_get(s->modules, module))
		return -ENOENT;
	m = get_or_add(s, module);
	w = m ? calloc(1, sizeof(*w)) : NULL;
	if (!w)
		return -ENOMEM;
	*w = (struct waiter){ .n = n, .done = done, .userdata = userdata };
	w->offsets = malloc((n ? n : 1) * sizeof(*offsets));
	if (!w->offsets) {
		waiter_free(w);
		return -ENOMEM;
	}
	if (n > 0)
		memcpy(w->offsets, offsets, n * sizeof(*offsets));
	for (end = &m->queue; *end;)
		end = &(*end)->next;
	*end = w;
	start_next(m);
	return 0;
}

int symbolizer_prepare(struct symbolizer *s, uint32_t module)
{
	struct module *file = module_table_get(s->modules, module);
	struct symbols *m;
	int r;

	if (!file)
		return -ENOENT;
	if (file->file_state == MODULE_FILE_OPEN)
		return 0;
	if (file->kind != MODULE_FILE && (file->kind != MODULE_JIT || file->n_processes == 0))
		return 0;
	m = get_or_add(s, module);
	if (!m)
		return -ENOMEM;
	if (m->job || clock_monotonic_ns() < MAX(m->prepare_ns, m->retry_ns))
		return 0;
	r = symbol_job_new(&m->job, &s->context, file, NULL, false, NULL, 0, on_job, m);
	m->opened_only = r == 0;
	return r;
}

/* ---- asking ---- */

size_t symbolizer_bytes(const struct symbolizer *s)
{
	size_t n = sizeof(*s) + array_bytes(&s->symbols) + array_bytes(&s->cache.lines);

	for (uint32_t i = 0; i < s->symbols.n; i++) {
		const struct symbols *m = get(s, i);

		if (m)
			n += sizeof(*m) + cache_module_bytes(&m->cache) +
			     (m->identity ? sizeof(*m->identity) : 0);
	}
	return n;
}

void symbolizer_get_stats(struct symbolizer *s, struct helper_stats *ret)
{
	workers_get_stats(&s->workers, ret);
}

const struct symbol_address *symbolizer_lookup(
	const struct symbolizer *s, uint32_t module, uint64_t offset)
{
	const struct symbols *m = get(s, module);

	return m ? cache_module_find(&m->cache, offset) : NULL;
}

const struct symbol_line *symbolizer_lines(
	const struct symbolizer *s, const struct symbol_address *a)
{
	return a->n_lines ? ARRAY_AT(&s->cache.lines, struct symbol_line, a->first_line) : NULL;
}

const struct symbol_module *symbolizer_module(const struct symbolizer *s, uint32_t module)
{
	const struct symbols *m = get(s, module);

	return m && m->answered ? &m->info : NULL;
}
