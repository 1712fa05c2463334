/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask for what: one pure table. A peer is what the kernel said of the other end of the
 * socket at connect (SO_PEERCRED, SO_PEERGROUPS). Root and group `profd` (where it exists):
 * everything; any user: its own processes, without kernel addresses; nobody: anything else. A
 * stranger learns no more than "denied".
 */
#ifndef PROFD_SESSION_AUTHZ_H
#define PROFD_SESSION_AUTHZ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;	   /* for the log only */
	bool in_group;	   /* member of group `profd`, supplementary or primary */
	bool same_user_ns; /* unknown counts as true only for uid 0 */
};

enum authz_request {
	AUTHZ_STATUS,	   /* health, cost, features, own quotas */
	AUTHZ_STATUS_FULL, /* counters of everybody's, quarantine with paths */
	AUTHZ_LIST,	   /* own attachments and processes */
	AUTHZ_LIST_ALL,	   /* everybody's */
	AUTHZ_ATTACH_PROCESS,
	AUTHZ_ATTACH_ALL, /* --all, --cgroup, --unit */
	AUTHZ_DETACH,
	AUTHZ_DUMP_PROCESS,
	AUTHZ_KERNEL_ADDRESSES,
	AUTHZ_REQUESTS,
};

/* Whom the request is about: the owner of a process (the uid that all its credentials agree on), or
 * of an attachment; OWNER_NOBODY (bpf/abi.h): a process that is nobody's in that sense. */
bool authz_allows(const struct peer *peer, enum authz_request request, uint32_t owner_uid);
bool authz_privileged(const struct peer *peer);

/* Fills a peer from a connected socket. 0 or -errno. */
int peer_from_socket(int sock, struct peer *ret);

#endif
