/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: client profile wire base
/*
 * A request's target, method and headers, up to what it asks for and the page that says so. Input:
 * METHOD \n TARGET \n HOST \n ORIGIN \n FETCH_SITE.
 */
#include <stdlib.h>
#include <string.h>
#include "http/guard.h"
#include "http/page.h"
#include "http/route.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct uri u;
	struct route r = ROUTE_INIT;
	struct error error = ERROR_INIT;
	char *text = malloc(n + 1), *rest = text, *words[5];
	bool pprof;
	int status;

	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = 0;
	for (size_t i = 0; i < 5; i++)
		words[i] = rest ? strsep(&rest, "\n") : NULL;
	if (words[2] && guard_host(words[2], NULL) && strcasestr(words[2], "evil"))
		abort();
	if (words[3] && guard_site(words[2], words[3], words[4]) &&
		strcasecmp(words[3] + strlen("http://"), words[2]) != 0)
		abort();
	if (words[1] && uri_parse(&u, words[1]) == 0) {
		status = route_parse(&r, &u, words[0], &pprof, &error);
		if ((status != 0) != (error.code != EXIT_CODE_OK))
			abort();
		if (status == 0 && (r.kind >= ROUTE_KINDS || r.seconds > HTTP_MAX_SECONDS))
			abort();
		if (status == 0)
			show(&r, &u);
	}
	route_deinit(&r);
	free(text);
	return 0;
}
