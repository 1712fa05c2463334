/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what profd tells systemd and what it inherits from it. Owns no state but the watchdog's
 * timer. Trusts its own environment (NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS), which the unit
 * sets.
 */
#include "service/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include "base/cleanup.h"

/* A failed send is not reported: nothing could be done about it, and the watchdog says it anyway.
 */
void notify_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *format, ...)
{
	char status[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(status, sizeof(status), format, args);
	va_end(args);
	/* A newline would begin another assignment. */
	for (char *p = status; *p; p++) {
		if ((unsigned char)*p < ' ')
			*p = '?';
	}
	(void)sd_notifyf(0, "STATUS=%s", status);
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

struct notify_watchdog {
	sd_event_source *timer; /* owned */
	uint64_t period_us;
	bool (*alive)(void *userdata);
	void *userdata; /* borrowed */
};

DEFINE_CLEANUP(struct notify_watchdog *, notify_watchdog_free)

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct notify_watchdog *w = userdata;
	uint64_t wait_us = w->period_us / 2, now_us = usec;
	int r;

	if (w->alive(w->userdata))
		(void)sd_notify(0, "WATCHDOG=1");
	else
		/* Progress that comes late, but in time, must still be seen in time. */
		wait_us = w->period_us / 16;
	(void)sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now_us);
	r = sd_event_source_set_time(source, now_us + wait_us);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int notify_watchdog_new(struct notify_watchdog **ret, sd_event *event,
	bool (*alive)(void *userdata), void *userdata)
{
	CLEANUP(notify_watchdog_freep) struct notify_watchdog *w = NULL;
	uint64_t period_us = 0;
	int r;

	r = sd_watchdog_enabled(0, &period_us);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret = NULL;
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->period_us = period_us;
	w->alive = alive;
	w->userdata = userdata;
	r = sd_event_add_time_relative(
		event, &w->timer, CLOCK_MONOTONIC, period_us / 2, period_us / 64, on_timer, w);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

struct notify_watchdog *notify_watchdog_free(struct notify_watchdog *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->timer);
	free(w);
	return NULL;
}

int notify_listen_fd(void)
{
	int n = sd_listen_fds(1), fd = -1;

	for (int i = SD_LISTEN_FDS_START; i < SD_LISTEN_FDS_START + n; i++) {
		if (fd < 0 && sd_is_socket_unix(i, SOCK_STREAM, 1, NULL, 0) > 0)
			fd = i;
		else
			(void)close_fd(i);
	}
	return fd;
}
