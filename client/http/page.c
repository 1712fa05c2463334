/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the markup. Names come from targets and peers: put() is between them and the page. */
#include <string.h>
#include "base/clock.h"
#include "client/show.h"
#include "http/page.h"
#include "profile/types.h"
#include "view/frame.h"
#include "view/paint.h"

/* Text of anybody. What cannot be shown for lack of memory is left out. */
static void put(FILE *out, const char *text)
{
	_cleanup_free_ char *safe = frame_safe(text ? text : "", 0);

	if (safe)
		paint_escape(out, safe);
}

static void head(FILE *out, const char *title)
{
	(void)fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<meta name=\"color-scheme\" content=\"light dark\">\n"
		    "<link rel=\"icon\" href=\"data:,\">\n"
		    "<link rel=\"stylesheet\" href=\"/assets/live.css\">\n<title>",
		out);
	put(out, title);
	(void)fputs("</title></head>\n", out);
}

static void cell(FILE *out, const char *text)
{
	(void)fputs("<td>", out);
	put(out, text);
	(void)fputs("</td>", out);
}

static void number(FILE *out, uint64_t value)
{
	(void)fprintf(out, "<td class=\"n\">%llu</td>", (unsigned long long)value);
}

static void right(FILE *out, const char *text)
{
	(void)fputs("<td class=\"n\">", out);
	put(out, text);
	(void)fputs("</td>", out);
}

/* ---- the overview ---- */

/* The type that a flame graph is of where it is not said. */
static bool is_default(const char *type)
{
	return !strcmp(type, profile_type_info(PROFILE_CPU)->name);
}

/* Links to the flame graphs of a target, a link a type. `query`: what chooses the target; `here`:
 * the type that is shown, NULL for none. */
static void put_flames(
	FILE *out, const char *const *types, size_t n, const char *query, const char *here)
{
	for (size_t i = 0; i < n; i++) {
		bool named = !is_default(types[i]);
		bool current = here && !strcmp(types[i], here);

		(void)fprintf(out, "%s<a%s href=\"/flame%s", i ? " · " : "",
			current ? " aria-current=\"page\"" : "", *query || named ? "?" : "");
		put(out, query);
		(void)fputs(*query && named ? "&amp;" : "", out);
		(void)fputs(named ? "type=" : "", out);
		put(out, named ? types[i] : "");
		(void)fputs("\">", out);
		put(out, types[i]);
		(void)fputs("</a>", out);
	}
}

static void put_state(
	FILE *out, const char *url, const Profd__V1__HelloReply *h, const Profd__V1__StatusReply *s)
{
	char a[64], b[64];

	(void)fputs("<p id=\"state\" class=\"", out);
	(void)fputs(!strcmp(s->state, "ok") ? "ok\">" : "bad\">", out);
	put(out, s->state);
	(void)fputs("</p>\n<p>profd ", out);
	put(out, s->version);
	(void)fprintf(out, ", since %s", clock_format_point(s->since_wall_ns, a, sizeof(a)));
	if (s->history_from_wall_ns)
		(void)fprintf(out, "; one can ask back to %s, %s long",
			clock_format_point(s->history_from_wall_ns, a, sizeof(a)),
			clock_format_span((s->history_to_wall_ns - s->history_from_wall_ns) /
						  NS_PER_SEC * NS_PER_SEC,
				b, sizeof(b)));
	(void)fputs(".</p>\n<p>Everything you may see: flame graph of ", out);
	put_flames(out, (const char *const *)h->types, h->n_types, "", NULL);
	(void)fputs("; <a href=\"/debug/pprof/\">profiles</a>; <code>go tool pprof ", out);
	put(out, url);
	(void)fputs("debug/pprof/profile?seconds=5</code></p>\n", out);
}

