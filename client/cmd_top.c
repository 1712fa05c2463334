/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profctl top: what runs now, renewed every interval. Owns what is looked at and what keys do; the
 * profile of the last interval is kept, so that another look at it asks nobody.
 */
#include <assert.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/load.h"
#include "live/draw.h"
#include "live/feed.h"
#include "live/screen.h"
#include "profile/pprof.h"

#define DEFAULT_INTERVAL_NS (2 * NS_PER_SEC)
#define MIN_INTERVAL_NS	    (100 * NS_PER_MS)
#define PLAIN_ROWS	    20U
#define MAX_DEPTH	    32U
#define FILTER_BYTES	    64U

struct top_options {
	struct attach_options common; /* target, type, socket */
	uint64_t interval_ns;
	uint64_t lines;
	enum rows_by by;
	bool cum;
};

/* What Enter went into. */
struct step {
	enum rows_by by;
	int64_t pid, tid;
	char *function, *state, *text; /* owned */
};

struct top {
	struct top_options *o;
	struct portion portion; /* the last one */
	struct rows rows;
	struct history history;
	enum rows_by by;
	bool cum, paused, typing, ended;
	char filter[FILTER_BYTES], typed[FILTER_BYTES], target[256];
	struct step steps[MAX_DEPTH];
	unsigned depth;
	size_t selected;
	struct feed *feed; /* borrowed */
};

static int take_by(enum rows_by *by, const char *value, struct error *error)
{
	for (size_t i = 0; rows_by_names[i]; i++) {
		if (!strcmp(rows_by_names[i], value)) {
			*by = (enum rows_by)i;
			return 1;
		}
	}
	return unknown_word("value of --by", value, rows_by_names, error);
}

static int take_interval(struct top_options *o, const char *value, struct error *error)
{
	int r = parse_duration(value, "--interval", &o->interval_ns, error);

	if (r == 0 && (o->interval_ns < MIN_INTERVAL_NS || o->interval_ns > 3600 * NS_PER_SEC))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad --interval '%.60s': 100ms to 1h is needed", value);
	return r ?: 1;
}

static int parse(struct top_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("top"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = MIN(id, 1);
		if (id == OPTION_INTERVAL)
			r = take_interval(o, options.value, error);
		else if (id == OPTION_BY)
			r = take_by(&o->by, options.value, error);
		else if (id == OPTION_CUM)
			o->cum = true;
		else if (id == OPTION_LINES)
			r = parse_number(options.value, "--lines", 1, ROWS_MAX, &o->lines, error)
				    ?: 1;
		else if (id > 0)
			r = attach_option(&o->common, id, options.value, error);
		if (r < 0)
			return r;
		assert(r > 0); /* what is in the table is understood */
	}
	r = attach_check_type(&o->common, "top shows", error);
	return r < 0 ? r : target_args_open(&o->common.target, false, error);
}

/* ---- what is shown ---- */

static const struct step *last_step(const struct top *t)
{
	return t->depth ? &t->steps[t->depth - 1] : NULL;
}

/* Counts the last portion again, as it is looked at now. */
static int look(struct top *t, bool fresh)
{
	const struct step *step = last_step(t);
	struct rows_focus focus = { .pid = step ? step->pid : 0,
		.tid = step ? step->tid : 0,
		.state = step ? step->state : NULL,
		.function = step ? step->function : NULL };
	int r;

	rows_deinit(&t->rows);
	r = rows_init(&t->rows, t->portion.profile, NULL, t->by, &focus);
	if (r < 0)
		return r;
	if (fresh) {
		history_advance(&t->history, clock_monotonic_ns());
		ARRAY_EACH(&t->rows.all, struct row, row)
			history_add(&t->history, row->name, row->flat, row->cum);
	}
	rows_select(&t->rows, t->cum, t->filter);
	t->selected = t->rows.all.n ? MIN(t->selected, t->rows.all.n - 1) : 0;
	return 0;
}

/* Other rows than before: their history begins now. */
static int look_elsewhere(struct top *t)
{
	history_clear(&t->history);
	t->selected = 0;
	return look(t, true);
}

static void describe(const struct top *t, struct draw *ret)
{
	const struct step *step = last_step(t);

	*ret = (struct draw){
		.rows = &t->rows,
		.history = &t->history,
		.target = t->target,
		.type = t->o->common.types.names[0],
		.by = t->by,
		.filter = t->filter,
		.typed = t->typing ? t->typed : NULL,
		.focus = step ? step->text : "",
		.callers = step && step->function,
		.note = !t->portion.span_ns || t->portion.profile      ? ""
			: type_has_states(t->o->common.types.names[0]) ? "nothing waited"
								       : "nothing was sampled",
		.cum = t->cum,
		.paused = t->paused,
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.span_ns = t->portion.span_ns,
		.selected = t->selected,
	};
}

