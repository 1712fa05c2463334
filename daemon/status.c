/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status and list replies. Numbers of everybody's samples and other users' names are for the
 * privileged; others are told of health, features and their own.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "profd.h"
#include "service/cost.h"

#define MAX_COUNTERS 32

static const struct {
	const char *name, *text;
} drops[DROP_COUNT] = {
#define X(id, name_, text_) [DROP_##id] = { name_, text_ },
	DROP_REASONS(X)
#undef X
}, truncates[TRUNCATE_COUNT] = {
#define X(id, name_, text_) [TRUNCATE_##id] = { name_, text_ },
	TRUNCATE_REASONS(X)
#undef X
};

const char *drop_name(enum drop_reason reason)
{
	return drops[reason].name;
}

const char *drop_text(enum drop_reason reason)
{
	return drops[reason].text;
}

const char *truncate_name(enum truncate_reason reason)
{
	return truncates[reason].name;
}

const char *truncate_text(enum truncate_reason reason)
{
	return truncates[reason].text;
}

/* ---- a message out of an arena, so that a reply of many small parts has one owner ---- */

#define MAX_PARTS 24576

struct arena {
	void *parts[MAX_PARTS];
	size_t n;
	bool failed;
};

static void *arena_take(struct arena *a, void *p)
{
	if (!p || a->n == ARRAY_SIZE(a->parts)) {
		a->failed = true;
		free(p);
		return NULL;
	}
	a->parts[a->n++] = p;
	return p;
}

static void *arena_zeroed(struct arena *a, size_t n, size_t size)
{
	return arena_take(a, calloc(MAX(n, 1U), size));
}

static char *arena_text(struct arena *a, const char *text)
{
	char *copy = arena_take(a, strdup(text));
	if (!copy)
		return (char *)"";
	text_make_utf8(copy);
	return copy;
}

static void arena_free(struct arena *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->parts[i]);
	free(a);
}
DEFINE_CLEANUP(struct arena *, arena_free)

/* ---- status ---- */

static Profd__V1__Counter *counter(
	struct arena *arena, const char *name, uint64_t value, const char *text)
{
	Profd__V1__Counter *c = arena_zeroed(arena, 1, sizeof(*c));
	if (!c)
		return NULL;
	profd__v1__counter__init(c);
	c->name = (char *)name;
	c->value = value;
	c->text = (char *)text;
	return c;
}

static Profd__V1__EventSet *event_set(struct profd *p, struct arena *arena, unsigned set)
{
	struct kernel_set_info info;
	const struct aggregate_set_stats *user = aggregate_set_stats(p->aggregate, set);
	Profd__V1__EventSet *e = arena_zeroed(arena, 1, sizeof(*e));

	kernel_set_info(p->kernel, set, &info);
	if (!e || !info.event)
		return NULL;
	profd__v1__event_set__init(e);
	e->event = (char *)info.event;
	e->freq_hz = info.freq_hz;
	e->triggered = info.triggered;
	e->not_run = info.not_run;
	e->idle = info.sum.idle;
	e->filtered = info.sum.filtered;
	e->stored = info.sum.stored;
	e->bpf_ns = info.sum.own_ns;
	e->frames = info.sum.user_frames + info.sum.kernel_frames;
	e->dropped = arena_zeroed(arena, DROP_COUNT, sizeof(*e->dropped));
	e->truncated = arena_zeroed(arena, TRUNCATE_COUNT, sizeof(*e->truncated));
	for (unsigned i = 0; i < DROP_COUNT && e->dropped; i++) {
		e->stored -= user->dropped[i];
		Profd__V1__Counter *c = counter(arena, drops[i].name,
			info.sum.dropped[i] + user->dropped[i], drops[i].text);
		if (c)
			e->dropped[e->n_dropped++] = c;
	}
	for (unsigned i = 0; i < TRUNCATE_COUNT && e->truncated; i++) {
		Profd__V1__Counter *c =
			counter(arena, truncates[i].name, info.sum.truncated[i], truncates[i].text);
		if (c)
			e->truncated[e->n_truncated++] = c;
	}
	return e;
}

