/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon that says what a test tells it to, in a process of its own, and remembers what it was
 * asked; and profctl in a child with its streams captured.
 */
#ifndef PROFD_TESTS_FAKE_DAEMON_H
#define PROFD_TESTS_FAKE_DAEMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "base/io.h"
#include "client/verb.h"
#include "profile/pprof.h"
#include "wire/frame.h"

struct fake {
	/* what to do */
	uint32_t fail_code; /* error to every request but hello; 0: none */
	char fail_text[128];
	uint32_t fail_dump_code; /* error to dumps only */
	char empty_type[32];	 /* error to dumps of this type only: there is nothing */
	bool hang_dump;		 /* answer a dump only after a cancel */
	bool hang_up_on_dump;	 /* close instead of answering */
	bool unsealed;
	bool updated;
	bool singular;		    /* there is one of what is counted */
	bool no_rate;		    /* what is attached waits, and is not sampled */
	char attached_target[64];   /* of its attachment, which is ours; "": another's */
	uint64_t big_profile_bytes; /* not a profile at all, of this size */
	/* what was seen */
	uint32_t n_attach, n_detach, n_dump, n_cancel, n_connections;
	bool cancel_finish, until_disconnect, no_children, all, slots;
	uint32_t freq_hz, n_pids, n_fds, n_below, n_below_fds, pid, below_pid, n_types;
	bool target_alive_at_attach;
	char comm[64], type[32], unwind[16], event[32];
	char types[128], states[128]; /* of an attach and a dump, with commas between */
	uint64_t threshold_ns;
	bool threshold_all;
	uint64_t dump_attachment, since_wall_ns, until_wall_ns, seconds_ns, detach_id;
	char attached_comm[32]; /* of the attached pid, when the request came */
	/* of the harness */
	pid_t process;
	char dir[64], socket[96];
};

/* One function `main` in `/bin/app`, two samples. */
static inline int fake_profile(void)
{
	struct profile *p = NULL;
	uint32_t mapping, location, stack, text, file;
	struct profile_mapping m = { .start = 0x1000, .limit = 0x2000, .has_functions = true };
	struct profile_function f = { 0 };
	struct profile_line line = { 0 };
	int64_t values[2] = { 2, 20202020 };
	int fd = io_memfd("fake");

	if (profile_new(&p) < 0 || profile_add_type(p, "samples", "count") < 0 ||
		profile_add_type(p, "cpu", "nanoseconds") < 0 ||
		profile_set_period(p, "cpu", "nanoseconds", 10101010) < 0)
		_exit(90);
	profile_add_string(p, "/bin/app", &file);
	profile_add_string(p, "main_of_app", &text);
	m.file = file;
	profile_add_mapping(p, &m, &mapping);
	f.name = f.system_name = text;
	profile_add_function(p, &f, &line.function);
	profile_add_location(p, 0x1100, mapping, &line, 1, false, &location);
	profile_add_stack(p, &location, 1, &stack);
	profile_add_sample(p, stack, 0, values, false);
	if (fd < 0 || pprof_write(p, fd, 1) < 0)
		_exit(91);
	profile_free(p);
	return fd;
}

static inline void fake_answer(struct frame_out *out, int sock, Profd__V1__Reply *reply, int fd)
{
	if (frame_out_push(out, &reply->base, fd) < 0)
		_exit(92);
	while (!frame_out_empty(out) && frame_out_flush(out, sock) == 0)
		poll(NULL, 0, 1);
}

static inline void fake_join(char *buf, size_t size, char *const *words, size_t n)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < n && at < size; i++)
		at += snprintf(buf + at, size - at, "%s%s", i ? "," : "", words[i]);
}

