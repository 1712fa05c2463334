/* SPDX-License-Identifier: Apache-2.0 */
/* Owns how the daemon is asked for the profile of a request, and for how long. */
#include "http/collect.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "client/load.h"
#include "profile/types.h"

#define NEXT_SECONDS 5U
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

int collect(struct caller *c, const struct route *r, uint64_t seconds, uint64_t recent_ns,
	struct fetched *ret, struct error *error)
{
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	struct remote_wait wait = { .progress = on_progress, .userdata = c };
	struct target_message message;

	target_args_message(&r->target, &message);
	dump.type = (char *)r->name;
	dump.target = &message.wire;
	dump.states = (char **)r->waits.states;
	dump.n_states = r->waits.n_states;
	dump.seconds_ns = seconds * NS_PER_SEC;
	if (recent_ns)
		dump.since_wall_ns = clock_wall_ns() - recent_ns;
	return fetch_profile_waiting(c->remote, &dump, &message, wait, ret, error);
}

int collect_held(struct caller *c, const struct route *r, uint64_t recent_ns, struct fetched *ret,
	struct error *error)
{
	struct error none = ERROR_INIT;
	int n = collect(c, r, 0, recent_ns, ret, &none);

	if (n < 0 && none.code == EXIT_CODE_EMPTY)
		return collect(c, r, NEXT_SECONDS, 0, ret, error);
	if (n < 0)
		*error = none;
	return n;
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
