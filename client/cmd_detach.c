/* SPDX-License-Identifier: Apache-2.0 */
/* profctl detach. */
#include <assert.h>
#include <errno.h>
#include "base/io.h"
#include "client/commands.h"
#include "client/remote.h"
#include "client/show.h"

struct detach_options {
	struct target_args target;
	const char *socket;
	bool json;
};

static void detach_options_deinit(struct detach_options *o)
{
	target_args_deinit(&o->target);
}

static int parse(struct detach_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("detach"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		if (id < 0)
			return id;
		if (id == OPTION_SOCKET)
			o->socket = options.value;
		else if (id == OPTION_JSON)
			o->json = true;
		else if ((r = target_args_option(&o->target, id, options.value, error)) < 0)
			return r;
		else
			assert(r > 0); /* what is in the table is understood */
	}
	if (target_args_empty(&o->target))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"detach needs a target, as it was attached; see: profctl ps");
	return 0;
}

static int print(const struct detach_options *o, const Profd__V1__DetachReply *reply)
{
	json_t *list;

	if (o->json) {
		list = json_array();
		for (size_t i = 0; i < reply->n_detached; i++)
			json_array_append_new(list, show_json_attachment(reply->detached[i]));
		return show_json(json_pack("{s:o}", "detached", list));
	}
	for (size_t i = 0; i < reply->n_detached; i++) {
		const Profd__V1__Attachment *a = reply->detached[i];
		char target[512];

		printf("detached %s, %llu sample%s\n",
			io_printable(a->target, target, sizeof(target)),
			(unsigned long long)a->samples, a->samples == 1 ? "" : "s");
	}
	return EXIT_CODE_OK;
}

int cmd_detach(int argc, char **argv)
{
	CLEANUP(detach_options_deinit) struct detach_options o = { .target = TARGET_ARGS_INIT };
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	CLEANUP(remote_freep) struct remote *r = NULL;
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__DetachRequest detach = PROFD__V1__DETACH_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	struct error error = ERROR_INIT;
	struct target_message message;

	if (parse(&o, argc, argv, &error) < 0 || target_args_open(&o.target, false, &error) < 0 ||
		remote_connect(o.socket, &r, &error) < 0)
		return complain(&error);
	target_args_message(&o.target, &message);
	detach.target = &message.wire;
	request.body_case = PROFD__V1__REQUEST__BODY_DETACH;
	request.detach = &detach;
	if (remote_call(r, &request, &message, PROFD__V1__REPLY__BODY_DETACH, &wait, &reply, NULL,
		    &error) < 0)
		return complain(&error);
	return print(&o, reply->detach);
}
