/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one uid holds of the server: every connection, open request, buffered byte and descriptor is
 * charged to it, so that one user's flood is its own loss.
 */
#ifndef PROFD_IPC_USER_H
#define PROFD_IPC_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USER_ROOT_RESERVE 64U /* of LIMIT_CONNECTIONS, for uid 0 */

struct user {
	struct user *next;
	uid_t uid;
	unsigned n_connections;
	unsigned n_requests; /* open, and answers with a descriptor that were not read */
	size_t bytes, fds;
};

struct user_table {
	struct user *first;		  /* owned; one for each uid with a connection */
	unsigned n_connections, n_others; /* n_others: those of uids other than 0 */
};

/* Charges one more connection. 0, -ENOMEM, -EDQUOT: this uid's share is used up. Of what is left
 * for all, a uid may hold a quarter: so the last places go to those who have none. */
int user_table_connect(struct user_table *t, uid_t uid, struct user **ret);
/* Gives the connection back; the user goes with its last one. */
void user_table_disconnect(struct user_table *t, struct user *u);

#endif