static inline void fake_see_target(struct fake *f, const Profd__V1__Target *t, size_t n_fds)
{
	char path[64];
	int fd;

	if (!t)
		return;
	f->n_fds = n_fds;
	f->n_pids = t->n_pids;
	f->n_below = t->n_below_pids;
	f->n_below_fds = t->n_below_pidfds;
	f->no_children = t->no_children;
	f->all = t->all;
	f->pid = t->n_pids ? t->pids[0] : 0;
	f->below_pid = t->n_below_pids ? t->below_pids[0] : 0;
	snprintf(f->comm, sizeof(f->comm), "%s", t->n_comms ? t->comms[0] : "");
	snprintf(path, sizeof(path), "/proc/%u/comm", f->pid ? f->pid : f->below_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	memset(f->attached_comm, 0, sizeof(f->attached_comm));
	if (fd >= 0 && read(fd, f->attached_comm, sizeof(f->attached_comm) - 1) > 0)
		f->target_alive_at_attach = true;
	close_fd(fd);
}

static inline void fake_attachment(struct fake *f, Profd__V1__Attachment *a)
{
	static char target[] = "--pid 1\033[31m";
	static char *types[] = { (char *)"cpu" };

	profd__v1__attachment__init(a);
	a->id = 7;
	a->target = target;
	if (*f->attached_target) {
		a->target = f->attached_target;
		a->owner_uid = geteuid();
	}
	a->types = types;
	a->n_types = 1;
	a->freq_hz = f->no_rate ? 0 : f->freq_hz ? f->freq_hz : 99;
	a->threshold_ns = f->no_rate && !f->threshold_all ? 10000 : 0;
	a->threshold_all = f->threshold_all;
	a->event = (char *)"cpu-clock";
	a->state = (char *)"running";
	a->processes = 1;
	a->samples = f->singular ? 1 : 42;
	a->since_wall_ns = 1000000000ULL * 1700000000ULL;
}

static inline int fake_dump_fd(const struct fake *f)
{
	int fd;

	if (f->big_profile_bytes) {
		fd = io_memfd("fake");
		if (fd < 0 || ftruncate(fd, f->big_profile_bytes) < 0)
			_exit(93);
	} else {
		fd = fake_profile();
	}
	if (!f->unsealed)
		io_memfd_seal(fd);
	return fd;
}

static inline void fake_dump_reply(struct fake *f, struct frame_out *out, int sock, uint32_t id)
{
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	Profd__V1__DumpReply dump = PROFD__V1__DUMP_REPLY__INIT;
	Profd__V1__Reply progress_reply = PROFD__V1__REPLY__INIT;
	Profd__V1__Progress progress = PROFD__V1__PROGRESS__INIT;
	char *notes[] = { (char *)"3 samples were lost" };

	progress.done_ns = 1;
	progress.total_ns = 2;
	progress_reply.id = id;
	progress_reply.body_case = PROFD__V1__REPLY__BODY_PROGRESS;
	progress_reply.progress = &progress;
	fake_answer(out, sock, &progress_reply, -1);
	dump.samples = f->singular ? 1 : 2;
	dump.from_wall_ns = 1700000000000000000ULL;
	dump.to_wall_ns = 1700000060000000000ULL;
	dump.notes = notes;
	dump.n_notes = 1;
	reply.id = id;
	reply.body_case = PROFD__V1__REPLY__BODY_DUMP;
	reply.dump = &dump;
	fake_answer(out, sock, &reply, fake_dump_fd(f));
}

static inline void fake_fail(
	struct frame_out *out, int sock, uint32_t id, uint32_t code, char *text)
{
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	Profd__V1__ErrorReply error = PROFD__V1__ERROR_REPLY__INIT;

	error.code = code;
	error.text = text;
	reply.id = id;
	reply.body_case = PROFD__V1__REPLY__BODY_ERROR;
	reply.error = &error;
	fake_answer(out, sock, &reply, -1);
}

static inline void fake_see_dump(struct fake *f, const Profd__V1__DumpRequest *d, size_t n_fds)
{
	fake_see_target(f, d->target, n_fds);
	f->n_dump++;
	f->dump_attachment = d->attachment;
	f->since_wall_ns = d->since_wall_ns;
	f->until_wall_ns = d->until_wall_ns;
	f->seconds_ns = d->seconds_ns;
	f->slots = d->slots;
	f->threshold_ns = d->threshold_ns;
	f->threshold_all = d->threshold_all;
	fake_join(f->states, sizeof(f->states), d->states, d->n_states);
	snprintf(f->type, sizeof(f->type), "%s", d->type);
}

/* false: hang up. */
static inline bool fake_request(struct fake *f, const Profd__V1__Request *q, struct frame_out *out,
	int sock, size_t n_fds, uint32_t *waiting)
{
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	Profd__V1__HelloReply hello = PROFD__V1__HELLO_REPLY__INIT;
	Profd__V1__AttachReply attach = PROFD__V1__ATTACH_REPLY__INIT;
	Profd__V1__DetachReply detach = PROFD__V1__DETACH_REPLY__INIT;
	Profd__V1__ListReply list = PROFD__V1__LIST_REPLY__INIT;
	Profd__V1__StatusReply status = PROFD__V1__STATUS_REPLY__INIT;
	Profd__V1__EventSet sets[2] = { PROFD__V1__EVENT_SET__INIT, PROFD__V1__EVENT_SET__INIT };
	Profd__V1__EventSet *event_sets[] = { &sets[0], &sets[1] };
	Profd__V1__ProcessInfo process = PROFD__V1__PROCESS_INFO__INIT;
	Profd__V1__ProcessInfo *processes[] = { &process };
	Profd__V1__Attachment attachment;
	Profd__V1__Attachment *attachments[] = { &attachment };

	fake_attachment(f, &attachment);
	reply.id = q->id;
	if (q->body_case == PROFD__V1__REQUEST__BODY_CANCEL) {
		f->n_cancel++;
		f->cancel_finish = q->cancel->finish;
		if (*waiting && q->cancel->request_id == *waiting)
			fake_dump_reply(f, out, sock, *waiting);
		return true;
	}
	if (f->fail_code && q->body_case != PROFD__V1__REQUEST__BODY_HELLO) {
		fake_fail(out, sock, q->id, f->fail_code, f->fail_text);
		return true;
	}
	switch (q->body_case) {
	case PROFD__V1__REQUEST__BODY_HELLO:
		hello.version = q->hello->version;
		reply.body_case = PROFD__V1__REPLY__BODY_HELLO;
		reply.hello = &hello;
		break;
	case PROFD__V1__REQUEST__BODY_ATTACH:
		f->n_attach++;
		fake_see_target(f, q->attach->target, n_fds);
		f->freq_hz = q->attach->freq_hz;
		f->until_disconnect = q->attach->until_disconnect;
		f->n_types = q->attach->n_types;
		snprintf(f->type, sizeof(f->type), "%s", q->attach->types[0]);
		fake_join(f->types, sizeof(f->types), q->attach->types, q->attach->n_types);
		f->threshold_ns = q->attach->threshold_ns;
		f->threshold_all = q->attach->threshold_all;
		snprintf(f->unwind, sizeof(f->unwind), "%s", q->attach->unwind);
		snprintf(f->event, sizeof(f->event), "%s", q->attach->event);
		fake_attachment(f, &attachment);
		attach.attachment = &attachment;
		attach.updated = f->updated;
		reply.body_case = PROFD__V1__REPLY__BODY_ATTACH;
		reply.attach = &attach;
		break;
	case PROFD__V1__REQUEST__BODY_DETACH:
		f->n_detach++;
		f->detach_id = q->detach->id;
		detach.n_detached = 1;
		detach.detached = attachments;
		reply.body_case = PROFD__V1__REPLY__BODY_DETACH;
		reply.detach = &detach;
		break;
	case PROFD__V1__REQUEST__BODY_LIST:
		process.pid = 1;
		process.comm = (char *)"evil\033[2J";
		process.exe = (char *)"/sbin/init";
		process.runtime = (char *)"go1.19.8";
		list.processes = processes;
		list.n_processes = q->list->all;
		list.processes_left_out = f->singular ? 1 : 2;
		list.attachments = attachments;
		list.n_attachments = 1;
		reply.body_case = PROFD__V1__REPLY__BODY_LIST;
		reply.list = &list;
		break;
	case PROFD__V1__REQUEST__BODY_STATUS:
		status.version = (char *)"1.0.0";
		status.state = (char *)"ok";
		status.stuck_helpers = f->singular ? 1 : 2;
		sets[0].event = (char *)"cpu-clock";
		sets[0].freq_hz = 99;
		sets[1].event = (char *)"waits";
		sets[1].triggered = 12;
		sets[1].stored = 5;
		sets[1].filtered = 7;
		status.event_sets = event_sets;
		status.n_event_sets = 2;
		reply.body_case = PROFD__V1__REPLY__BODY_STATUS;
		reply.status = &status;
		break;
	default:
		fake_see_dump(f, q->dump, n_fds);
		if (f->hang_up_on_dump)
			return false;
		if (*f->empty_type && !strcmp(f->empty_type, q->dump->type))
			fake_fail(out, sock, q->id, EXIT_CODE_EMPTY, (char *)"nothing waited");
		else if (f->fail_dump_code)
			fake_fail(out, sock, q->id, f->fail_dump_code, f->fail_text);
		else if (f->hang_dump)
			*waiting = q->id;
		else
			fake_dump_reply(f, out, sock, q->id);
		return true;
	}
	fake_answer(out, sock, &reply, -1);
	return true;
}

static inline void fake_serve(struct fake *f, int sock)
{
	struct frame_in in = FRAME_IN_INIT;
	struct frame_out *out = NULL;
	uint32_t waiting = 0;
	bool go_on = frame_out_new(&out, 1 << 20) == 0;

	while (go_on) {
		struct pollfd p = { .fd = sock, .events = POLLIN };
		const uint8_t *bytes;
		size_t n;

		poll(&p, 1, -1);
		ssize_t got = frame_in_read(&in, sock);

		if (got == 0 || (got < 0 && got != -EAGAIN))
			break;
		while (go_on && frame_in_next(&in, &bytes, &n) == 1) {
			Profd__V1__Request *q = profd__v1__request__unpack(NULL, n, bytes);
			size_t n_fds = in.n_fds;
			int fds[WIRE_MAX_FDS];

			if (!q)
				_exit(94);
			if (n_fds && frame_in_take_fds(&in, fds, n_fds) == 0)
				for (size_t i = 0; i < n_fds; i++)
					close(fds[i]);
			go_on = fake_request(f, q, out, sock, n_fds, &waiting);
			profd__v1__request__free_unpacked(q, NULL);
		}
	}
	frame_in_deinit(&in);
	frame_out_free(out);
	close(sock);
}

/* Binds and serves, one connection after the other, until it is killed. Writes a byte to `ready`.
 */
static inline void fake_main(struct fake *f, const char *path, int ready)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 8) < 0)
		_exit(95);
	(void)!write(ready, "", 1);
	close(ready);
	for (;;) {
		int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock < 0)
			continue;
		f->n_connections++;
		fake_serve(f, sock);
	}
}

