/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a dump brought. The memfd must be sealed against shrinking and writing: then it can be
 * mapped without trusting its sender.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/fetch.h"
#include "client/progress.h"

#define FETCH_SEALS (F_SEAL_SHRINK | F_SEAL_WRITE)

void fetched_deinit(struct fetched *f)
{
	if (f->data)
		munmap(f->data, f->n);
	reply_free(f->reply);
	*f = (struct fetched)FETCHED_INIT;
}

static void on_progress(void *userdata, const Profd__V1__Progress *p)
{
	(void)userdata;
	progress_draw(p->done_ns, p->total_ns, p->text);
}

static int map_profile(int fd, struct fetched *f, struct error *error)
{
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
	void *data;
	size_t n;

	if (seals < 0 || (seals & FETCH_SEALS) != FETCH_SEALS ||
		io_regular_size(fd, LIMIT_PROFILE_BYTES, &n) < 0 || n == 0)
		return error_set(error, -EPROTO, EXIT_CODE_FAILED,
			"the daemon's answer holds no sealed profile; is it another version? See: "
			"profd --version");
	data = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return error_set(error, -errno, EXIT_CODE_FAILED, "cannot map the profile: %s",
			strerror(errno));
	f->data = data;
	f->n = n;
	return 0;
}

int fetch_profile_waiting(struct remote *r, Profd__V1__DumpRequest *dump,
	const struct target_message *target, struct remote_wait wait, struct fetched *ret,
	struct error *error)
{
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	CLEANUP(fetched_deinit) struct fetched f = FETCHED_INIT;
	_cleanup_close_ int fd = -1;
	int n;

	wait.silence_ms = LIMIT_ENCODE_DEADLINE_MS + LIMIT_SYMBOL_DEADLINE_MS +
			  (int)MIN(dump->seconds_ns / NS_PER_MS, (uint64_t)INT32_MAX / 2);
	request.body_case = PROFD__V1__REQUEST__BODY_DUMP;
	request.dump = dump;
	n = remote_call(
		r, &request, target, PROFD__V1__REPLY__BODY_DUMP, &wait, &f.reply, &fd, error);
	if (n < 0)
		return n;
	n = map_profile(fd, &f, error);
	if (n < 0)
		return n;
	*ret = f;
	f = (struct fetched)FETCHED_INIT;
	return 0;
}

int fetch_profile(struct remote *r, Profd__V1__DumpRequest *dump,
	const struct target_message *target, struct fetched *ret, struct error *error)
{
	struct remote_wait wait = { .interrupts = true, .progress = on_progress };
	int n = fetch_profile_waiting(r, dump, target, wait, ret, error);

	progress_clear();
	return n;
}

void fetched_describe(const struct fetched *f, const char *path)
{
	const Profd__V1__DumpReply *d = f->reply->dump;
	char from[64], to[64], text[512];

	fprintf(stderr, "%s%s%s%llu sample%s, %s to %s\n", path ? "wrote " : "", path ? path : "",
		path ? ": " : "", (unsigned long long)d->samples, d->samples == 1 ? "" : "s",
		clock_format_point(d->from_wall_ns, from, sizeof(from)),
		clock_format_point(d->to_wall_ns, to, sizeof(to)));
	for (size_t i = 0; i < d->n_notes; i++)
		fprintf(stderr, "note: %s\n", io_printable(d->notes[i], text, sizeof(text)));
}
