/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the parsers of /proc/PID/maps, stat, status and cgroup. Formats: proc(5) and
 * fs/proc/task_mmu.c, fs/proc/array.c. No I/O, no allocation. Numbers are the kernel's; names are
 * the target's and are never used to find the next field: stat is read behind its last ')', maps
 * fields before the path.
 */
#include "proc/maps.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"

struct cursor {
	const char *at, *end;
};

/* Takes one line, without its newline. False at the end. */
static bool next_line(struct cursor *c, struct cursor *ret)
{
	const char *newline;

	if (c->at == c->end)
		return false;
	newline = memchr(c->at, '\n', (size_t)(c->end - c->at));
	*ret = (struct cursor){ c->at, newline ? newline : c->end };
	c->at = newline ? newline + 1 : c->end;
	return true;
}

static void skip_spaces(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static int digit_of(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return 16;
}

/* A number in base 10 or 16, at least one digit, no overflow. */
static bool number(struct cursor *c, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = c->at;

	for (; c->at < c->end; c->at++) {
		unsigned d = (unsigned)digit_of(*c->at);

		if (d >= base)
			break;
		if (v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	if (c->at == start)
		return false;
	*ret = v;
	return true;
}

static bool number_u32(struct cursor *c, unsigned base, uint32_t *ret)
{
	uint64_t v;

	if (!number(c, base, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool literal(struct cursor *c, char ch)
{
	if (c->at == c->end || *c->at != ch)
		return false;
	c->at++;
	return true;
}

/* "START-END rwxp OFFSET MAJOR:MINOR INODE   PATH" */
static bool maps_line(struct cursor c, struct maps_entry *e)
{
	if (!number(&c, 16, &e->start) || !literal(&c, '-') || !number(&c, 16, &e->end) ||
		!literal(&c, ' ') || e->end <= e->start || c.end - c.at < 5)
		return false;
	e->read = c.at[0] == 'r';
	e->write = c.at[1] == 'w';
	e->exec = c.at[2] == 'x';
	e->shared = c.at[3] == 's';
	c.at += 4;
	if (!literal(&c, ' ') || !number(&c, 16, &e->offset) || !literal(&c, ' ') ||
		!number_u32(&c, 16, &e->major) || !literal(&c, ':') ||
		!number_u32(&c, 16, &e->minor) || !literal(&c, ' ') || !number(&c, 10, &e->inode))
		return false;
	if (c.at < c.end && *c.at != ' ')
		return false;
	/* The path begins at a fixed column, or after one blank where the numbers are long; it may
	 * itself begin with blanks only where it is not a path. */
	skip_spaces(&c);
	e->path = c.at;
	e->path_n = (size_t)(c.end - c.at);
	return true;
}

int maps_parse(const char *text, size_t n, bool exec_only,
	int (*each)(void *userdata, const struct maps_entry *entry), void *userdata,
	unsigned *ret_skipped)
{
	struct cursor c = { text, text + n }, line;
	unsigned skipped = 0;
	int r = 0;

	while (r == 0 && next_line(&c, &line)) {
		struct maps_entry e = { 0 };

		if (!maps_line(line, &e))
			skipped++;
		else if (e.exec || !exec_only)
			r = each(userdata, &e);
	}
	if (ret_skipped)
		*ret_skipped = skipped;
	return r;
}

static bool octal_escape(const char *p, size_t left, char *ret)
{
	unsigned v = 0;

	if (left < 4 || p[0] != '\\')
		return false;
	for (int i = 1; i < 4; i++) {
		if (p[i] < '0' || p[i] > '7')
			return false;
		v = v * 8 + (unsigned)(p[i] - '0');
	}
	/* The kernel escapes newline (and backslash in no maps file): only that is undone, so that
	 * a name that holds "\141" stays what it is. */
	if (v != '\n')
		return false;
	*ret = (char)v;
	return true;
}

const char *maps_path(const struct maps_entry *entry, char *out, size_t n, bool *ret_deleted)
{
	static const char mark[] = " (deleted)";
	size_t mark_n = sizeof(mark) - 1, path_n = entry->path_n, used = 0;
	bool deleted = path_n >= mark_n && !memcmp(entry->path + path_n - mark_n, mark, mark_n);

	if (deleted)
		path_n -= mark_n;
	for (size_t i = 0; i < path_n && used + 1 < n; used++) {
		if (octal_escape(entry->path + i, path_n - i, &out[used]))
			i += 4;
		else
			out[used] = entry->path[i++];
	}
	if (n > 0)
		out[used] = '\0';
	if (ret_deleted)
		*ret_deleted = deleted;
	return out;
}

int stat_parse(const char *text, size_t n, struct stat_fields *ret)
{
	const char *open = memchr(text, '(', n), *close = memrchr(text, ')', n);
	struct stat_fields f = { 0 };
	struct cursor c = { text, text + n };
	uint64_t v = 0;

	if (!open || !close || close < open || !number_u32(&c, 10, &f.pid))
		return -EBADMSG;
	memcpy(f.comm, open + 1, MIN((size_t)(close - open - 1), sizeof(f.comm) - 1));
	c.at = close + 1;
	if (!literal(&c, ' ') || c.at == c.end)
		return -EBADMSG;
	f.state = *c.at++; /* field 3 */
	for (int field = 4; field <= 22; field++) {
		skip_spaces(&c);
		(void)literal(&c, '-'); /* tpgid, nice: not wanted, may be negative */
		if (!number(&c, 10, &v))
			return -EBADMSG;
		if (field == 4)
			f.ppid = (uint32_t)v;
		else if (field == 20)
			f.n_threads = (uint32_t)v;
		else if (field == 22)
			f.start_ticks = v;
	}
	*ret = f;
	return 0;
}

static bool key(struct cursor *line, const char *name)
{
	size_t n = strlen(name);

	if ((size_t)(line->end - line->at) < n || memcmp(line->at, name, n) != 0)
		return false;
	line->at += n;
	return true;
}

static bool four(struct cursor line, uint32_t out[4])
{
	for (int i = 0; i < 4; i++) {
		skip_spaces(&line);
		if (!number_u32(&line, 10, &out[i]))
			return false;
	}
	return true;
}

static bool last_number(struct cursor line, uint32_t *ret)
{
	bool any = false;

	for (skip_spaces(&line); line.at < line.end; skip_spaces(&line)) {
		if (!number_u32(&line, 10, ret))
			return false;
		any = true;
	}
	return any;
}

static bool capability_mask(struct cursor line, uint64_t *ret)
{
	skip_spaces(&line);
	return number(&line, 16, ret);
}

int status_parse(const char *text, size_t n, struct status_fields *ret)
{
	struct cursor c = { text, text + n }, line;
	struct status_fields f = { 0 };
	enum { UID = 1, GID = 2, CAPS = 4 };
	unsigned seen = 0;

	/* "Name:" comes first and is escaped by the kernel, so that it cannot begin a line. */
	while (next_line(&c, &line)) {
		if (key(&line, "Uid:"))
			seen |= four(line, f.uid) ? UID : 0;
		else if (key(&line, "Gid:"))
			seen |= four(line, f.gid) ? GID : 0;
		else if (key(&line, "CapPrm:"))
			seen |= capability_mask(line, &f.cap_permitted) ? CAPS : 0;
		else if (key(&line, "NSpid:") && !last_number(line, &f.ns_pid))
			return -EBADMSG;
	}
	if (seen != (UID | GID | CAPS))
		return -EBADMSG;
	*ret = f;
	return 0;
}

int cgroup_parse(const char *text, size_t n, const char **ret, size_t *ret_n)
{
	struct cursor c = { text, text + n }, line;

	while (next_line(&c, &line))
		if (key(&line, "0::") && line.at < line.end && *line.at == '/') {
			*ret = line.at;
			*ret_n = (size_t)(line.end - line.at);
			return 0;
		}
	return -ENOENT;
}