static Profd__V1__ProcessCost *cost(struct arena *arena, const char *name, uint64_t cpu_ns,
	uint64_t rss_bytes, uint32_t processes)
{
	Profd__V1__ProcessCost *c = arena_zeroed(arena, 1, sizeof(*c));
	if (!c)
		return NULL;
	profd__v1__process_cost__init(c);
	c->name = (char *)name;
	c->cpu_ns = cpu_ns;
	c->rss_bytes = rss_bytes;
	c->processes = processes;
	return c;
}

static void add_costs(struct profd *p, struct arena *arena, Profd__V1__StatusReply *s)
{
	struct helper_stats target, symbolizer, tables, encoder;
	struct cost self;

	cost_self(&self);
	target_io_get_stats(p->io, &target);
	symbolizer_get_stats(p->symbolizer, &symbolizer);
	unwind_get_helper_stats(p->unwind, &tables);
	helper_pool_get_stats(p->encoder, &encoder);
	s->stuck_helpers = target.stuck + symbolizer.stuck + tables.stuck + encoder.stuck;
	s->costs = arena_zeroed(arena, 6, sizeof(*s->costs));
	if (!s->costs)
		return;
	Profd__V1__ProcessCost *all[] = {
		cost(arena, "daemon", self.cpu_ns, self.rss_bytes, 1),
		cost(arena, "bpf", kernel_bpf_ns(p->kernel), 0, 0),
		cost(arena, "target helper", target.cpu_ns, target.rss_bytes, target.running),
		cost(arena, "symbolizer", symbolizer.cpu_ns, symbolizer.rss_bytes,
			symbolizer.running),
		cost(arena, "table builder", tables.cpu_ns, tables.rss_bytes, tables.running),
		cost(arena, "encoder", encoder.cpu_ns, encoder.rss_bytes, encoder.running),
	};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i])
			s->costs[s->n_costs++] = all[i];
}

static void add_memory(struct profd *p, struct arena *arena, Profd__V1__StatusReply *s)
{
	struct kernel_tables_stats tables;
	kernel_tables_get_stats(p->kernel, &tables);
	const struct {
		const char *name;
		uint64_t bytes, limit;
	} uses[] = {
		{ "history", aggregate_bytes(p->aggregate), p->config.memory_bytes },
		{ "symbols", symbolizer_bytes(p->symbolizer), 0 },
		{ "processes and modules",
			process_table_bytes(p->processes) + module_table_bytes(p->modules), 0 },
		{ "unwind tables", tables.bytes, tables.limit_bytes },
		{ "lists of mappings", unwind_bytes(p->unwind), 0 },
		{ "bpf maps and rings", kernel_bytes(p->kernel), 0 },
	};
	s->memory = arena_zeroed(arena, ARRAY_SIZE(uses), sizeof(*s->memory));
	for (size_t i = 0; i < ARRAY_SIZE(uses) && s->memory; i++) {
		Profd__V1__MemoryUse *m = arena_zeroed(arena, 1, sizeof(*m));
		if (!m)
			return;
		profd__v1__memory_use__init(m);
		m->name = (char *)uses[i].name;
		m->bytes = uses[i].bytes;
		m->limit_bytes = uses[i].limit;
		s->memory[s->n_memory++] = m;
	}
}

static void add_quarantine(struct profd *p, struct arena *arena, Profd__V1__StatusReply *s)
{
	size_t n = MIN(p->n_quarantine, (size_t)MAX_QUARANTINE);
	s->quarantine = arena_zeroed(arena, n, sizeof(*s->quarantine));
	for (size_t i = 0; i < n && s->quarantine; i++) {
		Profd__V1__Quarantine *q = arena_zeroed(arena, 1, sizeof(*q));
		if (!q)
			return;
		profd__v1__quarantine__init(q);
		q->what = p->quarantine[i].what;
		q->why = p->quarantine[i].why;
		s->quarantine[s->n_quarantine++] = q;
	}
}

