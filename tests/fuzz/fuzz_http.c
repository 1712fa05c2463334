/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: client profile wire base
/*
 * A request's target, method and headers, up to what it asks for and the page that says so, and the
 * names of the addresses in its query and in its last word. Input:
 * METHOD \n TARGET \n HOST \n ORIGIN \n FETCH_SITE \n ADDRESSES.
 */
#include <stdlib.h>
#include <string.h>
#include "http/guard.h"
#include "http/page.h"
#include "http/route.h"
#include "http/symbol.h"

static void show(const struct route *r, const struct uri *u)
{
	Profd__V1__HelloReply hello = PROFD__V1__HELLO_REPLY__INIT;
	char *types[] = { (char *)"cpu", (char *)"heap" }, *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return;
	hello.types = types;
	hello.n_types = 2;
	page_index(out, r, u->query, &hello);
	page_flame(out, r, u->query);
	if (fclose(out) == 0)
		for (size_t i = 0; i < n; i++)
			if (((unsigned char)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
				abort();
	if (text && strcasestr(text, "<script>"))
		abort();
	free(text);
}

/* Names at 1, at 0x10 in two modules, and one that is hostile. */
static struct profile *named(void)
{
	static const struct {
		uint64_t address;
		const char *name;
	} all[] = { { 1, "one" }, { 16, "two" }, { 16, "three" }, { 255, "a\nb\033[2J" },
		{ UINT64_MAX, "last" } };
	static struct profile *p;

	if (p || profile_new(&p) < 0)
		return p;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct profile_function f = { .name = 0 };
		struct profile_line line = { .line = 1 };
		uint32_t id;

		if (profile_add_string(p, all[i].name, &f.name) < 0 ||
			profile_add_function(p, &f, &line.function) < 0 ||
			profile_add_location(
				p, all[i].address, PROFILE_NONE, &line, 1, false, &id) < 0)
			abort();
	}
	return p;
}

static void name_addresses(const char *words, size_t n, const char *separators)
{
	struct symbol_words w = { .text = words, .n = n, .separators = separators };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	if (symbol_write(&w, named(), out) < 0 || fclose(out))
		abort();
	if (strncmp(text, "num_symbols: 1\n", 15) != 0 || text[size - 1] != '\n')
		abort();
	if (!symbol_words_ask(&w) && strstr(text, "0x"))
		abort();
	for (char *line = text + 15; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "0x1 one\n", 8) != 0 &&
			strncmp(line, "0xff a?b?[2J\n", 13) != 0 &&
			strncmp(line, "0xffffffffffffffff last\n", 24) != 0 &&
			strcmp(line, "reading request: bufio: buffer full\n") != 0)
			abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct uri u;
	struct route r = ROUTE_INIT;
	struct error error = ERROR_INIT;
	char *text = malloc(n + 1), *rest = text, *words[6];
	bool pprof;
	int status;

	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = 0;
	for (size_t i = 0; i < 6; i++)
		words[i] = rest ? strsep(&rest, "\n") : NULL;
	if (words[2] && guard_host(words[2], NULL) && strcasestr(words[2], "evil"))
		abort();
	if (words[3] && guard_site(words[2], words[3], words[4]) &&
		strcasecmp(words[3] + strlen("http://"), words[2]) != 0)
		abort();
	if (words[5])
		name_addresses(words[5], strlen(words[5]), "+");
	if (words[1] && uri_parse(&u, words[1]) == 0) {
		status = route_parse(&r, &u, words[0], &pprof, &error);
		if ((status != 0) != (error.code != EXIT_CODE_OK))
			abort();
		if (status == 0 && (r.kind >= ROUTE_KINDS || r.seconds > HTTP_MAX_SECONDS))
			abort();
		if (status == 0)
			show(&r, &u);
		name_addresses(u.query, strlen(u.query), "+&");
	}
	route_deinit(&r);
	free(text);
	return 0;
}