static void put_attachments(FILE *out, const Profd__V1__ListReply *l)
{
	char text[128];

	(void)fputs("<h2>Attached</h2>\n", out);
	if (!l->n_attachments) {
		(void)fputs("<p>Nothing. A profile attaches for as long as it takes.</p>\n", out);
		return;
	}
	(void)fputs(
		"<table><thead><tr><th class=\"n\">Id<th>Target<th>Types<th class=\"n\">Hz"
		"<th class=\"n\">Waits<th>Event<th>Owner<th>State<th>Since<th class=\"n\">Processes"
		"<th class=\"n\">Samples</tr></thead><tbody>\n",
		out);
	for (size_t i = 0; i < l->n_attachments; i++) {
		const Profd__V1__Attachment *a = l->attachments[i];

		(void)fputs("<tr>", out);
		number(out, a->id);
		cell(out, a->target);
		cell(out, show_types(a, text, sizeof(text)));
		(void)snprintf(text, sizeof(text), "%u", a->freq_hz);
		right(out, a->freq_hz ? text : "");
		right(out, show_threshold(a, text, sizeof(text)));
		cell(out, a->freq_hz ? a->event : "");
		cell(out, show_user(a->owner_uid, text, sizeof(text)));
		cell(out, a->state);
		cell(out, clock_format_point(a->since_wall_ns, text, sizeof(text)));
		number(out, a->processes);
		number(out, a->samples);
		(void)fputs("</tr>\n", out);
	}
	(void)fputs("</tbody></table>\n", out);
}

static void put_cost(FILE *out, const Profd__V1__StatusReply *s)
{
	uint64_t up_ns = clock_wall_ns() - s->since_wall_ns;
	char text[64];

	(void)fputs("<h2>Cost</h2>\n<table><thead><tr><th>Process<th class=\"n\">CPU"
		    "<th class=\"n\">of one CPU<th class=\"n\">Memory</tr></thead><tbody>\n",
		out);
	for (size_t i = 0; i < s->n_costs; i++) {
		const Profd__V1__ProcessCost *c = s->costs[i];

		(void)fputs("<tr>", out);
		cell(out, c->name);
		right(out, clock_format_span(c->cpu_ns, text, sizeof(text)));
		(void)fprintf(out, "<td class=\"n\">%.2f %%</td>",
			up_ns ? 100.0 * (double)c->cpu_ns / (double)up_ns : 0);
		right(out, c->rss_bytes ? show_bytes(c->rss_bytes, text, sizeof(text)) : "");
		(void)fputs("</tr>\n", out);
	}
	(void)fputs("</tbody></table>\n", out);
}

static void put_counters(FILE *out, const char *what, Profd__V1__Counter *const *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!c[i]->value)
			continue;
		(void)fprintf(out, "<tr><td>%s", what);
		put(out, c[i]->name);
		(void)fputs("</td>", out);
		number(out, c[i]->value);
		cell(out, c[i]->text);
		(void)fputs("</tr>\n", out);
	}
}

static void put_row(FILE *out, const char *what, uint64_t value, const char *text)
{
	(void)fprintf(out, "<tr><td>%s</td>", what);
	number(out, value);
	(void)fprintf(out, "<td>%s</td></tr>\n", text);
}

static void put_losses(FILE *out, const Profd__V1__StatusReply *s)
{
	(void)fputs("<h2>Samples and losses</h2>\n", out);
	for (size_t i = 0; i < s->n_event_sets; i++) {
		const Profd__V1__EventSet *e = s->event_sets[i];
		struct show_counted rows[SHOW_COUNTED];
		char title[96];
		size_t n;

		show_counted(e, rows, &n);
		(void)fputs("<table><caption>", out);
		put(out, show_event_set(e, title, sizeof(title)));
		(void)fputs("</caption><tbody>\n", out);
		for (size_t k = 0; k < n; k++)
			put_row(out, rows[k].name, rows[k].value, rows[k].text);
		put_counters(out, "dropped: ", e->dropped, e->n_dropped);
		put_counters(out, "stacks: ", e->truncated, e->n_truncated);
		(void)fputs("</tbody></table>\n", out);
	}
	if (!s->n_event_sets)
		(void)fputs("<p>Nothing is sampled now.</p>\n", out);
	for (size_t i = 0; i < s->n_quarantine; i++) {
		(void)fputs("<p class=\"bad\">not read any more: ", out);
		put(out, s->quarantine[i]->what);
		(void)fputs(": ", out);
		put(out, s->quarantine[i]->why);
		(void)fputs("</p>\n", out);
	}
}

