/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the schema of `profctl status --json`: keys are only added. */
#include "client/status_json.h"

static json_t *counters_json(Profd__V1__Counter *const *counters, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:o, s:I, s:o}", "name", show_json_text(counters[i]->name),
				"value", (json_int_t)counters[i]->value, "text",
				show_json_text(counters[i]->text)));
	return list;
}

static json_t *event_sets_json(const Profd__V1__StatusReply *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_event_sets; i++) {
		const Profd__V1__EventSet *e = s->event_sets[i];

		json_array_append_new(
			list, json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:I}",
				      "event", show_json_text(e->event), "freq_hz",
				      (json_int_t)e->freq_hz, "triggered", (json_int_t)e->triggered,
				      "not_run", (json_int_t)e->not_run, "idle",
				      (json_int_t)e->idle, "filtered", (json_int_t)e->filtered,
				      "stored", (json_int_t)e->stored, "dropped",
				      counters_json(e->dropped, e->n_dropped), "truncated",
				      counters_json(e->truncated, e->n_truncated), "bpf_ns",
				      (json_int_t)e->bpf_ns, "frames", (json_int_t)e->frames));
	}
	return list;
}

static json_t *costs_json(const Profd__V1__StatusReply *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_costs; i++)
		json_array_append_new(list,
			json_pack("{s:o, s:I, s:I, s:I}", "name", show_json_text(s->costs[i]->name),
				"cpu_ns", (json_int_t)s->costs[i]->cpu_ns, "rss_bytes",
				(json_int_t)s->costs[i]->rss_bytes, "processes",
				(json_int_t)s->costs[i]->processes));
	return list;
}

static json_t *memory_json(const Profd__V1__StatusReply *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_memory; i++)
		json_array_append_new(list,
			json_pack("{s:o, s:I, s:I}", "name", show_json_text(s->memory[i]->name),
				"bytes", (json_int_t)s->memory[i]->bytes, "limit_bytes",
				(json_int_t)s->memory[i]->limit_bytes));
	return list;
}

static json_t *quarantine_json(const Profd__V1__StatusReply *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_quarantine; i++)
		json_array_append_new(list,
			json_pack("{s:o, s:o}", "what", show_json_text(s->quarantine[i]->what),
				"why", show_json_text(s->quarantine[i]->why)));
	return list;
}

static json_t *features_json(const Profd__V1__StatusReply *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_features; i++)
		json_array_append_new(list,
			json_pack("{s:o, s:b, s:o}", "name", show_json_text(s->features[i]->name),
				"present", s->features[i]->present, "detail",
				show_json_text(s->features[i]->detail)));
	return list;
}

json_t *status_json(const Profd__V1__StatusReply *s)
{
	return json_pack("{s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}",
		"version", show_json_text(s->version), "since", show_json_time(s->since_wall_ns),
		"state", show_json_text(s->state), "history", "from",
		show_json_time(s->history_from_wall_ns), "to",
		show_json_time(s->history_to_wall_ns), "counters",
		counters_json(s->counters, s->n_counters), "event_sets", event_sets_json(s),
		"costs", costs_json(s), "memory", memory_json(s), "quarantine", quarantine_json(s),
		"features", features_json(s), "connections", (json_int_t)s->connections,
		"stuck_helpers", (json_int_t)s->stuck_helpers);
}
