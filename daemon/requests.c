/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What peers ask, dispatched: attach, detach, list, status here and in status.c, dumps in dumps.c.
 * Each is checked against session/authz before anything is done.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "comments.h"
#include "policy.h"
#include "profd.h"

#define MAX_NOTES 8

static void fail(struct ipc_request *r, int error, enum exit_code code, const char *text)
{
	struct error e = ERROR_INIT;
	error_set(&e, error, code, "%s", text);
	ipc_request_fail(r, &e);
}

/* ---- attach ---- */

/* A request that waits for follow_attach(); its peer may go meanwhile. */
struct attaching {
	struct pending pending;
	struct profd *profd;
	struct ipc_request *request; /* NULL: gone */
	bool until_disconnect;
};

static void on_attached(
	void *userdata, struct attachment *a, bool updated, const struct error *error)
{
	_cleanup_free_ struct attaching *w = userdata;
	struct ipc_request *r = w->request;

	if (!r) {
		if (a && w->until_disconnect && !updated)
			follow_detach(w->profd, a);
		return;
	}
	ipc_request_set_userdata(r, NULL);
	if (!a) {
		ipc_request_fail(r, error);
		return;
	}
	Profd__V1__AttachReply attach = PROFD__V1__ATTACH_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	_cleanup_free_ char *notes = policy_notes(w->profd, a);
	char *note[MAX_NOTES];
	attach.attachment = attachment_message(w->profd, a);
	attach.updated = updated;
	attach.notes = note;
	attach.n_notes = comments_split(notes, note, MAX_NOTES);
	reply.body_case = PROFD__V1__REPLY__BODY_ATTACH;
	reply.attach = &attach;
	if (attach.attachment)
		ipc_request_reply(r, &reply, -1);
	else
		fail(r, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (attach.attachment)
		profd__v1__attachment__free_unpacked(attach.attachment, NULL);
}

/* The attach itself goes on; what it made is undone when it is through. */
static void attach_cancelled(struct pending *pending, bool finish, bool gone)
{
	struct attaching *w = (struct attaching *)pending;
	(void)finish;
	if (gone)
		w->request = NULL;
}

static int parse_attach(struct profd *p, const Profd__V1__AttachRequest *m, int *fds, size_t n_fds,
	struct follow_request *ret, struct error *error)
{
	int r = types_from_names((const char *const *)m->types, m->n_types, &ret->types, error);
	if (r < 0)
		return r;
	ret->freq_hz = m->freq_hz ? m->freq_hz : p->config.freq_hz;
	if (ret->freq_hz < LIMIT_FREQ_MIN_HZ || ret->freq_hz > LIMIT_FREQ_MAX_HZ)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "frequency %u Hz: %u to %u",
			ret->freq_hz, LIMIT_FREQ_MIN_HZ, LIMIT_FREQ_MAX_HZ);
	if (!(profile_type_probes(ret->types) & PROBE_CPU))
		ret->freq_hz = 0;
	r = types_threshold(m->threshold_ns, m->threshold_all, &ret->threshold_ns, error);
	if (r < 0)
		return r;
	ret->event = *m->event ? m->event : p->config.event;
	ret->unwind = *m->unwind ? m->unwind : "auto";
	if (strcmp(ret->unwind, "auto") != 0 && strcmp(ret->unwind, "fp") != 0 &&
		strcmp(ret->unwind, "dwarf") != 0)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"no unwinder %.32s: this daemon has auto, fp, dwarf", ret->unwind);
	if (m->target)
		r = target_spec_from_wire(&ret->target, m->target, fds, n_fds, error);
	if (r < 0)
		return r;
	if (target_spec_empty(&ret->target))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"attach needs a target: --pid PID, --comm GLOB, --exe PATH, --cgroup PATH, "
			"--unit NAME or --all");
	return 0;
}

static void attach(struct profd *p, struct ipc_request *r, const Profd__V1__AttachRequest *m,
	int *fds, size_t n_fds)
{
	struct error error = ERROR_INIT;
	struct follow_request follow = { .peer = *ipc_request_peer(r) };
	struct attaching *w = calloc(1, sizeof(*w));

	if (!w || parse_attach(p, m, fds, n_fds, &follow, &error) < 0) {
		if (!error.code)
			error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		free(w);
		target_spec_deinit(&follow.target);
		ipc_request_fail(r, &error);
		return;
	}
	if (m->until_disconnect)
		follow.connection = ipc_request_connection(r);
	*w = (struct attaching){
		.pending.cancel = attach_cancelled,
		.profd = p,
		.request = r,
		.until_disconnect = m->until_disconnect,
	};
	ipc_request_set_userdata(r, &w->pending);
	follow_attach(p, &follow, on_attached, w);
}