static int show_screen(const struct top *t)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	struct draw d;

	if (!out)
		return -ENOMEM;
	describe(t, &d);
	screen_size(&d.width, &d.height);
	draw_screen(&d, out);
	if (fclose(out))
		return -ENOMEM;
	return io_write_full(STDOUT_FILENO, text, n);
}

/* ---- keys ---- */

static void step_deinit(struct step *s)
{
	free(s->function);
	free(s->state);
	free(s->text);
	*s = (struct step){ .pid = 0 };
}

static int go_into(struct top *t)
{
	struct step s = { .by = t->by };
	const struct step *last = last_step(t);
	const struct row *row;

	if (t->selected >= t->rows.all.n || t->depth >= MAX_DEPTH)
		return 0;
	row = ARRAY_AT(&t->rows.all, struct row, t->selected);
	s.pid = last ? last->pid : 0;
	s.tid = last ? last->tid : 0;
	s.state = last && last->state ? strdup(last->state) : NULL;
	if (t->by == ROWS_FUNCTION) {
		s.function = strdup(row->name);
	} else if (t->by == ROWS_STATE) {
		s.state = strdup(row->state);
	} else {
		s.pid = row->pid;
		s.tid = row->tid;
	}
	s.text = strdup(row->name);
	if (!s.text || (t->by == ROWS_FUNCTION && !s.function) ||
		(!s.state && (t->by == ROWS_STATE || (last && last->state)))) {
		step_deinit(&s);
		return -ENOMEM;
	}
	t->steps[t->depth++] = s;
	t->by = ROWS_FUNCTION;
	return look_elsewhere(t);
}

static int go_back(struct top *t)
{
	if (!t->depth)
		return 0;
	t->by = t->steps[--t->depth].by;
	step_deinit(&t->steps[t->depth]);
	return look_elsewhere(t);
}

static int show_by(struct top *t, enum rows_by by)
{
	while (t->depth)
		step_deinit(&t->steps[--t->depth]);
	t->by = by;
	return look_elsewhere(t);
}

static int type_filter(struct top *t, int key)
{
	size_t n = strlen(t->typed);

	if (key == KEY_ESCAPE || key == KEY_ENTER)
		t->typing = false;
	if (key == KEY_ENTER)
		strcpy(t->filter, t->typed);
	else if (key == KEY_BACK && n)
		t->typed[n - 1] = '\0';
	else if (key >= ' ' && key < 256 && n + 1 < sizeof(t->typed))
		t->typed[n] = (char)key, t->typed[n + 1] = '\0';
	return key == KEY_ENTER ? look(t, false) : 0;
}

static void move(struct top *t, long by)
{
	long n = (long)t->rows.all.n, at = (long)t->selected + by;

	t->selected = (size_t)(n == 0 || at < 0 ? 0 : MIN(at, n - 1));
}

