/* SPDX-License-Identifier: Apache-2.0 */
/* systemd: readiness, watchdog, status, socket activation. All no-ops outside of a unit. */
#ifndef PROFD_SERVICE_NOTIFY_H
#define PROFD_SERVICE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

void notify_ready(const char *status);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notify_stopping(void);
/* Feeds WATCHDOG=1 at half the unit's period, but only while alive() returned true since the last
 * time: progress of the loop and the drain, not a bare timer. 0 or -errno. *ret may be NULL'ed by
 * the unit having no watchdog. */
struct notify_watchdog;
int notify_watchdog_new(struct notify_watchdog **ret, sd_event *event,
	bool (*alive)(void *userdata), void *userdata);
struct notify_watchdog *notify_watchdog_free(struct notify_watchdog *w);
/* The socket-activated listening fd, or -1. */
int notify_listen_fd(void);

#endif
