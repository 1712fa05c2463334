/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status reply. Numbers of everybody's samples are for the privileged; others are told of
 * health, features, cost and memory.
 */
#include <errno.h>
#include <stdio.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "parts.h"
#include "profd.h"
#include "service/cost.h"

#define COUNTERS     5U /* that are not of unwind tables */
#define MAX_COUNTERS 32U

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

/* Adds to the *n that `list` has. */
static void add_counter(struct parts *parts, Profd__V1__Counter **list, size_t *n, const char *name,
	uint64_t value, const char *text)
{
	Profd__V1__Counter *c = parts_zeroed(parts, 1, sizeof(*c));
	if (!c)
		return;
	profd__v1__counter__init(c);
	c->name = (char *)name;
	c->value = value;
	c->text = (char *)text;
	list[(*n)++] = c;
}

static Profd__V1__EventSet *event_set(struct profd *p, struct parts *parts, unsigned set)
{
	struct kernel_set_info info;
	const struct aggregate_set_stats *user = aggregate_set_stats(p->aggregate, set);
	Profd__V1__EventSet *e = parts_zeroed(parts, 1, sizeof(*e));

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
	e->dropped = parts_zeroed(parts, DROP_COUNT, sizeof(*e->dropped));
	e->truncated = parts_zeroed(parts, TRUNCATE_COUNT, sizeof(*e->truncated));
	for (unsigned i = 0; i < DROP_COUNT && e->dropped; i++) {
		e->stored -= user->dropped[i];
		add_counter(parts, e->dropped, &e->n_dropped, drops[i].name,
			info.sum.dropped[i] + user->dropped[i], drops[i].text);
	}
	for (unsigned i = 0; i < TRUNCATE_COUNT && e->truncated; i++)
		add_counter(parts, e->truncated, &e->n_truncated, truncates[i].name,
			info.sum.truncated[i], truncates[i].text);
	return e;
}

static Profd__V1__ProcessCost *cost(struct parts *parts, const char *name, uint64_t cpu_ns,
	uint64_t rss_bytes, uint32_t processes)
{
	Profd__V1__ProcessCost *c = parts_zeroed(parts, 1, sizeof(*c));
	if (!c)
		return NULL;
	profd__v1__process_cost__init(c);
	c->name = (char *)name;
	c->cpu_ns = cpu_ns;
	c->rss_bytes = rss_bytes;
	c->processes = processes;
	return c;
}

static void add_costs(struct profd *p, struct parts *parts, Profd__V1__StatusReply *s)
{
	struct helper_stats target, symbolizer, tables, encoder;
	struct cost self;

	cost_self(&self);
	target_io_get_stats(p->io, &target);
	symbolizer_get_stats(p->symbolizer, &symbolizer);
	unwind_get_helper_stats(p->unwind, &tables);
	helper_pool_get_stats(p->encoder, &encoder);
	s->stuck_helpers = target.stuck + symbolizer.stuck + tables.stuck + encoder.stuck;
	s->costs = parts_zeroed(parts, 6, sizeof(*s->costs));
	if (!s->costs)
		return;
	Profd__V1__ProcessCost *all[] = {
		cost(parts, "daemon", self.cpu_ns, self.rss_bytes, 1),
		cost(parts, "bpf", kernel_bpf_ns(p->kernel), 0, 0),
		cost(parts, "target helper", target.cpu_ns, target.rss_bytes, target.running),
		cost(parts, "symbolizer", symbolizer.cpu_ns, symbolizer.rss_bytes,
			symbolizer.running),
		cost(parts, "table builder", tables.cpu_ns, tables.rss_bytes, tables.running),
		cost(parts, "encoder", encoder.cpu_ns, encoder.rss_bytes, encoder.running),
	};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i])
			s->costs[s->n_costs++] = all[i];
}

static void add_memory(struct profd *p, struct parts *parts, Profd__V1__StatusReply *s)
{
	struct kernel_tables_stats tables;
	struct early_stats early;
	kernel_tables_get_stats(p->kernel, &tables);
	early_get_stats(p->early, &early);
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
		{ "samples that wait for tables", early.bytes, early.limit_bytes },
		{ "bpf maps and rings", kernel_bytes(p->kernel), 0 },
	};
	s->memory = parts_zeroed(parts, ARRAY_SIZE(uses), sizeof(*s->memory));
	for (size_t i = 0; i < ARRAY_SIZE(uses) && s->memory; i++) {
		Profd__V1__MemoryUse *m = parts_zeroed(parts, 1, sizeof(*m));
		if (!m)
			return;
		profd__v1__memory_use__init(m);
		m->name = (char *)uses[i].name;
		m->bytes = uses[i].bytes;
		m->limit_bytes = uses[i].limit;
		s->memory[s->n_memory++] = m;
	}
}

