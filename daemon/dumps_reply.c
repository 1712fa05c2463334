/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to a dump: the profile with its comments and notes; or that there is none, why, and
 * what would collect it.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "comments.h"
#include "dumps.h"

#define MAX_NOTES 32

static const char *type_name(const struct dump_job *j)
{
	return profile_type_info(j->type)->name;
}

static struct comments_of comments_of(const struct dump_job *j)
{
	return (struct comments_of){
		.profd = j->profd,
		.type = j->type,
		.privileged = authz_privileged(&j->peer),
	};
}

/* ---- nothing ---- */

/* What cpu says of itself is older than the other types. */
static const char *nothing_collected(struct profd *p)
{
	return attachment_table_at(p->attachments, 0)
		       ? "what is collected does not cover it (profctl ps); `--seconds 10` "
			 "collects it now"
		       : "nothing is collected; `profctl attach --pid PID` or `--seconds 10` "
			 "collects it";
}

static const char *nothing_happened(enum profile_type type)
{
	switch (type) {
	case PROFILE_CPU:
		return "used CPU";
	case PROFILE_MUTEX:
		return "woke a thread that waited for a lock";
	case PROFILE_THREADCREATE:
		return "has a thread that lives";
	default:
		return "waited";
	}
}

/* Types that attachments collect now, of those that the peer may know of. */
static uint32_t collected(const struct dump_job *j)
{
	const struct attachment *a;
	uint32_t types = 0;

	for (size_t i = 0; (a = attachment_table_at(j->profd->attachments, i)); i++)
		if (a->on && authz_allows(&j->peer, AUTHZ_LIST, a->owner_uid))
			types |= a->types;
	return types;
}

static void error_not_collected(const struct dump_job *j, const char *of, const char *target,
	uint32_t types, struct error *error)
{
	char names[TYPES_TEXT], have[TYPES_TEXT + 16] = "";
	const char *name = type_name(j);
	const char *whole = authz_privileged(&j->peer) ? "--all" : "--pid PID";

	if (types)
		snprintf(have, sizeof(have), " (only %s)",
			types_format(types, names, sizeof(names)));
	error_set(error, -ENODATA, EXIT_CODE_EMPTY,
		"no %s samples%s%s: %s is not collected%s; `profctl attach %s --type %s` collects "
		"it from then on, `--seconds 10` now",
		name, of, target, name, have, *target ? target : whole, name);
}

static void reply_empty(struct dump_job *j, const struct dump_result *result)
{
	struct error error = ERROR_INIT;
	const struct attachment *a = attachment_table_by_id(j->profd->attachments, j->attachment);
	const struct target_spec *spec = a ? &a->target : &j->target;
	_cleanup_free_ char *target = target_spec_format(spec);
	_cleanup_free_ char *left_out = result ? comments_left_out(result->left_out_ns) : NULL;
	const char *of = target && *target ? " of " : "", *name = type_name(j);
	uint32_t types = collected(j);

	if (!target)
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	else if (left_out && *left_out)
		error_set(&error, -ENODATA, EXIT_CODE_EMPTY, "no %s samples%s%s: %.*s", name, of,
			target, (int)strcspn(left_out, "\n"), left_out);
	else if (a && !types_serve(a->types, j->type))
		error_not_collected(j, of, target, a->types, &error);
	else if (j->seconds_ns || j->attachment_bits)
		error_set(&error, -ENODATA, EXIT_CODE_EMPTY,
			"no %s samples%s%s: nothing %s %s in that time", name, of, target,
			spec->n_pids || spec->all ? "of it" : "that matches",
			nothing_happened(j->type));
	else if (j->type == PROFILE_CPU)
		error_set(&error, -ENODATA, EXIT_CODE_EMPTY, "no cpu samples%s%s in that span: %s",
			of, target, nothing_collected(j->profd));
	else if (!types_serve(types, j->type))
		error_not_collected(j, of, target, types, &error);
	else
		error_set(&error, -ENODATA, EXIT_CODE_EMPTY,
			"no %s samples%s%s in that span: nothing %s, or what is collected does not "
			"cover it (profctl ps); `--seconds 10` collects it now",
			name, of, target, nothing_happened(j->type));
	dump_job_fail(j, &error);
}

/* ---- the profile ---- */

static void on_dumped(void *userdata, int error, struct dump_result *result)
{
	struct dump_job *j = userdata;

	j->dump = NULL;
	if (error == -ENODATA) {
		reply_empty(j, result);
		return;
	}
	if (error < 0) {
		struct error e = ERROR_INIT;
		error_set(&e, error, EXIT_CODE_FAILED, "the profile could not be written: %s",
			strerror(-error));
		dump_job_fail(j, &e);
		return;
	}
	int64_t wall = (int64_t)(clock_wall_ns() - clock_monotonic_ns());
	struct comments_of of = comments_of(j);
	_cleanup_free_ char *notes =
		comments_notes(&of, result, j->skewed, j->hints ? j->hints : "");
	char *note[MAX_NOTES];
	Profd__V1__DumpReply dump = PROFD__V1__DUMP_REPLY__INIT;
	dump.from_wall_ns = result->from_ns + (uint64_t)wall;
	dump.to_wall_ns = result->until_ns + (uint64_t)wall;
	dump.samples = result->samples;
	dump.bytes = result->bytes;
	dump.notes = note;
	dump.n_notes = comments_split(notes, note, MAX_NOTES);
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	reply.body_case = PROFD__V1__REPLY__BODY_DUMP;
	reply.dump = &dump;
	if (j->request)
		ipc_request_reply(j->request, &reply, TAKE_FD(result->fd));
	j->request = NULL;
	dump_job_free(j);
}

static char *on_comments(void *userdata, const struct dump *d)
{
	struct dump_job *j = userdata;
	struct comments_of of = comments_of(j);
	struct dump_result left_out = { 0 };

	free(j->hints);
	j->hints = comments_hints(&of, dump_selection(d));
	if (!j->hints)
		return NULL;
	j->skewed = comments_skewed(&of, dump_selection(d));
	dump_left_out(d, &left_out);
	return comments_profile(&of, dump_selection(d), &left_out, j->skewed, j->hints);
}

void dump_job_write(struct dump_job *j)
{
	struct profd *p = j->profd;
	struct dump_rooms rooms = {
		.event = p->event,
		.aggregate = p->aggregate,
		.processes = p->processes,
		.modules = p->modules,
		.symbolizer = p->symbolizer,
		.strings = &p->strings,
		.encoder = p->encoder,
	};
	struct dump_request request = {
		.type = j->type,
		.states = j->states,
		.threads = j->threads,
		.n_threads = j->n_threads,
		.from_ns = MAX(j->from_ns, j->attachment_since_ns),
		.until_ns = j->until_ns,
		.slots = j->slots,
		.kernel_addresses = authz_allows(&j->peer, AUTHZ_KERNEL_ADDRESSES, j->peer.uid),
		.wakers = authz_privileged(&j->peer),
		.matches = dump_job_matches,
		.comments = on_comments,
		.userdata = j,
	};
	int r = dump_new(&j->dump, &rooms, &request, on_dumped, j);
	if (r < 0) {
		struct error error = ERROR_INIT;
		error_set(&error, r, EXIT_CODE_FAILED, "cannot make a dump: %s", strerror(-r));
		dump_job_fail(j, &error);
	}
}
