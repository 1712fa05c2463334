/* SPDX-License-Identifier: Apache-2.0 */
/* profctl status: parsing and the text; the JSON is in status_json.c. */
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/commands.h"
#include "client/option_binding.h"
#include "client/remote.h"
#include "client/show.h"
#include "client/status_json.h"

struct status_options {
	const char *socket;
	bool features, json;
};

static void print_line(const char *name, const char *text)
{
	char safe[1024];

	printf("%-12s %s\n", name, io_printable(text, safe, sizeof(safe)));
}

static void print_head(const Profd__V1__StatusReply *s)
{
	char a[64], b[64], line[160];

	print_line("state", s->state);
	snprintf(line, sizeof(line), "profd %s, since %s", s->version,
		clock_format_point(s->since_wall_ns, a, sizeof(a)));
	print_line("version", line);
	if (s->history_from_wall_ns) {
		snprintf(line, sizeof(line), "%s to %s",
			clock_format_point(s->history_from_wall_ns, a, sizeof(a)),
			clock_format_point(s->history_to_wall_ns, b, sizeof(b)));
		print_line("history", line);
	} else {
		print_line("history", "nothing yet");
	}
	snprintf(line, sizeof(line), "%u", s->connections);
	print_line("connections", line);
	if (s->stuck_helpers) {
		snprintf(line, sizeof(line), "%u helper process%s on a target's file",
			s->stuck_helpers, s->stuck_helpers == 1 ? " hangs" : "es hang");
		print_line("stuck", line);
	}
}

static void add_counters(
	struct show_table *t, Profd__V1__Counter *const *counters, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++) {
		if (!counters[i]->value && *prefix)
			continue;
		show_cell(t, "  %s%s", prefix, counters[i]->name);
		show_cell(t, "%llu", (unsigned long long)counters[i]->value);
		show_cell(t, "%s", counters[i]->text);
	}
}

static int print_counters(const Profd__V1__StatusReply *s)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(3, 0x2);

	if (!s->n_counters)
		return 0;
	puts("\ncounters");
	add_counters(&t, s->counters, s->n_counters, "");
	return show_table_print(&t);
}

static void add_row(struct show_table *t, const char *name, uint64_t value, const char *text)
{
	show_cell(t, "  %s", name);
	show_cell(t, "%llu", (unsigned long long)value);
	show_cell(t, "%s", text);
}

static int print_event_set(const Profd__V1__EventSet *e)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(3, 0x2);
	struct show_counted rows[SHOW_COUNTED];
	char title[96], safe[96];
	size_t n;

	show_counted(e, rows, &n);
	printf("\n%s%s\n", e->freq_hz ? "event " : "",
		io_printable(show_event_set(e, title, sizeof(title)), safe, sizeof(safe)));
	for (size_t i = 0; i < n; i++)
		add_row(&t, rows[i].name, rows[i].value, rows[i].text);
	add_row(&t, "frames", e->frames, "unwound");
	add_row(&t, "bpf_ns", e->bpf_ns, "spent in the program");
	add_counters(&t, e->dropped, e->n_dropped, "dropped: ");
	add_counters(&t, e->truncated, e->n_truncated, "stacks: ");
	return show_table_print(&t);
}

static int print_costs(const Profd__V1__StatusReply *s)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(4, 0xe);
	char span[64], bytes[32];

	if (!s->n_costs)
		return 0;
	puts("\ncost");
	show_cell(&t, "  PROCESS");
	show_cell(&t, "NUMBER");
	show_cell(&t, "CPU");
	show_cell(&t, "RSS");
	for (size_t i = 0; i < s->n_costs; i++) {
		const Profd__V1__ProcessCost *c = s->costs[i];

		show_cell(&t, "  %s", c->name);
		show_cell(&t, "%u", c->processes);
		show_cell(&t, "%s", clock_format_span(c->cpu_ns, span, sizeof(span)));
		show_cell(&t, "%s",
			c->rss_bytes ? show_bytes(c->rss_bytes, bytes, sizeof(bytes)) : "");
	}
	return show_table_print(&t);
}

static int print_memory(const Profd__V1__StatusReply *s)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(3, 0x6);
	char used[32], limit[32];

	if (!s->n_memory)
		return 0;
	puts("\nmemory");
	show_cell(&t, "  WHAT");
	show_cell(&t, "USED");
	show_cell(&t, "LIMIT");
	for (size_t i = 0; i < s->n_memory; i++) {
		const Profd__V1__MemoryUse *m = s->memory[i];

		show_cell(&t, "  %s", m->name);
		show_cell(&t, "%s", show_bytes(m->bytes, used, sizeof(used)));
		show_cell(&t, "%s",
			m->limit_bytes ? show_bytes(m->limit_bytes, limit, sizeof(limit)) : "");
	}
	return show_table_print(&t);
}

static int print_quarantine(const Profd__V1__StatusReply *s)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(2, 0);

	if (!s->n_quarantine)
		return 0;
	puts("\nquarantine");
	for (size_t i = 0; i < s->n_quarantine; i++) {
		show_cell(&t, "  %s", s->quarantine[i]->what);
		show_cell(&t, "%s", s->quarantine[i]->why);
	}
	return show_table_print(&t);
}

static int print_features(const Profd__V1__StatusReply *s)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(3, 0);

	show_cell(&t, "FEATURE");
	show_cell(&t, "HERE");
	show_cell(&t, "WHAT IT IS FOR");
	for (size_t i = 0; i < s->n_features; i++) {
		show_cell(&t, "%s", s->features[i]->name);
		show_cell(&t, "%s", s->features[i]->present ? "yes" : "no");
		show_cell(&t, "%s", s->features[i]->detail);
	}
	return show_table_print(&t);
}

static int print_text(const struct status_options *o, const Profd__V1__StatusReply *s)
{
	int r;

	if (o->features)
		return print_features(s);
	print_head(s);
	r = print_counters(s);
	for (size_t i = 0; i < s->n_event_sets && r == 0; i++)
		r = print_event_set(s->event_sets[i]);
	if (r == 0)
		r = print_costs(s);
	if (r == 0)
		r = print_memory(s);
	if (r == 0)
		r = print_quarantine(s);
	return r;
}

int cmd_status(int argc, char **argv)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	CLEANUP(remote_freep) struct remote *r = NULL;
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__StatusRequest status = PROFD__V1__STATUS_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	struct status_options o = { 0 };
	const struct option_binding bindings[] = {
		{ OPTION_SOCKET, .word = &o.socket },
		{ OPTION_JSON, .flag = &o.json },
		{ OPTION_FEATURES, .flag = &o.features },
		{ OPTION_END },
	};
	struct error error = ERROR_INIT;
	int n;

	if (option_bindings_parse(bindings, "status", argc, argv, &error) < 0 ||
		remote_connect(o.socket, &r, &error) < 0)
		return complain(&error);
	status.features = o.features;
	request.body_case = PROFD__V1__REQUEST__BODY_STATUS;
	request.status = &status;
	if (remote_call(r, &request, NULL, PROFD__V1__REPLY__BODY_STATUS, &wait, &reply, NULL,
		    &error) < 0)
		return complain(&error);
	if (o.json)
		return show_json(status_json(reply->status));
	n = print_text(&o, reply->status);
	if (n < 0) {
		error_set(&error, n, EXIT_CODE_FAILED, "out of memory");
		return complain(&error);
	}
	return EXIT_CODE_OK;
}