static void add_quarantine(struct profd *p, struct parts *parts, Profd__V1__StatusReply *s)
{
	size_t n = MIN(p->n_quarantine, (size_t)MAX_QUARANTINE);
	s->quarantine = parts_zeroed(parts, n, sizeof(*s->quarantine));
	for (size_t i = 0; i < n && s->quarantine; i++) {
		Profd__V1__Quarantine *q = parts_zeroed(parts, 1, sizeof(*q));
		if (!q)
			return;
		profd__v1__quarantine__init(q);
		q->what = p->quarantine[i].what;
		q->why = p->quarantine[i].why;
		s->quarantine[s->n_quarantine++] = q;
	}
}

static void add_features(struct parts *parts, Profd__V1__StatusReply *s)
{
	size_t n;
	const struct kernel_feature *features = kernel_features(&n);
	s->features = parts_zeroed(parts, n, sizeof(*s->features));
	for (size_t i = 0; i < n && s->features; i++) {
		Profd__V1__Feature *f = parts_zeroed(parts, 1, sizeof(*f));
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
		f->detail = parts_text(parts, text);
		s->features[s->n_features++] = f;
	}
}

static void add_tables(struct profd *p, struct parts *parts, Profd__V1__StatusReply *s)
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
	struct early_stats early;

	kernel_tables_get_stats(p->kernel, &store);
	unwind_get_stats(p->unwind, &u);
	early_get_stats(p->early, &early);
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
		{ "unwind_early", early.walked,
			"samples that came with their stack, to be walked by the daemon" },
		{ "unwind_waited", early.waited, "of these: waited for a table" },
		{ "unwind_late", early.late,
			"of these: waited in vain, or found no place to wait" },
	};
	_Static_assert(COUNTERS + ARRAY_SIZE(all) + UNWIND_FAILURES <= MAX_COUNTERS, "all fit");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		add_counter(
			parts, s->counters, &s->n_counters, all[i].name, all[i].value, all[i].text);
	for (size_t i = 0; i < UNWIND_FAILURES; i++)
		add_counter(parts, s->counters, &s->n_counters, failures[i].name,
			u.tables.failed[i], failures[i].text);
}

static void add_counters(struct profd *p, struct parts *parts, Profd__V1__StatusReply *s)
{
	s->counters = parts_zeroed(parts, MAX_COUNTERS, sizeof(*s->counters));
	if (!s->counters)
		return;
	add_counter(parts, s->counters, &s->n_counters, "sideband_lost", p->sideband_lost,
		"records of mappings and processes that the kernel could not deliver");
	add_counter(parts, s->counters, &s->n_counters, "processes",
		process_table_n_alive(p->processes), "processes known now");
	struct kernel_threads_missed missed;
	kernel_threads_missed(p->kernel, &missed);
	add_counter(parts, s->counters, &s->n_counters, "missed_wakings", missed.wakings,
		"threads that ran again without a waking: taken for blocked until then");
	add_counter(parts, s->counters, &s->n_counters, "missed_switches", missed.switches,
		"waits of which the end was not told");
	add_counter(parts, s->counters, &s->n_counters, "missed_threads", missed.threads,
		"threads whose waits are not told: no memory for their state");
	add_tables(p, parts, s);
}

static void add_everybodys(struct profd *p, struct parts *parts, Profd__V1__StatusReply *s)
{
	int64_t wall = (int64_t)(clock_wall_ns() - clock_monotonic_ns());

	s->event_sets = parts_zeroed(parts, ABI_SETS, sizeof(*s->event_sets));
	for (unsigned set = 0; set < ABI_SETS && s->event_sets; set++) {
		Profd__V1__EventSet *e = event_set(p, parts, set);
		if (e)
			s->event_sets[s->n_event_sets++] = e;
	}
	add_counters(p, parts, s);
	add_quarantine(p, parts, s);
	s->history_from_wall_ns = aggregate_from_ns(p->aggregate);
	if (s->history_from_wall_ns) {
		s->history_from_wall_ns += (uint64_t)wall;
		s->history_to_wall_ns = clock_wall_ns();
	}
}

void status_reply(struct profd *p, struct ipc_request *r, bool features)
{
	CLEANUP(parts_freep) struct parts *parts = parts_new();
	const struct peer *peer = ipc_request_peer(r);
	struct error error = ERROR_INIT;
	char state[128] = "ok";

	if (!parts) {
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
	add_costs(p, parts, &s);
	add_memory(p, parts, &s);
	if (features)
		add_features(parts, &s);
	if (authz_allows(peer, AUTHZ_STATUS_FULL, OWNER_NOBODY))
		add_everybodys(p, parts, &s);
	if (s.stuck_helpers)
		snprintf(state, sizeof(state), "degraded: %u helper process%s stuck",
			s.stuck_helpers, s.stuck_helpers == 1 ? " is" : "es are");
	s.state = state;
	reply.body_case = PROFD__V1__REPLY__BODY_STATUS;
	reply.status = &s;
	if (parts->failed) {
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		ipc_request_fail(r, &error);
	} else {
		ipc_request_reply(r, &reply, -1);
	}
}
