/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of who may ask for what. Pure: it knows a peer and an owner, and asks nobody.
 * Where the peer comes from is peer.c; which process is whose is decided where its sample is taken.
 *
 * A peer from another user namespace (or of one that is not known) is a stranger, whatever its uid:
 * the kernel would refuse it a ptrace of the same process as well.
 */
#include "bpf/abi.h"
#include "session/authz.h"

enum rule {
	RULE_ANYBODY,	 /* any local user, also a stranger */
	RULE_OWNER,	 /* the owner, and the privileged */
	RULE_PRIVILEGED, /* root and group profd */
};

static const enum rule rules[AUTHZ_REQUESTS] = {
	[AUTHZ_STATUS] = RULE_ANYBODY,
	[AUTHZ_STATUS_FULL] = RULE_PRIVILEGED,
	[AUTHZ_LIST] = RULE_OWNER,
	[AUTHZ_LIST_ALL] = RULE_PRIVILEGED,
	[AUTHZ_ATTACH_PROCESS] = RULE_OWNER,
	[AUTHZ_ATTACH_ALL] = RULE_PRIVILEGED,
	[AUTHZ_DETACH] = RULE_OWNER,
	[AUTHZ_DUMP_PROCESS] = RULE_OWNER,
	[AUTHZ_KERNEL_ADDRESSES] = RULE_PRIVILEGED,
};

bool authz_privileged(const struct peer *peer)
{
	return peer->same_user_ns && (peer->uid == 0 || peer->in_group);
}

bool authz_allows(const struct peer *peer, enum authz_request request, uint32_t owner_uid)
{
	if ((unsigned)request >= AUTHZ_REQUESTS)
		return false;
	if (rules[request] == RULE_ANYBODY || authz_privileged(peer))
		return true;
	return rules[request] == RULE_OWNER && peer->same_user_ns && owner_uid != OWNER_NOBODY &&
	       owner_uid == peer->uid;
}
