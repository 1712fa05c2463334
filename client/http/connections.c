/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the table. Looked through one by one: it is short, and asked a few times a request. */
#include <errno.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "http/connections.h"

void connections_init(struct connections *c)
{
	*c = (struct connections){ .n = 0 };
	pthread_mutex_init(&c->lock, NULL);
	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++)
		c->all[i].fd = -1;
}

void connections_deinit(struct connections *c)
{
	pthread_mutex_destroy(&c->lock);
}

static struct connection *find(struct connections *c, int fd)
{
	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++)
		if (c->all[i].fd == fd)
			return &c->all[i];
	return NULL;
}

/* Of those whose request is not there yet, the one that has the least time left. */
static void end_oldest(struct connections *c)
{
	struct connection *oldest = NULL;

	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		struct connection *x = &c->all[i];

		if (x->fd >= 0 && x->deadline_ns && !x->working &&
			(!oldest || x->deadline_ns < oldest->deadline_ns))
			oldest = x;
	}
	if (oldest)
		(void)shutdown(oldest->fd, SHUT_RDWR);
}

int connections_add(struct connections *c, int fd, bool stranger)
{
	struct connection *free_one;
	int r = -ENOSPC;

	pthread_mutex_lock(&c->lock);
	free_one = find(c, -1);
	if (free_one && (!stranger || c->strangers < HTTP_STRANGERS)) {
		*free_one = (struct connection){
			.fd = fd,
			.stranger = stranger,
			.deadline_ns = clock_monotonic_ns() + HTTP_REQUEST_SECONDS * NS_PER_SEC,
		};
		c->n++;
		c->strangers += stranger;
		r = 0;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void connections_remove(struct connections *c, int fd)
{
	struct connection *x;

	pthread_mutex_lock(&c->lock);
	x = find(c, fd);
	if (x) {
		c->n--;
		c->strangers -= x->stranger;
		x->fd = -1;
	}
	pthread_mutex_unlock(&c->lock);
}

bool connections_full(struct connections *c)
{
	bool full;

	pthread_mutex_lock(&c->lock);
	full = c->n >= HTTP_CONNECTIONS;
	if (full)
		end_oldest(c);
	pthread_mutex_unlock(&c->lock);
	return full;
}

bool connections_stranger(struct connections *c, int fd)
{
	struct connection *x;
	bool stranger;

	pthread_mutex_lock(&c->lock);
	x = find(c, fd);
	stranger = !x || x->stranger;
	pthread_mutex_unlock(&c->lock);
	return stranger;
}

void connections_allow(struct connections *c, int fd, unsigned seconds)
{
	struct connection *x;

	pthread_mutex_lock(&c->lock);
	x = find(c, fd);
	if (x) {
		x->working = seconds != HTTP_REQUEST_SECONDS;
		x->deadline_ns = seconds ? clock_monotonic_ns() + seconds * NS_PER_SEC : 0;
	}
	pthread_mutex_unlock(&c->lock);
}

void connections_end_late(struct connections *c, uint64_t now_ns)
{
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		struct connection *x = &c->all[i];

		if (x->fd >= 0 && x->deadline_ns && x->deadline_ns < now_ns) {
			(void)shutdown(x->fd, SHUT_RDWR);
			x->deadline_ns = 0;
		}
	}
	pthread_mutex_unlock(&c->lock);
}
