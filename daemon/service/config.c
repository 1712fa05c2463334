/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of keys and the reading of profd.conf and its drop-ins. The range of a key is a
 * text in the table ("1..10000") and is read by the same code as the values, so what the man page
 * says is what is enforced. Does not own what the values mean.
 *
 * Invariant: the caller's struct changes only when every file was read without an error.
 * Trusts: nobody's spelling; the files are root's, so their names and sizes are only bounded.
 */
#include "service/config.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

#define CONFIG_FILE_BYTES (1 * MIB)
#define CONFIG_DROP_INS	  256

enum kind { KIND_BOOL, KIND_COUNT, KIND_SIZE, KIND_SPAN, KIND_EVENT, KIND_WORD };

#define EVENT_RANGE "1..31 letters, digits, '-', '_' or '.'"

/* section, key, kind, member, default, unit, range, text */
#define KEYS(X)                                                                                    \
	X("Collect", "Cpu", KIND_BOOL, collect_cpu, "yes", "boolean", "yes, no",                   \
		"Sample the CPU time of every process from the start, so that the past can be "    \
		"asked "                                                                           \
		"for.")                                                                            \
	X("Collect", "Frequency", KIND_COUNT, freq_hz, "99", "Hz", "1..10000",                     \
		"Samples a second of CPU time that Cpu= takes.")                                   \
	X("Collect", "Event", KIND_EVENT, event, "cpu-clock", "name", EVENT_RANGE,                 \
		"The perf event that Cpu= samples. cpu-clock exists everywhere; cycles and "       \
		"others "                                                                          \
		"need a PMU, and profd does not start where the event does not exist.")            \
	X("History", "History", KIND_SPAN, history_ns, "1h", "time span", "10s..7d",               \
		"How far back one can ask, as far as Memory= allows.")                             \
	X("History", "Memory", KIND_SIZE, memory_bytes, "256M", "bytes", "16M..64G",               \
		"Most memory that collected samples may take; the oldest go first. Unwind tables " \
		"and the program itself come on top.")                                             \
	X("Kernel", "RingBuffer", KIND_SIZE, ring_bytes, "1M", "bytes of each CPU", "64K..64M",    \
		"Buffer between the kernel and profd, rounded up to a power of two. What does "    \
		"not "                                                                             \
		"fit is lost, and counted.")                                                       \
	X("Kernel", "UnwindTables", KIND_SIZE, table_bytes, "64M", "bytes", "8M..2G",              \
		"Memory for the tables that unwind code without frame pointers; those that no "    \
		"process uses go first. About 4 bytes for 50 bytes of code.")                      \
	X("Policy", "Concurrent", KIND_WORD, concurrent, "warn", "word", "allow, warn, refuse",    \
		"What happens when types of profiles that skew each other, such as cpu and "       \
		"block, are to be collected of the same processes at the same time: it is done "   \
		"silently, done and told with what it costs, or refused. wall is the combination " \
		"that is made not to. What Cpu= collects is told of but is no reason to refuse.")  \
	X("Limits", "AttachmentsPerUser", KIND_COUNT, attachments_per_user, "8", "count", "1..64", \
		"Attachments that one user may have at once.")                                     \
	X("Limits", "Symbolizers", KIND_COUNT, symbolizers, "2", "count", "1..16",                 \
		"Worker processes that may look up symbols at once.")

#define X_PUBLIC(section_, key_, kind_, member_, fallback_, unit_, range_, text_) \
	{ .section = (section_),                                                  \
		.key = (key_),                                                    \
		.fallback = (fallback_),                                          \
		.unit = (unit_),                                                  \
		.range = (range_),                                                \
		.text = (text_) },
static const struct config_key keys[] = { KEYS(X_PUBLIC) };

struct field {
	enum kind kind;
	size_t offset, size;
};

#define X_FIELD(section_, key_, kind_, member_, fallback_, unit_, range_, text_) \
	{ .kind = (kind_),                                                       \
		.offset = offsetof(struct config, member_),                      \
		.size = sizeof(((struct config *)NULL)->member_) },
static const struct field fields[] = { KEYS(X_FIELD) };

const struct config_key *config_keys(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(keys);
	return keys;
}

static int parse_count(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int parse_size(const char *text, uint64_t *ret)
{
	char digits[24];
	size_t n = strlen(text);
	unsigned shift = 0;
	uint64_t v;
	int r;

	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	switch (text[n - 1]) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	}
	memcpy(digits, text, n + 1);
	if (shift)
		digits[n - 1] = '\0';
	r = parse_count(digits, &v);
	if (r < 0)
		return r;
	if (v > UINT64_MAX >> shift)
		return -EINVAL;
	*ret = v << shift;
	return 0;
}

