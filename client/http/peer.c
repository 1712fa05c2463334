/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the question to the kernel. A socket that its process has closed is reported with uid 0 and
 * without an inode (inet_diag's time-wait and request sockets, orphans): that is nobody, not root.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "http/peer.h"

static int unix_uid(int fd, uint32_t *ret)
{
	struct ucred credentials;
	socklen_t n = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) < 0)
		return -errno;
	*ret = credentials.uid;
	return 0;
}

static void put_address(const struct sockaddr_storage *a, __be32 *address, __be16 *port)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in *four = (const struct sockaddr_in *)a;

	if (a->ss_family == AF_INET6) {
		memcpy(address, &six->sin6_addr, sizeof(six->sin6_addr));
		*port = six->sin6_port;
	} else {
		memcpy(address, &four->sin_addr, sizeof(four->sin_addr));
		*port = four->sin_port;
	}
}

static int take_answer(const void *bytes, size_t n, uint32_t *ret)
{
	const struct nlmsghdr *h = bytes;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (!NLMSG_OK(h, (unsigned)n))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)))
		return e->error < 0 ? e->error : -EPROTO;
	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return -EPROTO;
	if (!m->idiag_inode)
		return -ENOENT;
	*ret = m->idiag_uid;
	return 0;
}

int peer_uid(int fd, uint32_t *ret_uid)
{
	struct sockaddr_storage here = { .ss_family = 0 }, there = { .ss_family = 0 };
	socklen_t here_n = sizeof(here), there_n = sizeof(there);
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 q;
	} ask = {
		.h = { .nlmsg_len = sizeof(ask),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST },
		.q = { .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U },
	};
	_Alignas(struct nlmsghdr) char answer[4096];
	struct timeval patience = { .tv_sec = 1 };
	_cleanup_close_ int diag = -1;
	ssize_t n;

	if (getsockname(fd, (struct sockaddr *)&here, &here_n) < 0)
		return -errno;
	if (here.ss_family == AF_UNIX)
		return unix_uid(fd, ret_uid);
	if (getpeername(fd, (struct sockaddr *)&there, &there_n) < 0)
		return -errno;
	ask.q.sdiag_family = here.ss_family;
	/* The peer's socket: its source is our destination. */
	put_address(&there, ask.q.id.idiag_src, &ask.q.id.idiag_sport);
	put_address(&here, ask.q.id.idiag_dst, &ask.q.id.idiag_dport);
	ask.q.id.idiag_cookie[0] = ask.q.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (diag < 0)
		return -errno;
	(void)setsockopt(diag, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(diag, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
		return -EIO;
	n = recv(diag, answer, sizeof(answer), 0);
	return n < 0 ? -errno : take_answer(answer, (size_t)n, ret_uid);
}
