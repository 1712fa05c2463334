/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list reply: attachments, and with `all` the processes that could be attached. Everybody is
 * told of their own; other users' are for the privileged. Names come from targets.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "parts.h"
#include "profd.h"

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
	m->types = calloc(PROFILE_TYPES_N, sizeof(*m->types));
	bool short_of = !m->types;
	for (int type = 0; type < PROFILE_TYPES_N && !short_of; type++) {
		if (!(a->types >> type & 1))
			continue;
		m->types[m->n_types] = strdup(profile_type_info((enum profile_type)type)->name);
		short_of = !m->types[m->n_types];
		m->n_types += !short_of;
	}
	m->freq_hz = a->freq_hz;
	if (types_have_threshold(a->types)) {
		m->threshold_ns = a->threshold_ns;
		m->threshold_all = a->threshold_ns == 0;
	}
	m->owner_uid = a->owner_uid;
	m->since_wall_ns = a->since_wall_ns;
	m->processes = follow_count(p, a);
	for (unsigned bit = 0; bit < ABI_ATTACHMENTS; bit++)
		if (a->bits >> bit & 1)
			m->samples += aggregate_bit_samples(p->aggregate, bit);
	m->state = strdup(!a->on ? "starting" : m->processes ? "running" : "waiting");
	if (!m->target || !m->event || !m->unwind || short_of || !m->state) {
		profd__v1__attachment__free_unpacked(m, NULL);
		return NULL;
	}
	text_make_utf8(m->target);
	return m;
}

#define MAX_LISTED 4096
_Static_assert(PARTS_MAX > 5 * MAX_LISTED, "a process is at most four parts");

struct listing {
	struct pending pending;
	struct profd *profd;
	struct ipc_request *request; /* NULL: gone */
	struct parts *parts;	     /* owned */
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

const char *program_runtime(struct profd *p, const struct process *process, const char *exe)
{
	for (size_t i = 0; process && exe && i < process->mappings.n; i++) {
		uint32_t id = ARRAY_AT(&process->mappings, struct process_mapping, i)->module;
		const struct module *m = module_table_get(p->modules, id);
		if (!m || m->kind != MODULE_FILE || strcmp(m->path, exe) != 0)
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
	if (!authz_allows(ipc_request_peer(l->request), AUTHZ_LIST, info->owner_uid))
		return;
	Profd__V1__ProcessInfo *m =
		l->n < MAX_LISTED ? parts_zeroed(l->parts, 1, sizeof(*m)) : NULL;
	if (!m) {
		l->left_out++;
		return;
	}
	struct runtime_info runtime = process_runtime(info->exe, info->cmdline, info->cmdline_n);
	const struct process *process =
		process_table_find(l->profd->processes, info->pid, clock_monotonic_ns(), false);
	profd__v1__process_info__init(m);
	m->pid = info->pid;
	m->ppid = info->stat.ppid;
	m->comm = parts_text(l->parts, info->comm);
	m->uid = info->status.uid[0];
	m->runtime = *runtime.name
			     ? (char *)runtime.name
			     : parts_text(l->parts, program_runtime(l->profd, process, info->exe));
	m->hint = (char *)runtime.hint;
	m->exe = parts_text(l->parts, info->exe);
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
	parts_free(l->parts);
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
	struct parts *parts = parts_new();
	if (l && parts) {
		l->pending.cancel = list_cancelled;
		l->profd = p;
		l->request = r;
		l->parts = parts;
		l->processes = parts_zeroed(parts, MAX_LISTED, sizeof(*l->processes));
		ipc_request_set_userdata(r, &l->pending);
		if (l->processes && target_scan(p->io, on_process, on_listed, l) >= 0)
			return;
		ipc_request_set_userdata(r, NULL);
	}
	parts_free(parts);
	free(l);
	error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "cannot list processes now");
	ipc_request_fail(r, &error);
}
