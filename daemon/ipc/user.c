/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the accounts of the server's users and the share of the connections that one uid may have.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "ipc/user.h"

static bool may_connect(const struct user_table *t, uid_t uid, unsigned has)
{
	if (t->n_connections >= LIMIT_CONNECTIONS)
		return false;
	if (uid == 0)
		return true;
	if (t->n_others >= LIMIT_CONNECTIONS - USER_ROOT_RESERVE)
		return false;
	unsigned left = LIMIT_CONNECTIONS - USER_ROOT_RESERVE - t->n_others;
	return has == 0 || (has < LIMIT_CONNECTIONS_PER_UID && has < left / 4);
}

int user_table_connect(struct user_table *t, uid_t uid, struct user **ret)
{
	struct user *u = t->first;

	while (u && u->uid != uid)
		u = u->next;
	if (!may_connect(t, uid, u ? u->n_connections : 0))
		return -EDQUOT;
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u)
			return -ENOMEM;
		u->uid = uid;
		u->next = t->first;
		t->first = u;
	}
	u->n_connections++;
	t->n_connections++;
	t->n_others += uid != 0;
	*ret = u;
	return 0;
}

void user_table_disconnect(struct user_table *t, struct user *u)
{
	struct user **at = &t->first;

	assert(u->n_connections > 0);
	t->n_connections--;
	t->n_others -= u->uid != 0;
	if (--u->n_connections > 0)
		return;
	assert(u->n_requests == 0 && u->bytes == 0 && u->fds == 0);
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	free(u);
}