/* ---- detach ---- */

static bool may_detach(const struct peer *peer, const struct attachment *a)
{
	return !a->transient && authz_allows(peer, AUTHZ_DETACH, a->owner_uid);
}

static void detach(struct profd *p, struct ipc_request *r, const Profd__V1__DetachRequest *m,
	int *fds, size_t n_fds)
{
	struct error error = ERROR_INIT;
	struct target_spec target = { 0 };
	const struct peer *peer = ipc_request_peer(r);
	struct attachment *found[LIMIT_ATTACHMENTS], *a;
	size_t n = 0, denied = 0;

	if (!m->id &&
		(!m->target || target_spec_from_wire(&target, m->target, fds, n_fds, &error) < 0)) {
		error_set(&error, -EINVAL, EXIT_CODE_USAGE, "detach needs a target or an id");
		ipc_request_fail(r, &error);
		return;
	}
	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)); i++) {
		if (m->id ? a->id != m->id : !target_spec_equal(&a->target, &target))
			continue;
		if (may_detach(peer, a))
			found[n++] = a;
		else
			denied++;
	}
	if (n == 0) {
		_cleanup_free_ char *text = m->id ? NULL : target_spec_format(&target);
		error_set(&error, -ENOENT,
			denied && authz_privileged(peer) ? EXIT_CODE_DENIED : EXIT_CODE_NO_TARGET,
			"nothing of yours is attached as %s: profctl ps lists what is",
			text ? text : "that id");
		ipc_request_fail(r, &error);
	} else {
		Profd__V1__Attachment *gone[LIMIT_ATTACHMENTS];
		Profd__V1__DetachReply body = PROFD__V1__DETACH_REPLY__INIT;
		Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
		for (size_t i = 0; i < n; i++) {
			Profd__V1__Attachment *message = attachment_message(p, found[i]);
			if (message)
				gone[body.n_detached++] = message;
			follow_detach(p, found[i]);
		}
		body.detached = gone;
		reply.body_case = PROFD__V1__REPLY__BODY_DETACH;
		reply.detach = &body;
		ipc_request_reply(r, &reply, -1);
		for (size_t i = 0; i < body.n_detached; i++)
			profd__v1__attachment__free_unpacked(gone[i], NULL);
	}
	target_spec_deinit(&target);
}

/* ---- all ---- */

static void on_request(
	void *userdata, struct ipc_request *r, const Profd__V1__Request *m, int *fds, size_t n_fds)
{
	struct profd *p = userdata;

	switch (m->body_case) {
	case PROFD__V1__REQUEST__BODY_ATTACH:
		attach(p, r, m->attach, fds, n_fds);
		break;
	case PROFD__V1__REQUEST__BODY_DETACH:
		detach(p, r, m->detach, fds, n_fds);
		break;
	case PROFD__V1__REQUEST__BODY_LIST:
		list_reply(p, r, m->list->all);
		break;
	case PROFD__V1__REQUEST__BODY_STATUS:
		status_reply(p, r, m->status->features);
		break;
	case PROFD__V1__REQUEST__BODY_DUMP:
		dumps_start(p, r, m->dump, fds, n_fds);
		break;
	default:
		fail(r, -EINVAL, EXIT_CODE_USAGE, "this daemon does not know that request");
	}
}

static void on_cancelled(void *userdata, struct ipc_request *r, bool finish, bool gone)
{
	struct pending *pending = ipc_request_userdata(r);
	(void)userdata;
	if (pending)
		pending->cancel(pending, finish, gone);
}

static void on_closed(void *userdata, uint64_t connection)
{
	struct profd *p = userdata;
	struct attachment *a;
	for (size_t i = 0; (a = attachment_table_at(p->attachments, i));) {
		if (a->connection == connection && !a->transient && a->on)
			follow_detach(p, a);
		else
			i++;
	}
}

const struct ipc_handlers request_handlers = {
	.request = on_request,
	.cancelled = on_cancelled,
	.closed = on_closed,
	.version = "profd " PROFD_VERSION,
};
