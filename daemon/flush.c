/* SPDX-License-Identifier: Apache-2.0 */
/* Flushes (flush.h). Owns the turns; those who wait are in a list of their own members. */
#include "flush.h"
#include "base/clock.h"
#include "profd.h"

#define TURN_NS NS_PER_MS
#define NOW_NS	(20 * NS_PER_MS)

static void begin(struct flush *f)
{
	f->is_under_way = true;
	f->bits = 0;
	for (struct flush_wait *w = f->waits; w; w = w->next) {
		w->is_served = true;
		f->bits |= w->bits;
	}
}

/* Each may ask again, or forget another. */
static void tell_served(struct profd *p, bool cancelled)
{
	struct flush *f = &p->flush;
	struct flush_wait *w;

	do {
		for (w = f->waits; w && !w->is_served; w = w->next)
			;
		if (w) {
			flush_forget(p, w);
			w->done(w->userdata, cancelled);
		}
	} while (w);
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct profd *p = userdata;
	struct flush *f = &p->flush;

	if (!f->is_under_way)
		begin(f);
	/* What it cannot tell comes when it is over. */
	if (kernel_threads_flush(p->kernel, f->bits, TURN_NS) > 0)
		return 0;
	f->is_under_way = false;
	tell_served(p, false);
	if (!f->waits)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

int flush_init(struct profd *p)
{
	int r = sd_event_add_defer(p->event, &p->flush.step, on_step, p);

	return r < 0 ? r : sd_event_source_set_enabled(p->flush.step, SD_EVENT_OFF);
}

void flush_deinit(struct profd *p)
{
	begin(&p->flush);
	tell_served(p, true);
	sd_event_source_disable_unref(p->flush.step);
	p->flush = (struct flush){ 0 };
}

void flush_ask(struct profd *p, struct flush_wait *w)
{
	w->is_served = false;
	w->next = p->flush.waits;
	p->flush.waits = w;
	(void)sd_event_source_set_enabled(p->flush.step, SD_EVENT_ON);
}

void flush_forget(struct profd *p, struct flush_wait *w)
{
	for (struct flush_wait **at = &p->flush.waits; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			return;
		}
	}
}

void flush_now(struct profd *p, uint64_t bits)
{
	uint64_t until_ns = clock_monotonic_ns() + NOW_NS;
	struct flush *f = &p->flush;
	bool more = true;

	/* The one under way first: it is told to those who wait for it in its own turn. */
	while (f->is_under_way && more && clock_monotonic_ns() < until_ns)
		more = kernel_threads_flush(p->kernel, f->bits, TURN_NS) > 0;
	while (clock_monotonic_ns() < until_ns &&
		kernel_threads_flush(p->kernel, bits, TURN_NS) > 0)
		;
}