/* Leads to all that are called so, where the name means only itself in a query and as a pattern. */
static void put_name(FILE *out, const char *comm)
{
	size_t n =
		strspn(comm, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	if (n && !comm[n])
		(void)fprintf(out, "<td><a href=\"/flame?comm=%s\">%s</a></td>", comm, comm);
	else
		cell(out, comm);
}

static void put_processes(FILE *out, const Profd__V1__ListReply *l)
{
	char user[64];

	(void)fputs("<h2>Processes</h2>\n<table id=\"processes\"><thead><tr><th class=\"n\">Pid"
		    "<th>Name<th>User<th>Runtime<th>Executable<th>Look at</tr></thead><tbody>\n",
		out);
	for (size_t i = 0; i < l->n_processes; i++) {
		const Profd__V1__ProcessInfo *p = l->processes[i];

		(void)fprintf(out, "<tr%s>", p->attached ? " class=\"on\"" : "");
		number(out, p->pid);
		put_name(out, p->comm);
		cell(out, show_user(p->uid, user, sizeof(user)));
		cell(out, p->runtime);
		cell(out, p->exe);
		(void)fprintf(out,
			"<td><a href=\"/flame?pid=%u\">flame graph</a> · <a "
			"href=\"/proc/%u/debug/pprof/\">profiles</a></td></tr>\n",
			p->pid, p->pid);
	}
	(void)fputs("</tbody></table>\n", out);
	if (l->processes_left_out)
		(void)fprintf(out, "<p>%u more process%s not listed.</p>\n", l->processes_left_out,
			l->processes_left_out == 1 ? " is" : "es are");
}

void page_overview(FILE *out, const char *url, const Profd__V1__HelloReply *h,
	const Profd__V1__StatusReply *s, const Profd__V1__ListReply *l)
{
	head(out, "profd");
	(void)fputs("<body>\n<header><h1>profd</h1><label><input type=\"checkbox\" id=\"live\" "
		    "checked> live</label> <label>Filter processes <input type=\"search\" "
		    "id=\"filter\"></label> <output id=\"said\" "
		    "aria-live=\"polite\"></output></header>\n"
		    "<main id=\"overview\">\n",
		out);
	put_state(out, url, h, s);
	put_attachments(out, l);
	(void)fputs("<div class=\"beside\"><section>\n", out);
	put_cost(out, s);
	(void)fputs("</section><section>\n", out);
	put_losses(out, s);
	(void)fputs("</section></div>\n", out);
	put_processes(out, l);
	(void)fputs("</main>\n<script src=\"/assets/live.js\"></script>\n</body></html>\n", out);
}

/* ---- /debug/pprof/ ---- */

/* What is no profile type of the daemon's table. */
static const struct {
	const char *name, *text;
} descriptions[] = {
	{ "allocs", "A sampling of all past memory allocations" },
	{ "goroutine", "Stack traces of all current goroutines" },
	{ "heap", "A sampling of memory allocations of live objects" },
	{ "cmdline", "The command line of the process" },
	{ "profile",
		"CPU profile. The seconds GET parameter is how long it takes. Then use the go tool "
		"pprof command, or profctl, to look at it." },
	{ "symbol", "Names of the addresses that profiles of the process have; the profiles have "
		    "them already" },
};

static void describe(FILE *out, const char *name)
{
	int type = profile_type_find(name);
	const char *text = type < 0 ? NULL : profile_type_info((enum profile_type)type)->question;

	for (size_t i = 0; i < ARRAY_SIZE(descriptions) && !text; i++)
		if (!strcmp(descriptions[i].name, name))
			text = descriptions[i].text;
	if (!text)
		return;
	(void)fputs("<li><b>", out);
	put(out, name);
	(void)fprintf(out, "</b>: %s</li>\n", text);
}

static void link_row(FILE *out, const char *name, const char *parameters, const char *query)
{
	(void)fputs("<tr><td>0</td><td><a href=\"", out);
	put(out, name);
	if (*parameters || *query)
		(void)fputs("?", out);
	(void)fputs(parameters, out);
	if (*parameters && *query)
		(void)fputs("&amp;", out);
	put(out, query);
	(void)fputs("\">", out);
	put(out, name);
	(void)fputs("</a></td></tr>\n", out);
}

void page_index(FILE *out, const struct route *r, const char *query, const Profd__V1__HelloReply *h)
{
	bool cpu = false, one = route_is_of_one(r);
	char target[32] = "";

	head(out, "/debug/pprof/");
	(void)fputs("<body>\n<h1>/debug/pprof/</h1>\n", out);
	if (*r->pid)
		(void)fprintf(out, "<p>of process %s</p>\n", r->pid);
	else if (*query) {
		(void)fputs("<p>of ", out);
		put(out, query);
		(void)fputs("</p>\n", out);
	} else
		(void)fputs("<p>of every process that you may see</p>\n", out);
	(void)fputs("<p>Set debug=1 as a query parameter to export in text format</p>\n"
		    "<p>Types of profiles available:</p>\n<table>\n"
		    "<thead><tr><td>Count</td><td>Profile</td></tr></thead><tbody>\n",
		out);
	for (size_t i = 0; i < h->n_types; i++) {
		bool is_cpu = is_default(h->types[i]); /* what net/http/pprof calls profile */

		cpu = cpu || is_cpu;
		if (!is_cpu)
			link_row(out, h->types[i], "debug=1", query);
	}
	if (one)
		link_row(out, "cmdline", "", query);
	if (cpu)
		link_row(out, "profile", "", query);
	(void)fputs("</tbody></table>\n<p>Flame graph of ", out);
	if (*r->pid)
		(void)snprintf(target, sizeof(target), "pid=%s", r->pid);
	put_flames(out, (const char *const *)h->types, h->n_types, *r->pid ? target : query, NULL);
	(void)fputs("; <a href=\"/\">overview</a></p>\n<h2>Profile descriptions</h2>\n<ul>\n", out);
	for (size_t i = 0; i < h->n_types; i++)
		if (!is_default(h->types[i]))
			describe(out, h->types[i]);
	if (one)
		describe(out, "cmdline");
	if (cpu)
		describe(out, "profile");
	describe(out, "symbol");
	(void)fputs(
		"</ul>\n<p>Without seconds a profile is of all that is held, and of five seconds "
		"from now where nothing is; with them, of the next so many. What waits takes "
		"state=, as state=all or state=mutex,disk.</p>\n</body></html>\n",
		out);
}

/* ---- the flame graph ---- */

/* The query without the parameter that says the type: what chooses the target, and states. The
 * caller's; NULL: no memory. */
static char *without_type(const char *query)
{
	char *rest = strdup(query), *to = rest;
	size_t n;

	for (; rest && *query; query += n + (query[n] == '&')) {
		n = strcspn(query, "&");
		if (!strncmp(query, "type=", 5))
			continue;
		if (to != rest)
			*to++ = '&';
		to = mempcpy(to, query, n);
	}
	if (rest)
		*to = '\0';
	return rest;
}

void page_flame(FILE *out, const struct route *r, const char *query)
{
	_cleanup_free_ char *target = without_type(query);
	const char *of = target ?: "";
	bool cpu = is_default(r->name);

	head(out, "Flame graph");
	(void)fputs("<body class=\"whole\">\n<header><a href=\"/\">profd</a> <b>", out);
	put(out, r->name);
	(void)fputs("</b> of <b>", out);
	put(out, *of ? of : "every process that you may see");
	(void)fputs("</b> <label><input type=\"checkbox\" id=\"live\" checked> live</label> "
		    "<nav>",
		out);
	put_flames(out, profile_type_names(), PROFILE_TYPES_N, of, r->name);
	(void)fputs("</nav> <a download=\"", out);
	put(out, cpu ? "profile" : r->name);
	(void)fputs(".pb.gz\" href=\"/debug/pprof/", out);
	put(out, cpu ? "profile" : r->name);
	(void)fputs(cpu ? "" : "?seconds=30", out);
	(void)fputs(!*of ? "" : cpu ? "?" : "&amp;", out);
	put(out, of);
	(void)fputs("\">profile of the next 30 s</a> <output id=\"said\" aria-live=\"polite\">"
		    "</output></header>\n<main id=\"graphs\"><iframe title=\"Flame graph\" "
		    "src=\"/flame/graph",
		out);
	(void)fputs(*query ? "?" : "", out);
	put(out, query);
	(void)fputs("\"></iframe></main>\n<script src=\"/assets/live.js\"></script>\n"
		    "</body></html>\n",
		out);
}

int page_empty(FILE *out, const char *why)
{
	(void)fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
		    "name=\"color-scheme\" content=\"light dark\"><title>No samples</title>"
		    "</head><body><p>",
		out);
	put(out, why);
	(void)fputs("</p></body></html>\n", out);
	return 0;
}