static int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcasecmp(text, yes[i])) {
			*ret = true;
			return 0;
		}
		if (!strcasecmp(text, no[i])) {
			*ret = false;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_number(enum kind kind, const char *text, uint64_t *ret)
{
	switch (kind) {
	case KIND_SIZE:
		return parse_size(text, ret);
	case KIND_SPAN:
		return clock_parse_span(text, ret);
	default:
		return parse_count(text, ret);
	}
}

/* Which of the words of "ONE, ANOTHER, ..." of the table it is. */
static int parse_word(const char *text, const char *words, uint32_t *ret)
{
	uint32_t i = 0;

	for (const char *word = words; *word; i++) {
		size_t n = strcspn(word, ",");

		if (strlen(text) == n && strncasecmp(text, word, n) == 0) {
			*ret = i;
			return 0;
		}
		word += n;
		word += strspn(word, ", ");
	}
	return -EINVAL;
}

/* Reads "LOW..HIGH" of the table. */
static void parse_range(enum kind kind, const char *range, uint64_t *ret_low, uint64_t *ret_high)
{
	const char *dots = strstr(range, "..");
	char low[24] = "";
	int r;

	assert(dots && (size_t)(dots - range) < sizeof(low));
	memcpy(low, range, (size_t)(dots - range));
	r = parse_number(kind, low, ret_low);
	assert(r == 0);
	r = parse_number(kind, dots + 2, ret_high);
	assert(r == 0);
	(void)r;
}

static int set_event(char *out, size_t size, const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n >= size)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			return -EINVAL;
	}
	memset(out, 0, size);
	memcpy(out, text, n);
	return 0;
}

static int set_field(struct config *c, size_t i, const char *text)
{
	const struct field *f = &fields[i];
	uint8_t *member = (uint8_t *)c + f->offset;
	uint64_t v, low, high;
	int r;

	if (f->kind == KIND_BOOL)
		return parse_bool(text, (bool *)member);
	if (f->kind == KIND_EVENT)
		return set_event((char *)member, f->size, text);
	if (f->kind == KIND_WORD)
		return parse_word(text, keys[i].range, (uint32_t *)member);
	r = parse_number(f->kind, text, &v);
	if (r < 0)
		return r;
	parse_range(f->kind, keys[i].range, &low, &high);
	if (v < low || v > high)
		return -ERANGE;
	if (f->size == sizeof(uint32_t))
		*(uint32_t *)member = (uint32_t)v;
	else
		*(uint64_t *)member = v;
	return 0;
}

void config_init(struct config *c)
{
	*c = (struct config){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int r = set_field(c, i, keys[i].fallback);

		assert(r == 0);
		(void)r;
	}
}

static const char *allowed(size_t i, char *buf, size_t n)
{
	switch (fields[i].kind) {
	case KIND_BOOL:
		return "yes or no";
	case KIND_SIZE:
		(void)snprintf(
			buf, n, "a size in %s, %s; suffixes K, M, G", keys[i].range, keys[i].unit);
		break;
	case KIND_SPAN:
		(void)snprintf(buf, n, "a time span in %s, such as 90s, 15min, 2h", keys[i].range);
		break;
	case KIND_COUNT:
		(void)snprintf(buf, n, "a whole number in %s%s%s", keys[i].range,
			strcmp(keys[i].unit, "count") ? " " : "",
			strcmp(keys[i].unit, "count") ? keys[i].unit : "");
		break;
	case KIND_WORD:
		(void)snprintf(buf, n, "one of %s", keys[i].range);
		break;
	case KIND_EVENT:
		(void)snprintf(buf, n, "the name of a perf event, %s", keys[i].range);
		break;
	}
	return buf;
}

/* ---- words that are not in the table ---- */

#define WORD_MAX 32

/* Levenshtein distance without regard to case; long words count as far. */
static unsigned distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned row[WORD_MAX + 1];

	if (na > WORD_MAX || nb > WORD_MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned other = diagonal + (tolower((unsigned char)a[i - 1]) !=
							    tolower((unsigned char)b[j - 1]));

			diagonal = row[j];
			row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), other);
		}
	}
	return row[nb];
}

/* The nearest key, and whether it is near enough to be what was meant. */
static bool nearest(const char *word, bool section, size_t *ret_i)
{
	unsigned best = UINT32_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		unsigned d = distance(word, section ? keys[i].section : keys[i].key);

		if (d < best) {
			best = d;
			*ret_i = i;
		}
	}
	return best <= 2 + strlen(word) / 4;
}

/* ---- one file ---- */

struct parse {
	struct config *config;
	const char *at, *end;
	int line, failed_line; /* 0: no line has failed */
	char what[384];	       /* of failed_line */
};

/* Kept for the end: inih tells of lines it could not read only then, and the first is to be named.
 */
PRINTF(2, 3)
static void refuse(struct parse *p, const char *format, ...)
{
	va_list args;

	p->failed_line = p->line;
	va_start(args, format);
	(void)vsnprintf(p->what, sizeof(p->what), format, args);
	va_end(args);
}

