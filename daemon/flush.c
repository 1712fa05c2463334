/* SPDX-License-Identifier: Apache-2.0 */
/* Flushes (flush.h). Owns the turns; those who wait are in a list of their own members. */
#include "flush.h"
#include "base/clock.h"
#include "kernel/kernel.h"

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
static void tell_served(struct flush *f, bool cancelled)
{
	struct flush_wait *w;

	do {
		for (w = f->waits; w && !w->is_served; w = w->next)
			;
		if (w) {
			flush_forget(f, w);
			w->done(w->userdata, cancelled);
		}
	} while (w);
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct flush *f = userdata;

	if (!f->is_under_way)
		begin(f);
	/* What it cannot tell comes when it is over. */
	if (!f->is_through && kernel_threads_flush(f->kernel, f->bits, TURN_NS) > 0)
		return 0;
	f->is_under_way = f->is_through = false;
	tell_served(f, false);
	if (!f->waits)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

int flush_init(struct flush *f, sd_event *event, struct kernel *kernel)
{
	int r = sd_event_add_defer(event, &f->step, on_step, f);

	f->kernel = kernel;
	return r < 0 ? r : sd_event_source_set_enabled(f->step, SD_EVENT_OFF);
}

void flush_deinit(struct flush *f)
{
	begin(f);
	tell_served(f, true);
	sd_event_source_disable_unref(f->step);
	*f = (struct flush){ 0 };
}

void flush_ask(struct flush *f, struct flush_wait *w)
{
	w->is_served = false;
	w->next = f->waits;
	f->waits = w;
	(void)sd_event_source_set_enabled(f->step, SD_EVENT_ON);
}

void flush_forget(struct flush *f, struct flush_wait *w)
{
	for (struct flush_wait **at = &f->waits; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			return;
		}
	}
}

void flush_now(struct flush *f, uint64_t bits)
{
	uint64_t until_ns = clock_monotonic_ns() + NOW_NS;

	/* The one under way first: it is told to those who wait for it in its own turn. */
	while (f->is_under_way && !f->is_through && clock_monotonic_ns() < until_ns)
		f->is_through = kernel_threads_flush(f->kernel, f->bits, TURN_NS) <= 0;
	while (clock_monotonic_ns() < until_ns &&
		kernel_threads_flush(f->kernel, bits, TURN_NS) > 0)
		;
}
