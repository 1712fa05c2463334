/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how frames are named in every view. Names and paths come from targets by way of the file:
 * they are written through frame_put(), which lets no terminal escape pass.
 */
#include "view/frame.h"
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/text.h"
#include "view/demangle.h"

/* As pprof decides whether a name without a separate system name is C++
 * (internal/symbolizer/symbolizer.go). */
static bool looks_like_cpp(const char *name)
{
	if (strstr(name, ".<") || strstr(name, "])."))
		return false;
	return strpbrk(name, "<>[]") || strstr(name, "::");
}

/* Removes what stands between outermost open..close, in place; what does not match stays. */
static void remove_matching(char *name, char open, char close)
{
	char *to = name, *first = name;
	size_t depth = 0;

	for (const char *c = name; *c; c++) {
		if (*c == open && depth++ == 0)
			first = to;
		if (*c == close && depth == 0) {
			memmove(to, c, strlen(c) + 1);
			return;
		}
		*to++ = *c;
		if (*c == close && --depth == 0)
			to = first;
	}
	*to = '\0';
}

const char *frame_function_name(
	const struct profile *p, const struct profile_function *f, char **owned)
{
	const char *name = profile_text(p, f->name), *system = profile_text(p, f->system_name);

	*owned = NULL;
	if (*name && strcmp(name, system) != 0)
		return name;
	*owned = view_demangle(system, false);
	if (*owned)
		return *owned;
	if (!looks_like_cpp(system))
		return system;
	char *copy = strdup(system);
	if (!copy)
		return system;
	remove_matching(copy, '(', ')');
	remove_matching(copy, '<', '>');
	*owned = copy;
	return copy;
}

const char *frame_whole_name(
	const struct profile *p, const struct profile_function *f, char **owned)
{
	const char *name = profile_text(p, f->name), *system = profile_text(p, f->system_name);

	*owned = NULL;
	if (*name && strcmp(name, system) != 0)
		return name;
	*owned = view_demangle(system, true);
	return *owned ? *owned : system;
}

const char *frame_module(const struct profile *p, uint32_t mapping)
{
	if (mapping == PROFILE_NONE)
		return "";
	return profile_text(p, ARRAY_AT(&p->mappings, struct profile_mapping, mapping)->file);
}

const char *frame_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool frame_is_kernel(const char *module)
{
	size_t n = strlen(module);

	return !strncmp(module, "[kernel", 7) || !strncmp(module, "[guest.kernel", 13) ||
	       !strncmp(frame_basename(module), "vmlinux", 7) ||
	       (n > 3 && !strcmp(module + n - 3, ".ko"));
}

bool frame_is_unnamed(const char *name)
{
	const char *plus = strrchr(name, '+');

	if (!strcmp(name, "[unsampled]") || !strcmp(name, "[before attach]"))
		return false;
	if (!*name || (*name == '[' && name[strlen(name) - 1] == ']'))
		return true;
	return plus && !strncmp(plus, "+0x", 3) && plus[3] &&
	       !plus[3 + strspn(plus + 3, "0123456789abcdef")];
}

char *frame_safe(const char *text, char forbidden)
{
	size_t left = strlen(text);
	/* A character becomes itself or one byte. */
	char *copy = malloc(left + 1), *to = copy;

	while (copy && left) {
		bool printable;
		size_t n = text_char(text, left, &printable);

		if (!printable || *text == forbidden)
			*to++ = printable ? ':' : '?';
		else
			to = mempcpy(to, text, n);
		text += n;
		left -= n;
	}
	if (copy)
		*to = '\0';
	return copy;
}

size_t frame_put(FILE *out, const char *text, char forbidden, size_t max_columns)
{
	size_t left = strlen(text), columns = 0;

	while (left && (!max_columns || columns < max_columns)) {
		bool printable;
		size_t n = text_char(text, left, &printable);

		if (!printable)
			(void)fputc('?', out);
		else if (forbidden && *text == forbidden)
			(void)fputc(':', out);
		else
			(void)fwrite(text, 1, n, out);
		text += n;
		left -= n;
		columns++;
	}
	return columns;
}
