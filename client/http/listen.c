/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the listening sockets. The address is the user's own. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "http/listen.h"
#include "http/limits.h"

void listener_deinit(struct listener *l)
{
	for (unsigned i = 0; i < l->n; i++)
		close_fd(l->fds[i]);
	if (*l->path)
		(void)unlink(l->path);
	*l = (struct listener){ .n = 0 };
}

static int bad_address(const char *address, struct error *error)
{
	return error_set(error, -EINVAL, EXIT_CODE_USAGE,
		"bad address '%.100s': localhost:6060, 127.0.0.1:6060, [::1]:6060, a port or "
		"unix:/PATH is needed",
		address);
}

static int cannot_listen(int r, const char *address, struct error *error)
{
	if (r == -EADDRINUSE)
		return error_set(error, r, EXIT_CODE_FAILED,
			"cannot listen on %.200s: something else does already; choose another "
			"port: --listen localhost:6061",
			address);
	return error_set(
		error, r, EXIT_CODE_FAILED, "cannot listen on %.200s: %s", address, strerror(-r));
}

/* HOST and PORT of an address; host keeps the brackets of an IPv6 address. */
static int split(const char *address, char *host, size_t host_n, char *port, size_t port_n)
{
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;
	const char *from = colon ? colon + 1 : address;

	if (n >= host_n || strlen(from) >= port_n || !*from || from[strspn(from, "0123456789")] ||
		atoi(from) > 65535)
		return -EINVAL;
	if (n && address[0] == '[' ? address[n - 1] != ']' : memchr(address, ':', n) != NULL)
		return -EINVAL;
	(void)snprintf(host, host_n, "%.*s", n ? (int)n : 9, n ? address : "localhost");
	(void)snprintf(port, port_n, "%s", from);
	return 0;
}

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static int open_one(struct listener *l, const struct sockaddr *a, socklen_t n)
{
	int one = 1;
	_cleanup_close_ int fd =
		socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (a->sa_family != AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, a, n) < 0 || listen(fd, HTTP_CONNECTIONS) < 0)
		return -errno;
	l->fds[l->n++] = TAKE_FD(fd);
	return 0;
}

/* With port 0 the kernel chooses: what it chose is what to show. */
static unsigned chosen_port(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

static int open_tcp(struct listener *l, const char *address, struct error *error)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char port[8], bare[256];
	int r = split(address, l->host, sizeof(l->host), port, sizeof(port));

	if (r < 0)
		return bad_address(address, error);
	(void)snprintf(bare, sizeof(bare), "%s", l->host + (l->host[0] == '['));
	bare[strcspn(bare, "]")] = '\0';
	r = getaddrinfo(bare, port, &hints, &list);
	if (r != 0)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "bad address '%.100s': %s",
			address, gai_strerror(r));
	l->loopback = true;
	r = -EADDRNOTAVAIL;
	for (struct addrinfo *a = list; a && l->n < LISTEN_SOCKETS; a = a->ai_next) {
		int opened = open_one(l, a->ai_addr, a->ai_addrlen);

		/* localhost is both families where this machine has both. */
		if (opened < 0 && opened != -EADDRNOTAVAIL && opened != -EAFNOSUPPORT) {
			r = opened;
			break;
		}
		if (opened == 0) {
			l->loopback = l->loopback && is_loopback(a->ai_addr);
			r = 0;
		}
		if (!strcmp(port, "0"))
			break;
	}
	freeaddrinfo(list);
	if (r < 0)
		return cannot_listen(r, address, error);
	(void)snprintf(l->url, sizeof(l->url), "http://%s:%u/", l->host, chosen_port(l->fds[0]));
	return 0;
}

/* A socket that nobody listens on any more is left over from one that was killed. */
static void remove_stale(const struct sockaddr_un *a)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd >= 0 && lstat(a->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		st.st_uid == geteuid() && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
		errno == ECONNREFUSED)
		(void)unlink(a->sun_path);
}

static int open_unix(struct listener *l, const char *path, struct error *error)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (!*path || strlen(path) >= sizeof(a.sun_path))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad socket path '%.120s': 1 to %zu characters are needed", path,
			sizeof(a.sun_path) - 1);
	strcpy(a.sun_path, path);
	remove_stale(&a);
	mask = umask(0177);
	r = open_one(l, (struct sockaddr *)&a, sizeof(a));
	umask(mask);
	if (r < 0)
		return cannot_listen(r, path, error);
	strcpy(l->path, path);
	(void)snprintf(l->url, sizeof(l->url), "unix:%s", path);
	l->loopback = true;
	return 0;
}

int listener_open(struct listener *l, const char *address, struct error *error)
{
	int r;

	*l = (struct listener){ .n = 0 };
	r = !strncmp(address, "unix:", 5) ? open_unix(l, address + 5, error)
					  : open_tcp(l, address, error);
	if (r < 0)
		listener_deinit(l);
	return r;
}
