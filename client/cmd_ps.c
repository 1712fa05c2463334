/* SPDX-License-Identifier: Apache-2.0 */
/* profctl ps: what is attached; with --all: what could be. */
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/commands.h"
#include "client/option_binding.h"
#include "client/remote.h"
#include "client/show.h"

struct ps_options {
	const char *socket;
	bool all, json;
};

static json_t *process_json(const Profd__V1__ProcessInfo *p)
{
	return json_pack("{s:I, s:I, s:o, s:I, s:o, s:o, s:b, s:o}", "pid", (json_int_t)p->pid,
		"ppid", (json_int_t)p->ppid, "comm", show_json_text(p->comm), "uid",
		(json_int_t)p->uid, "runtime", show_json_text(p->runtime), "exe",
		show_json_text(p->exe), "attached", p->attached, "hint", show_json_text(p->hint));
}

static int print_json(const struct ps_options *o, const Profd__V1__ListReply *reply)
{
	json_t *attachments = json_array(), *processes;

	for (size_t i = 0; i < reply->n_attachments; i++)
		json_array_append_new(attachments, show_json_attachment(reply->attachments[i]));
	if (!o->all)
		return show_json(json_pack("{s:o}", "attachments", attachments));
	processes = json_array();
	for (size_t i = 0; i < reply->n_processes; i++)
		json_array_append_new(processes, process_json(reply->processes[i]));
	return show_json(json_pack("{s:o, s:o, s:I}", "attachments", attachments, "processes",
		processes, "left_out", (json_int_t)reply->processes_left_out));
}

static int print_attachments(const Profd__V1__ListReply *reply)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(11, 0x619);
	static const char *const header[] = { "ID", "TARGET", "TYPES", "HZ", "WAITS", "EVENT",
		"OWNER", "STATE", "SINCE", "PROCESSES", "SAMPLES" };
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(header); i++)
		show_cell(&t, "%s", header[i]);
	for (size_t i = 0; i < reply->n_attachments; i++) {
		const Profd__V1__Attachment *a = reply->attachments[i];

		show_cell(&t, "%llu", (unsigned long long)a->id);
		show_cell(&t, "%s", a->target);
		show_cell(&t, "%s", show_types(a, text, sizeof(text)));
		snprintf(text, sizeof(text), "%u", a->freq_hz);
		show_cell(&t, "%s", a->freq_hz ? text : "");
		show_cell(&t, "%s", show_threshold(a, text, sizeof(text)));
		show_cell(&t, "%s", a->freq_hz ? a->event : "");
		show_cell(&t, "%s", show_user(a->owner_uid, text, sizeof(text)));
		show_cell(&t, "%s", a->state);
		show_cell(&t, "%s", clock_format_point(a->since_wall_ns, text, sizeof(text)));
		show_cell(&t, "%u", a->processes);
		show_cell(&t, "%llu", (unsigned long long)a->samples);
	}
	if (!reply->n_attachments)
		fputs("nothing is attached; what could be: profctl ps --all\n", stderr);
	return show_table_print(&t);
}

/* What names an interpreter's frames, each advice once with the first process it is for. */
static void print_hints(const Profd__V1__ListReply *reply)
{
	for (size_t i = 0; i < reply->n_processes; i++) {
		const Profd__V1__ProcessInfo *p = reply->processes[i];
		char comm[64], hint[512];
		bool said = !*p->hint;

		for (size_t j = 0; j < i && !said; j++)
			said = !strcmp(reply->processes[j]->hint, p->hint);
		if (!said)
			fprintf(stderr, "note: %u (%s): %s\n", p->pid,
				io_printable(p->comm, comm, sizeof(comm)),
				io_printable(p->hint, hint, sizeof(hint)));
	}
}

static int print_processes(const Profd__V1__ListReply *reply)
{
	CLEANUP(show_table_deinit) struct show_table t = SHOW_TABLE_INIT(6, 0x3);
	static const char *const header[] = { "PID", "PPID", "COMM", "OWNER", "RUNTIME", "EXE" };
	char user[64];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(header); i++)
		show_cell(&t, "%s", header[i]);
	for (size_t i = 0; i < reply->n_processes; i++) {
		const Profd__V1__ProcessInfo *p = reply->processes[i];

		show_cell(&t, "%u", p->pid);
		show_cell(&t, "%u", p->ppid);
		show_cell(&t, "%s", p->comm);
		show_cell(&t, "%s", show_user(p->uid, user, sizeof(user)));
		show_cell(&t, "%s", p->runtime);
		show_cell(&t, "%s", p->exe);
	}
	r = show_table_print(&t);
	if (r == 0 && reply->processes_left_out)
		fprintf(stderr, "note: %u more process%s not listed\n", reply->processes_left_out,
			reply->processes_left_out == 1 ? " is" : "es are");
	if (r == 0)
		print_hints(reply);
	return r;
}

int cmd_ps(int argc, char **argv)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	CLEANUP(remote_freep) struct remote *r = NULL;
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__ListRequest list = PROFD__V1__LIST_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	struct ps_options o = { 0 };
	const struct option_binding bindings[] = {
		{ OPTION_SOCKET, .word = &o.socket },
		{ OPTION_JSON, .flag = &o.json },
		{ OPTION_ALL, .flag = &o.all },
		{ OPTION_END },
	};
	struct error error = ERROR_INIT;
	int n;

	if (option_bindings_parse(bindings, "ps", argc, argv, &error) < 0 ||
		remote_connect(o.socket, &r, &error) < 0)
		return complain(&error);
	list.all = o.all;
	request.body_case = PROFD__V1__REQUEST__BODY_LIST;
	request.list = &list;
	if (remote_call(r, &request, NULL, PROFD__V1__REPLY__BODY_LIST, &wait, &reply, NULL,
		    &error) < 0)
		return complain(&error);
	if (o.json)
		return print_json(&o, reply->list);
	n = o.all ? print_processes(reply->list) : print_attachments(reply->list);
	if (n < 0) {
		error_set(&error, n, EXIT_CODE_FAILED, "out of memory");
		return complain(&error);
	}
	return EXIT_CODE_OK;
}