/* A folder of its own, made the current one. */
static inline struct fake *fake_new(void)
{
	struct fake *f =
		mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(f, MAP_FAILED);
	strcpy(f->dir, "/tmp/profctl-test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chdir(f->dir), 0);
	snprintf(f->socket, sizeof(f->socket), "%s/profd.sock", f->dir);
	setenv("PROFD_SOCKET", f->socket, 1);
	setenv("TMPDIR", f->dir, 1);
	setenv("TERM", "xterm", 1);
	return f;
}

static inline void fake_start(struct fake *f)
{
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	/* The struct is shared with it. */
	pid_t process = fork();
	assert_true(process >= 0);
	if (process == 0)
		fake_main(f, f->socket, ends[1]);
	f->process = process;
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
}

static inline void fake_free(struct fake *f)
{
	char command[128];

	if (f->process > 0) {
		kill(f->process, SIGKILL);
		waitpid(f->process, NULL, 0);
	}
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	munmap(f, sizeof(*f));
}

struct run {
	pid_t pid;
	int out_fd, err_fd;
	int code; /* 128+N for a signal */
	char *out, *err;
	size_t out_n, err_n;
};

static inline void run_free(struct run *r)
{
	free(r->out);
	free(r->err);
	r->out = r->err = NULL;
}

/* Starts profctl with the words of argv (NULL-terminated, argv[0] is the program's name). */
static inline void run_start(struct run *r, char **argv)
{
	int argc = 0;

	*r = (struct run){ .out_fd = io_memfd("out"), .err_fd = io_memfd("err") };
	while (argv[argc])
		argc++;
	fflush(NULL);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		dup2(r->out_fd, 1);
		dup2(r->err_fd, 2);
		exit(program_main(&profctl_program, NULL, argc, argv));
	}
}

static inline int run_end(struct run *r)
{
	int status;

	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	lseek(r->out_fd, 0, SEEK_SET);
	lseek(r->err_fd, 0, SEEK_SET);
	assert_int_equal(io_read_fd(r->out_fd, 1 << 26, &r->out, &r->out_n), 0);
	assert_int_equal(io_read_fd(r->err_fd, 1 << 26, &r->err, &r->err_n), 0);
	close(r->out_fd);
	close(r->err_fd);
	if (strstr(r->err, "Sanitizer"))
		fail_msg("%s", r->err);
	return r->code;
}

#define ARGV(...) ((char **)(const char *[]){ "profctl", __VA_ARGS__, NULL })
#define RUN(r, ...)                                \
	({                                         \
		run_start((r), ARGV(__VA_ARGS__)); \
		run_end(r);                        \
	})

/* What an error must be: one line, with the program's name, that names `part`. */
static inline void assert_one_line(const struct run *r, const char *part)
{
	if (!r->err_n || strncmp(r->err, "profctl: ", 9) ||
		strchr(r->err, '\n') != r->err + r->err_n - 1 || !strstr(r->err, part))
		fail_msg("not one line with '%s': \"%s\"", part, r->err);
}

static inline bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

#endif