static void refuse_unknown(struct parse *p, const char *section, const char *key)
{
	bool known_section = false;
	size_t i = 0;

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		if (!strcmp(keys[k].section, section))
			known_section = true;
	}
	if (!*section)
		refuse(p, "%s=: a section such as [%s] must come first", key,
			keys[nearest(key, false, &i) ? i : 0].section);
	else if (!known_section && nearest(section, true, &i))
		refuse(p, "[%s]: no such section; nearest is [%s]", section, keys[i].section);
	else if (!known_section)
		refuse(p, "[%s]: no such section; see profd.conf(5)", section);
	else if (nearest(key, false, &i))
		refuse(p, "%s=: no such key in [%s]; nearest is %s= in [%s]", key, section,
			keys[i].key, keys[i].section);
	else
		refuse(p, "%s=: no such key in [%s]; see profd.conf(5)", key, section);
}

/* inih's handler: 1 goes on, 0 marks the line as wrong. */
static int on_key(void *userdata, const char *section, const char *key, const char *value)
{
	struct parse *p = userdata;

	if (p->failed_line)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char buf[192];

		if (strcmp(keys[i].section, section) || strcmp(keys[i].key, key))
			continue;
		/* As systemd has it: an empty value takes back what was set before. */
		if (set_field(p->config, i, *value ? value : keys[i].fallback) == 0)
			return 1;
		refuse(p, "%s=%s: must be %s", key, value, allowed(i, buf, sizeof(buf)));
		return 0;
	}
	refuse_unknown(p, section, key);
	return 0;
}

/* inih's reader, as fgets. Leading blanks are dropped, since inih takes an indented line for more
 * of the value before. A line that does not fit ends the parse: inih would split it silently. */
static char *read_line(char *out, int size, void *userdata)
{
	struct parse *p = userdata;
	const char *newline, *stop;
	size_t n;

	if (p->failed_line || p->at == p->end)
		return NULL;
	p->line++;
	newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
	stop = newline ? newline : p->end;
	while (p->at < stop && (*p->at == ' ' || *p->at == '\t'))
		p->at++;
	n = (size_t)(stop - p->at);
	if (n + 3 > (size_t)size) {
		refuse(p, "line too long");
		return NULL;
	}
	memcpy(out, p->at, n);
	out[n] = '\n';
	out[n + 1] = '\0';
	p->at = newline ? newline + 1 : p->end;
	return out;
}

static int read_text(
	struct config *c, const char *path, const char *text, size_t n, struct error *error)
{
	struct parse p = { .config = c, .at = text, .end = text + n };
	int r;

	if (memchr(text, '\0', n))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "%s: not a text file", path);
	r = ini_parse_stream(read_line, &p, on_key, &p);
	if (r < 0)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "%s: no memory", path);
	if (r > 0 && (!p.failed_line || r < p.failed_line)) {
		p.line = r;
		refuse(&p, "neither [Section], Key=value nor a comment");
	}
	if (p.failed_line)
		return error_set(
			error, -EINVAL, EXIT_CODE_USAGE, "%s:%d: %s", path, p.failed_line, p.what);
	return 0;
}

static int read_file(struct config *c, const char *path, bool must_exist, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int r;

	r = io_read_file(AT_FDCWD, path, CONFIG_FILE_BYTES, &text, &n);
	if (r == -ENOENT && !must_exist)
		return 0;
	if (r < 0)
		return error_set(
			error, r, EXIT_CODE_FAILED, "%s: cannot read it: %s", path, strerror(-r));
	return read_text(c, path, text, n, error);
}

/* ---- drop-ins ---- */

static int is_drop_in(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && !strcmp(entry->d_name + n - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_ins(struct config *c, const char *path, struct error *error)
{
	struct dirent **entries = NULL;
	char folder[LIMIT_PATH], file[LIMIT_PATH + 256];
	int n, r = 0;

	if (snprintf(folder, sizeof(folder), "%s.d", path) >= (int)sizeof(folder))
		return error_set(
			error, -ENAMETOOLONG, EXIT_CODE_USAGE, "%.64s...: path too long", path);
	n = scandir(folder, &entries, is_drop_in, by_name);
	if (n < 0) {
		r = -errno;
		if (r == -ENOENT)
			return 0;
		return error_set(
			error, r, EXIT_CODE_FAILED, "%s: cannot read it: %s", folder, strerror(-r));
	}
	if (n > CONFIG_DROP_INS)
		r = error_set(error, -E2BIG, EXIT_CODE_USAGE, "%s: %d files; at most %d are read",
			folder, n, CONFIG_DROP_INS);
	for (int i = 0; i < n; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", folder, entries[i]->d_name);
		if (r == 0)
			r = read_file(c, file, true, error);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int config_read(struct config *c, const char *path, bool must_exist, struct error *error)
{
	struct config next = *c;
	int r;

	r = read_file(&next, path, must_exist, error);
	if (r < 0)
		return r;
	r = read_drop_ins(&next, path, error);
	if (r < 0)
		return r;
	*c = next;
	return 0;
}