static void add_features(struct arena *arena, Profd__V1__StatusReply *s)
{
	size_t n;
	const struct kernel_feature *features = kernel_features(&n);
	s->features = arena_zeroed(arena, n, sizeof(*s->features));
	for (size_t i = 0; i < n && s->features; i++) {
		Profd__V1__Feature *f = arena_zeroed(arena, 1, sizeof(*f));
		char text[512];
		if (!f)
			return;
		if (features[i].present)
			snprintf(text, sizeof(text), "%s%s%s", features[i].needed,
				*features[i].detail ? ": " : "", features[i].detail);
		else
			snprintf(text, sizeof(text), "%s; %s%s%s%s", features[i].needed,
				features[i].enable, *features[i].detail ? " (" : "",
				features[i].detail, *features[i].detail ? ")" : "");
		profd__v1__feature__init(f);
		f->name = (char *)features[i].name;
		f->present = features[i].present;
		f->detail = arena_text(arena, text);
		s->features[s->n_features++] = f;
	}
}

/* Counters of the unwind tables, behind the others. */
static void add_tables(struct profd *p, struct arena *arena, Profd__V1__StatusReply *s, size_t max)
{
	static const struct {
		const char *name, *text;
	} failures[UNWIND_FAILURES] = {
		[UNWIND_FAILURE_NO_CFI] = { "unwind_no_cfi",
			"files without call frame information" },
		[UNWIND_FAILURE_BAD] = { "unwind_bad_file", "files whose table could not be made" },
		[UNWIND_FAILURE_CRASHED] = { "unwind_crashed",
			"files that cost a worker its life" },
		[UNWIND_FAILURE_TIMEOUT] = { "unwind_timeout", "files that took too long" },
		[UNWIND_FAILURE_OPEN] = { "unwind_open", "files that could not be opened" },
		[UNWIND_FAILURE_ROOM] = { "unwind_no_room",
			"tables that found no room within UnwindTables=" },
		[UNWIND_FAILURE_OTHER] = { "unwind_failed", "tables that failed otherwise" },
	};
	struct kernel_tables_stats store;
	struct unwind_stats u;

	kernel_tables_get_stats(p->kernel, &store);
	unwind_get_stats(p->unwind, &u);
	const struct {
		const char *name;
		uint64_t value;
		const char *text;
	} all[] = {
		{ "unwind_tables", store.tables, "unwind tables of files, there now" },
		{ "unwind_rows", store.rows, "rows of unwind tables, there now" },
		{ "unwind_rules", store.rules, "different rules in them" },
		{ "unwind_processes", store.processes,
			"processes whose mappings the programs know" },
		{ "unwind_pending", u.tables.pending, "tables asked for, not there yet" },
		{ "unwind_built", u.tables.built, "tables made" },
		{ "unwind_evicted", u.tables.evicted, "tables dropped to make room" },
		{ "unwind_lists", u.published, "lists of mappings made or made again" },
		{ "unwind_lists_failed", u.not_published, "lists that found no place" },
		{ "unwind_turn_us", u.max_turn_ns / NS_PER_US,
			"microseconds that the longest turn of this took" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(all) + UNWIND_FAILURES && s->n_counters < max; i++) {
		size_t f = i - ARRAY_SIZE(all);
		Profd__V1__Counter *c =
			i < ARRAY_SIZE(all) ? counter(arena, all[i].name, all[i].value, all[i].text)
					    : counter(arena, failures[f].name, u.tables.failed[f],
						      failures[f].text);
		if (c)
			s->counters[s->n_counters++] = c;
	}
}

static void add_everybodys(struct profd *p, struct arena *arena, Profd__V1__StatusReply *s)
{
	int64_t wall = (int64_t)(clock_wall_ns() - clock_monotonic_ns());

	s->event_sets = arena_zeroed(arena, ABI_EVENT_SETS, sizeof(*s->event_sets));
	for (unsigned set = 0; set < ABI_EVENT_SETS && s->event_sets; set++) {
		Profd__V1__EventSet *e = event_set(p, arena, set);
		if (e)
			s->event_sets[s->n_event_sets++] = e;
	}
	s->counters = arena_zeroed(arena, MAX_COUNTERS, sizeof(*s->counters));
	if (s->counters) {
		Profd__V1__Counter *all[] = {
			counter(arena, "sideband_lost", p->sideband_lost,
				"records of mappings and processes that the kernel could not "
				"deliver"),
			counter(arena, "processes", process_table_n_alive(p->processes),
				"processes known now"),
		};
		for (size_t i = 0; i < ARRAY_SIZE(all); i++)
			if (all[i])
				s->counters[s->n_counters++] = all[i];
		add_tables(p, arena, s, MAX_COUNTERS);
	}
	add_quarantine(p, arena, s);
	s->history_from_wall_ns = aggregate_from_ns(p->aggregate);
	if (s->history_from_wall_ns) {
		s->history_from_wall_ns += (uint64_t)wall;
		s->history_to_wall_ns = clock_wall_ns();
	}
}

void status_reply(struct profd *p, struct ipc_request *r, bool features)
{
	CLEANUP(arena_freep) struct arena *arena = calloc(1, sizeof(*arena));
	const struct peer *peer = ipc_request_peer(r);
	struct error error = ERROR_INIT;
	char state[128] = "ok";

	if (!arena) {
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		ipc_request_fail(r, &error);
		return;
	}
	pipeline_drain(p, NS_PER_MS);
	Profd__V1__StatusReply s = PROFD__V1__STATUS_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	s.version = (char *)PROFD_VERSION;
	s.since_wall_ns = p->since_wall_ns;
	s.connections = ipc_server_n_connections(p->server);
	add_costs(p, arena, &s);
	add_memory(p, arena, &s);
	if (features)
		add_features(arena, &s);
	if (authz_allows(peer, AUTHZ_STATUS_FULL, OWNER_NOBODY))
		add_everybodys(p, arena, &s);
	if (s.stuck_helpers)
		snprintf(state, sizeof(state), "degraded: %u helper processes are stuck",
			s.stuck_helpers);
	s.state = state;
	reply.body_case = PROFD__V1__REPLY__BODY_STATUS;
	reply.status = &s;
	if (arena->failed) {
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		ipc_request_fail(r, &error);
	} else {
		ipc_request_reply(r, &reply, -1);
	}
}

/* ---- list ---- */

Profd__V1__Attachment *attachment_message(struct profd *p, const struct attachment *a)
{
	Profd__V1__Attachment *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	profd__v1__attachment__init(m);
	m->id = a->id;
	m->target = target_spec_format(&a->target);
	m->event = strdup(a->event);
	m->unwind = strdup(a->unwind);
	m->types = calloc(1, sizeof(*m->types));
	if (m->types && (m->types[0] = strdup("cpu")))
		m->n_types = 1;
	m->freq_hz = a->freq_hz;
	m->owner_uid = a->owner_uid;
	m->since_wall_ns = a->since_wall_ns;
	m->processes = follow_count(p, a);
	for (unsigned bit = 0; bit < ABI_ATTACHMENTS; bit++)
		if (a->bits >> bit & 1)
			m->samples += aggregate_bit_samples(p->aggregate, bit);
	m->state = strdup(!a->freq_hz ? "starting" : m->processes ? "running" : "waiting");
	if (!m->target || !m->event || !m->unwind || !m->n_types || !m->state) {
		profd__v1__attachment__free_unpacked(m, NULL);
		return NULL;
	}
	text_make_utf8(m->target);
	return m;
}

#define MAX_LISTED 4096
_Static_assert(MAX_PARTS > 5 * MAX_LISTED, "a process is at most four parts");

struct listing {
	struct pending pending;
	struct profd *profd;
	struct ipc_request *request; /* NULL: gone */
	struct arena *arena;	     /* owned */
	Profd__V1__ProcessInfo **processes;
	size_t n, left_out;
};

static void list_send(struct profd *p, struct ipc_request *r, Profd__V1__ProcessInfo **processes,
	size_t n_processes, size_t left_out)
{
	const struct peer *peer = ipc_request_peer(r);
	Profd__V1__Attachment *all[LIMIT_ATTACHMENTS];
	Profd__V1__ListReply body = PROFD__V1__LIST_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	const struct attachment *a;

	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++) {
		if (!authz_allows(peer, AUTHZ_LIST, a->owner_uid))
			continue;
		Profd__V1__Attachment *m = attachment_message(p, a);
		if (m)
			all[body.n_attachments++] = m;
	}
	body.attachments = all;
	body.processes = processes;
	body.n_processes = n_processes;
	body.processes_left_out = (uint32_t)left_out;
	reply.body_case = PROFD__V1__REPLY__BODY_LIST;
	reply.list = &body;
	ipc_request_reply(r, &reply, -1);
	for (size_t i = 0; i < body.n_attachments; i++)
		profd__v1__attachment__free_unpacked(all[i], NULL);
}

