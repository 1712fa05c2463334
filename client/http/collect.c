/* SPDX-License-Identifier: Apache-2.0 */
/* Owns how the daemon is asked for the profile of a request, and for how long. */
#include "http/collect.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "client/load.h"
#include "profile/merge.h"
#include "profile/pprof.h"
#include "profile/types.h"

#define NEXT_SECONDS 5U
#define NOW_NS	     NS_PER_MS
#define DEFAULT_HZ   99

bool collect_has(struct remote *r, const char *type)
{
	const Profd__V1__HelloReply *h = remote_hello(r);

	for (size_t i = 0; i < h->n_types; i++)
		if (!strcmp(h->types[i], type))
			return true;
	return false;
}

static void on_progress(void *userdata, const Profd__V1__Progress *p)
{
	struct caller *c = userdata;

	(void)p;
	if (c->from->gone(c->from->userdata))
		(void)shutdown(remote_fd(c->remote), SHUT_RDWR);
}

static int collect_span(struct caller *c, const struct route *r, uint64_t span_ns,
	uint64_t recent_ns, struct fetched *ret, struct error *error)
{
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	struct remote_wait wait = { .progress = on_progress, .userdata = c };
	struct target_message message;

	target_args_message(&r->target, &message);
	dump.type = (char *)r->name;
	dump.target = &message.wire;
	dump.states = (char **)r->waits.states;
	dump.n_states = r->waits.n_states;
	dump.seconds_ns = span_ns;
	if (recent_ns)
		dump.since_wall_ns = clock_wall_ns() - recent_ns;
	return fetch_profile_waiting(c->remote, &dump, &message, wait, ret, error);
}

int collect(struct caller *c, const struct route *r, uint64_t seconds, uint64_t recent_ns,
	struct fetched *ret, struct error *error)
{
	return collect_span(c, r, seconds * NS_PER_SEC, recent_ns, ret, error);
}

bool collect_is_of_now(const struct route *r)
{
	return !strcmp(r->name, profile_type_info(PROFILE_THREADCREATE)->name);
}

int collect_held(struct caller *c, const struct route *r, uint64_t recent_ns, struct fetched *ret,
	struct error *error)
{
	struct error none = ERROR_INIT;
	int n = collect(c, r, 0, recent_ns, ret, &none);

	if (n < 0 && none.code == EXIT_CODE_EMPTY)
		return collect_span(c, r, collect_is_of_now(r) ? NOW_NS : NEXT_SECONDS * NS_PER_SEC,
			0, ret, error);
	if (n < 0)
		*error = none;
	return n;
}

static int fetch_decoded(struct caller *c, const struct route *r, uint64_t span_ns,
	struct profile **ret, struct error *error)
{
	CLEANUP(fetched_deinit) struct fetched f = FETCHED_INIT;
	int n = collect_span(c, r, span_ns, 0, &f, error);

	return n < 0 ? n : pprof_decode(f.data, f.n, ret, error);
}

static void negate(struct profile *p)
{
	ARRAY_EACH(&p->values, int64_t, value)
		*value = -*value;
}

int collect_started(
	struct caller *c, const struct route *r, struct profile **ret, struct error *error)
{
	CLEANUP(profile_freep) struct profile *before = NULL;
	CLEANUP(profile_freep) struct profile *after = NULL;
	CLEANUP(profile_freep) struct profile *sum = NULL;
	struct error none = ERROR_INIT;
	int n = fetch_decoded(c, r, NOW_NS, &before, &none);

	if (n < 0 && none.code != EXIT_CODE_EMPTY) {
		*error = none;
		return n;
	}
	n = fetch_decoded(c, r, r->seconds * NS_PER_SEC, &after, error);
	if (n == 0)
		n = profile_new(&sum);
	if (n == 0)
		n = profile_merge(sum, after, error);
	if (n == 0 && before) {
		negate(before);
		before->comments.n = 0; /* of a moment that nobody asked for */
		n = profile_merge(sum, before, error);
	}
	if (n < 0)
		return n;
	profile_drop_zeros(sum);
	sum->time_nanos = after->time_nanos;
	sum->duration_nanos = (int64_t)(r->seconds * NS_PER_SEC);
	*ret = TAKE_PTR(sum);
	return 0;
}

int collect_nothing(const struct route *r, uint64_t from_ns, const char *why, struct profile **ret)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	int type = profile_type_find(r->name), n = type < 0 ? type : profile_new(&p);
	const struct profile_type_info *info;

	if (n < 0)
		return n;
	info = profile_type_info((enum profile_type)type);
	for (size_t i = 0; i < ARRAY_SIZE(info->type) && info->type[i] && n == 0; i++)
		n = profile_add_type(p, info->type[i], info->unit[i]);
	if (n == 0)
		n = profile_set_period(p, info->period_type, info->period_unit,
			type == PROFILE_CPU ? NS_PER_SEC / DEFAULT_HZ : 1);
	if (n == 0)
		n = profile_add_comment(p, "%s", why);
	if (n < 0)
		return n;
	p->time_nanos = (int64_t)from_ns;
	p->duration_nanos = (int64_t)(r->seconds * NS_PER_SEC);
	*ret = TAKE_PTR(p);
	return 0;
}