static int move_key(struct top *t, int key)
{
	unsigned width, height;

	screen_size(&width, &height);
	switch (key) {
	case KEY_UP:
	case 'k':
		move(t, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move(t, 1);
		break;
	case KEY_PAGE_UP:
		move(t, -(long)MAX(height, 5U) + 4);
		break;
	case KEY_PAGE_DOWN:
		move(t, (long)MAX(height, 5U) - 4);
		break;
	case KEY_HOME:
		t->selected = 0;
		break;
	case KEY_END:
		move(t, (long)t->rows.all.n);
		break;
	default:
		break;
	}
	return 0;
}

static int take_key(struct top *t, int key)
{
	if (key == KEY_QUIT || (key == 'q' && !t->typing)) {
		t->ended = true;
		return 0;
	}
	if (key == KEY_SUSPEND) {
		screen_suspend();
		return 0;
	}
	if (t->typing)
		return type_filter(t, key);
	switch (key) {
	case ' ':
		t->paused = !t->paused;
		feed_pause(t->feed, t->paused);
		return 0;
	case 'c':
	case 's':
		t->cum = !t->cum;
		return look(t, false);
	case 'f':
		return show_by(t, ROWS_FUNCTION);
	case 't':
		return show_by(t, ROWS_THREAD);
	case 'p':
		return show_by(t, ROWS_PROCESS);
	case 'w':
		return show_by(t, ROWS_STATE);
	case '/':
		t->typing = true;
		t->typed[0] = '\0';
		return 0;
	case KEY_ENTER:
	case KEY_RIGHT:
		return go_into(t);
	case KEY_BACK:
	case KEY_LEFT:
	case KEY_ESCAPE:
		return go_back(t);
	default:
		return move_key(t, key);
	}
}

static int take_input(struct top *t)
{
	char buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
	size_t used;
	int r = 0;

	/* The terminal is gone. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		t->ended = true;
	for (ssize_t at = 0; at < n && r == 0 && !t->ended; at += (ssize_t)used)
		r = take_key(t, key_decode(buf + at, (size_t)(n - at), &used));
	return r;
}

/* ---- the course ---- */

static int take_portion(struct top *t, struct error *error)
{
	struct portion p;

	if (!feed_take(t->feed, &p))
		return 0;
	if (p.error.code) {
		*error = p.error;
		return -EREMOTEIO;
	}
	profile_free(t->portion.profile);
	t->portion = p;
	return look(t, true);
}

static int resize_fd(void)
{
	sigset_t resized;

	sigemptyset(&resized);
	sigaddset(&resized, SIGWINCH);
	if (sigprocmask(SIG_BLOCK, &resized, NULL) < 0)
		return -errno;
	return signalfd(-1, &resized, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_screen(struct top *t, int resized, struct error *error)
{
	struct pollfd p[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = feed_fd(t->feed), .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
		{ .fd = resized, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	int r = screen_enter();

	while (r == 0 && !t->ended) {
		r = show_screen(t);
		if (r < 0 || (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR))
			break;
		if (p[2].revents)
			break;
		if (p[3].revents)
			(void)!read(resized, &info, sizeof(info));
		if (p[1].revents)
			r = take_portion(t, error);
		if (p[0].revents && r == 0)
			r = take_input(t);
	}
	screen_leave();
	return r;
}

/* Tables as text: one to a pipe, one an interval to a terminal that cannot draw. */
static int run_plain(struct top *t, struct error *error)
{
	struct pollfd p[] = {
		{ .fd = feed_fd(t->feed), .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
	};
	struct draw d;

	for (;;) {
		int r;

		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents)
			return 0;
		r = p[0].revents ? take_portion(t, error) : 0;
		if (r < 0)
			return r;
		if (!t->portion.span_ns)
			continue;
		describe(t, &d);
		draw_plain(&d, t->o->lines ? t->o->lines : PLAIN_ROWS, stdout);
		if (!isatty(STDOUT_FILENO) || fflush(stdout))
			return 0;
		(void)putchar('\n');
	}
}

static void top_deinit(struct top *t)
{
	while (t->depth)
		step_deinit(&t->steps[--t->depth]);
	rows_deinit(&t->rows);
	history_deinit(&t->history);
	profile_free(t->portion.profile);
}

static int run(struct top_options *o, struct error *error)
{
	CLEANUP(feed_freep) struct feed *feed = NULL;
	CLEANUP(top_deinit)
	struct top t = { .o = o, .by = o->by, .cum = o->cum, .rows = ROWS_INIT };
	_cleanup_close_ int resized = resize_fd();
	char text[1024];
	int r;

	history_init(&t.history);
	target_args_text(&o->common.target, text, sizeof(text));
	io_printable(*text ? text : "everything", t.target, sizeof(t.target));
	(void)hash_seed(); /* drawn before there is a thread */
	r = feed_new(&feed, &o->common, o->interval_ns, error);
	if (r < 0)
		return r;
	t.feed = feed;
	return screen_possible() ? run_screen(&t, resized, error) : run_plain(&t, error);
}

static void top_options_deinit(struct top_options *o)
{
	attach_options_deinit(&o->common);
}

int cmd_top(int argc, char **argv)
{
	CLEANUP(top_options_deinit)
	struct top_options o = {
		.common = ATTACH_OPTIONS_INIT,
		.interval_ns = DEFAULT_INTERVAL_NS,
	};
	struct error error = ERROR_INIT;
	int r;

	(void)setlocale(LC_CTYPE, "");
	r = parse(&o, argc, argv, &error);
	if (r == 0) {
		interrupt_open();
		r = run(&o, &error);
	}
	if (r < 0 && !error.code)
		error_set(&error, r, EXIT_CODE_FAILED, "cannot show: %s", strerror(-r));
	return r < 0 ? complain(&error) : EXIT_CODE_OK;
}