/* What the symbolizer has read of the process's own program: "go1.19.8", or "". */
static const char *program_runtime(struct profd *p, const struct target_process_info *info)
{
	const struct process *process =
		process_table_find(p->processes, info->pid, clock_monotonic_ns(), false);

	for (size_t i = 0; process && i < process->mappings.n; i++) {
		uint32_t id = ARRAY_AT(&process->mappings, struct process_mapping, i)->module;
		const struct module *m = module_table_get(p->modules, id);
		if (!m || m->kind != MODULE_FILE || strcmp(m->path, info->exe) != 0)
			continue;
		const struct symbol_module *sm = symbolizer_module(p->symbolizer, id);
		return sm && sm->runtime ? sm->runtime : "";
	}
	return "";
}

static void on_process(void *userdata, int error, const struct target_process_info *info)
{
	struct listing *l = userdata;

	if (error < 0 || !l->request)
		return;
	if (!authz_allows(ipc_request_peer(l->request), AUTHZ_LIST,
		    info->owner_uid == OWNER_NOBODY ? OWNER_NOBODY : info->owner_uid))
		return;
	Profd__V1__ProcessInfo *m =
		l->n < MAX_LISTED ? arena_zeroed(l->arena, 1, sizeof(*m)) : NULL;
	if (!m) {
		l->left_out++;
		return;
	}
	struct runtime_info runtime = process_runtime(info->exe, info->cmdline, info->cmdline_n);
	profd__v1__process_info__init(m);
	m->pid = info->pid;
	m->ppid = info->stat.ppid;
	m->comm = arena_text(l->arena, info->comm);
	m->uid = info->status.uid[0];
	m->runtime = *runtime.name ? (char *)runtime.name
				   : arena_text(l->arena, program_runtime(l->profd, info));
	m->hint = (char *)runtime.hint;
	m->exe = arena_text(l->arena, info->exe);
	m->attached = kernel_target_of(l->profd->kernel, info->pid) != 0;
	l->processes[l->n++] = m;
}

static void on_listed(void *userdata, int error)
{
	struct listing *l = userdata;
	struct error e = ERROR_INIT;

	if (l->request && error < 0) {
		error_set(&e, error, EXIT_CODE_FAILED, "cannot read /proc: %s", strerror(-error));
		ipc_request_fail(l->request, &e);
	} else if (l->request) {
		ipc_request_set_userdata(l->request, NULL);
		list_send(l->profd, l->request, l->processes, l->n, l->left_out);
	}
	arena_free(l->arena);
	free(l);
}

static void list_cancelled(struct pending *pending, bool finish, bool gone)
{
	(void)finish;
	if (gone)
		((struct listing *)pending)->request = NULL;
}

void list_reply(struct profd *p, struct ipc_request *r, bool all)
{
	struct error error = ERROR_INIT;
	if (!all) {
		list_send(p, r, NULL, 0, 0);
		return;
	}
	struct listing *l = calloc(1, sizeof(*l));
	struct arena *arena = calloc(1, sizeof(*arena));
	if (l && arena) {
		l->pending.cancel = list_cancelled;
		l->profd = p;
		l->request = r;
		l->arena = arena;
		l->processes = arena_zeroed(arena, MAX_LISTED, sizeof(*l->processes));
		ipc_request_set_userdata(r, &l->pending);
		if (l->processes && target_scan(p->io, on_process, on_listed, l) >= 0)
			return;
		ipc_request_set_userdata(r, NULL);
	}
	if (arena)
		arena_free(arena);
	free(l);
	error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "cannot list processes now");
	ipc_request_fail(r, &error);
}
