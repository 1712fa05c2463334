/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot writer (image.h): its texts, mappings, locations and its end; rows are in
 * image_row.c. Owns the sections until they are in the memfd. Names come from
 * targets and from files that they wrote: they pass as bytes, the encoder and the views make them
 * safe.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "collect/image.h"

#define MAX_SECTION_BYTES (1 * GIB)
#define MAX_IDS		  (64U << 20)
#define PAGE		  4096ULL
#define KERNEL_START	  0xffff800000000000ULL

struct image_mapping {
	uint32_t module, segment, mapping;
};

void image_init(
	struct image *i, const struct dump_rooms *rooms, const struct image_options *options)
{
	*i = (struct image){
		.rooms = rooms,
		.options = *options,
		.wall_offset_ns = (int64_t)(clock_wall_ns() - clock_monotonic_ns()),
		.text_of_symbol = ARRAY_INIT(uint32_t, MAX_IDS),
		.text_of_name = ARRAY_INIT(uint32_t, MAX_IDS),
		.location_of_frame = ARRAY_INIT(uint32_t, MAX_IDS),
		.mapping_of = ARRAY_INIT(struct image_mapping, MAX_IDS),
		.text_of_syscall = ARRAY_INIT(uint32_t, IMAGE_SYSCALLS),
	};
	if (!i->options.states)
		i->options.states = wait_states_shown(options->type);
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++)
		i->sections[s] = (struct writer)WRITER_INIT(MAX_SECTION_BYTES);
	writer_u8(&i->sections[SNAPSHOT_TEXT], 0);
	/* Of a main binary that is not known: with functions, so that nobody looks for symbols. */
	writer_put(&i->sections[SNAPSHOT_MAPPINGS],
		&(struct snapshot_mapping){ .flags = SNAPSHOT_FUNCTIONS },
		sizeof(struct snapshot_mapping));
}

void image_deinit(struct image *i)
{
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++)
		writer_deinit(&i->sections[s]);
	array_deinit(&i->text_of_symbol);
	array_deinit(&i->text_of_name);
	array_deinit(&i->location_of_frame);
	array_deinit(&i->mapping_of);
	array_deinit(&i->text_of_syscall);
	free(i->program);
	i->program = NULL;
}

uint32_t image_text(struct image *i, const char *text, size_t n)
{
	struct writer *w = &i->sections[SNAPSHOT_TEXT];
	if (n == 0)
		return 0;
	uint32_t offset = (uint32_t)w->n;
	writer_put(w, text, strnlen(text, n));
	writer_u8(w, 0);
	return w->bad ? 0 : offset;
}

/* The text of string `id`, once, by a map of id -> offset + 1. */
static uint32_t text_of(struct image *i, struct array *map, uint32_t id, const char *text, size_t n)
{
	if (id == 0)
		return 0;
	if (id >= map->n && array_resize(map, (size_t)id + 1 + id / 2) < 0)
		return 0;
	uint32_t *at = ARRAY_AT(map, uint32_t, id);
	if (*at == 0)
		*at = image_text(i, text, n) + 1;
	return *at - 1;
}

static uint32_t symbol_text(struct image *i, uint32_t id)
{
	size_t n;
	const char *text = strings_get(i->rooms->strings, id, &n);
	return text_of(i, &i->text_of_symbol, id, text, n);
}

uint32_t image_name(struct image *i, uint32_t id)
{
	const char *text = aggregate_name(i->rooms->aggregate, id);
	return text_of(i, &i->text_of_name, id, text, strlen(text));
}

static uint32_t mapping_push(struct image *i, const struct module *m, uint32_t segment,
	const struct snapshot_mapping *mapping)
{
	struct writer *w = &i->sections[SNAPSHOT_MAPPINGS];
	uint32_t id = (uint32_t)(w->n / sizeof(*mapping));
	struct image_mapping *row = array_push(&i->mapping_of);
	writer_put(w, mapping, sizeof(*mapping));
	if (!row || w->bad)
		return UINT32_MAX;
	*row = (struct image_mapping){ .module = m->id, .segment = segment, .mapping = id };
	return id;
}

static uint32_t flags_of(const struct symbol_module *sm)
{
	/* Every frame gets a name, if only its module's, so functions are there in any case. */
	uint32_t flags = SNAPSHOT_FUNCTIONS;
	if (sm && sm->has_filenames)
		flags |= SNAPSHOT_FILENAMES;
	if (sm && sm->has_line_numbers)
		flags |= SNAPSHOT_LINE_NUMBERS;
	if (sm && sm->has_inline_frames)
		flags |= SNAPSHOT_INLINE_FRAMES;
	return flags;
}

/* The profile's mapping for a frame: one a module and executable segment, at the addresses that the
 * file itself gives, which are the same for every process. UINT32_MAX: none. */
static uint32_t mapping_of(
	struct image *i, const struct module *m, const struct symbol_module *sm, uint64_t offset)
{
	uint32_t segment = 0;
	if (sm)
		for (uint32_t s = 0; s < sm->n_segments; s++)
			if (offset >= sm->segments[s].offset &&
				offset - sm->segments[s].offset < sm->segments[s].size)
				segment = s;
	ARRAY_EACH(&i->mapping_of, struct image_mapping, row)
		if (row->module == m->id && row->segment == segment)
			return row->mapping;

	struct snapshot_mapping mapping = { .flags = flags_of(sm) };
	mapping.file = image_text(i, m->path, strlen(m->path));
	switch (m->kind) {
	case MODULE_FILE:
	case MODULE_VDSO:
		if (sm && sm->n_segments > 0) {
			uint64_t vaddr = sm->segments[segment].vaddr;
			mapping.start = vaddr & ~(PAGE - 1);
			mapping.offset = sm->segments[segment].offset & ~(PAGE - 1);
			mapping.limit =
				(vaddr + sm->segments[segment].size + PAGE - 1) & ~(PAGE - 1);
		} else {
			mapping.limit = (MAX(m->size, offset + 1) + PAGE - 1) & ~(PAGE - 1);
		}
		if (sm)
			mapping.build_id = image_text(i, sm->build_id, strlen(sm->build_id));
		break;
	case MODULE_KERNEL:
		if (i->options.kernel_addresses) {
			mapping.start = KERNEL_START;
			mapping.limit = UINT64_MAX;
		}
		break;
	case MODULE_JIT:
		mapping.limit = KERNEL_START;
		break;
	case MODULE_UNKNOWN:
		return UINT32_MAX;
	}
	return mapping_push(i, m, segment, &mapping);
}

/* What a frame without a symbol is called. */
static uint32_t unnamed_text(
	struct image *i, const struct module *m, const struct symbol_address *a)
{
	char name[LIMIT_PATH + 64];
	const char *base = strrchr(m->path, '/');
	base = base ? base + 1 : m->path;
	if (m->kind == MODULE_UNKNOWN)
		snprintf(name, sizeof(name), "[unknown]");
	else if (a && a->function_start && m->kind != MODULE_KERNEL && m->kind != MODULE_JIT)
		snprintf(name, sizeof(name), "%s+0x%llx", base,
			(unsigned long long)a->function_start);
	else if (base[0] == '[')
		snprintf(name, sizeof(name), "%s", base);
	else
		snprintf(name, sizeof(name), "[%s]", base);
	return image_text(i, name, strlen(name));
}

static void lines_add(struct image *i, const struct module *m, const struct symbol_address *a,
	struct snapshot_location *location)
{
	struct writer *w = &i->sections[SNAPSHOT_LINES];
	location->first_line = (uint32_t)(w->n / sizeof(struct snapshot_line));
	const struct symbol_line *lines = a ? symbolizer_lines(i->rooms->symbolizer, a) : NULL;
	uint32_t n = a && lines ? a->n_lines : 0;
	for (uint32_t l = 0; l < n; l++) {
		struct snapshot_line line = {
			.name = symbol_text(i, lines[l].name),
			.system_name = symbol_text(i, lines[l].system_name),
			.file = symbol_text(i, lines[l].file),
			.line = lines[l].line,
			.start_line = lines[l].start_line,
		};
		if (line.name == 0)
			line.name = line.system_name = unnamed_text(i, m, a);
		writer_put(w, &line, sizeof(line));
	}
	if (n == 0) {
		struct snapshot_line line = { .name = unnamed_text(i, m, a) };
		line.system_name = line.name;
		writer_put(w, &line, sizeof(line));
		n = 1;
	}
	location->n_lines = n;
}

uint32_t image_location(struct image *i, uint32_t frame)
{
	if (frame >= i->location_of_frame.n &&
		array_resize(&i->location_of_frame, (size_t)frame + 1 + frame / 2) < 0)
		return 0;
	uint32_t *at = ARRAY_AT(&i->location_of_frame, uint32_t, frame);
	if (*at)
		return *at - 1;
	struct stack_store *stacks = aggregate_stacks(i->rooms->aggregate);
	const struct frame *f = stack_frame(stacks, frame);
	const struct module *m = module_table_get(i->rooms->modules, f->module);
	struct writer *w = &i->sections[SNAPSHOT_LOCATIONS];
	struct snapshot_location location = { .mapping = UINT32_MAX, .address = f->offset };
	if (m) {
		const struct symbol_address *a =
			symbolizer_lookup(i->rooms->symbolizer, m->id, f->offset);
		const struct symbol_module *sm = symbolizer_module(i->rooms->symbolizer, m->id);
		location.mapping = mapping_of(i, m, sm, f->offset);
		if (a)
			location.address = a->vaddr;
		if (m->kind == MODULE_KERNEL && !i->options.kernel_addresses)
			location.address = 0;
		lines_add(i, m, a, &location);
	}
	*at = (uint32_t)(w->n / sizeof(location)) + 1;
	writer_put(w, &location, sizeof(location));
	return *at - 1;
}

/* Makes the program's first mapping that of the main binary. */
static void put_program_first(struct image *i)
{
	struct writer *mappings = &i->sections[SNAPSHOT_MAPPINGS];
	struct writer *locations = &i->sections[SNAPSHOT_LOCATIONS];
	struct snapshot_mapping *all = (void *)mappings->data;
	struct snapshot_location *l = (void *)locations->data;
	uint32_t last = (uint32_t)(mappings->n / sizeof(*all)) - 1, from = 0;

	for (size_t m = 0; m < i->mapping_of.n && from == 0; m++) {
		const struct image_mapping *row = ARRAY_AT(&i->mapping_of, struct image_mapping, m);
		const struct module *module = module_table_get(i->rooms->modules, row->module);
		if (module && module->kind == MODULE_FILE && i->program &&
			strcmp(module->path, i->program) == 0)
			from = row->mapping;
	}
	if (from == 0)
		return;
	all[0] = all[from];
	all[from] = all[last];
	mappings->n -= sizeof(*all);
	for (size_t at = 0; at < locations->n / sizeof(*l); at++)
		l[at].mapping = l[at].mapping == from	? 0
				: l[at].mapping == last ? from
							: l[at].mapping;
}

uint32_t image_synthetic(struct image *i, const char *name)
{
	uint32_t text = image_text(i, name, strlen(name));
	struct snapshot_line line = { .name = text, .system_name = text };
	struct snapshot_location location = { .mapping = UINT32_MAX, .n_lines = 1 };
	struct writer *lines = &i->sections[SNAPSHOT_LINES];
	struct writer *locations = &i->sections[SNAPSHOT_LOCATIONS];
	uint32_t id = (uint32_t)(locations->n / sizeof(location));

	location.first_line = (uint32_t)(lines->n / sizeof(line));
	writer_put(lines, &line, sizeof(line));
	writer_put(locations, &location, sizeof(location));
	return id;
}

int image_add_comment(struct image *i, const char *text, size_t n)
{
	writer_u32(&i->sections[SNAPSHOT_COMMENTS], image_text(i, text, n));
	return i->sections[SNAPSHOT_COMMENTS].bad;
}

static const size_t element_size[SNAPSHOT_SECTIONS] = {
	[SNAPSHOT_TEXT] = 1,
	[SNAPSHOT_COMMENTS] = sizeof(uint32_t),
	[SNAPSHOT_MAPPINGS] = sizeof(struct snapshot_mapping),
	[SNAPSHOT_LINES] = sizeof(struct snapshot_line),
	[SNAPSHOT_LOCATIONS] = sizeof(struct snapshot_location),
	[SNAPSHOT_FRAMES] = sizeof(uint32_t),
	[SNAPSHOT_SAMPLES] = sizeof(struct snapshot_sample),
};

/* Types, units, fractions and the period of the profile. */
static void write_types(struct image *i, struct snapshot_header *h)
{
	const struct profile_type_info *info = profile_type_info(i->options.type);

	for (unsigned t = 0; t < ARRAY_SIZE(info->type) && info->type[t]; t++) {
		h->type[t] = image_text(i, info->type[t], strlen(info->type[t]));
		h->unit[t] = image_text(i, info->unit[t], strlen(info->unit[t]));
		h->n_types++;
	}
	h->period_type = image_text(i, info->period_type, strlen(info->period_type));
	h->period_unit = image_text(i, info->period_unit, strlen(info->period_unit));
	h->period = 1;
	switch (i->options.type) {
	case PROFILE_CPU:
		h->period = (int64_t)i->period_ns;
		return;
	case PROFILE_THREADCREATE:
		return;
	case PROFILE_RUNQ:
	case PROFILE_OFFCPU:
	case PROFILE_WALL:
		h->period = (int64_t)MAX(aggregate_threshold_ns(i->rooms->aggregate), 1U);
		break;
	case PROFILE_BLOCK:
	case PROFILE_MUTEX:
	case PROFILE_TYPES_N:
		break;
	}
	h->shift[0] = SPAN_EVENT_SHIFT;
	h->shift[1] = SPAN_NS_SHIFT;
}

int image_finish(struct image *i, uint64_t from_ns, uint64_t until_ns)
{
	static const char zeros[8];
	struct snapshot_header h = {
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.time_nanos = (int64_t)from_ns + i->wall_offset_ns,
		.duration_nanos = (int64_t)(until_ns - from_ns),
	};
	put_program_first(i);
	write_types(i, &h);

	_cleanup_close_ int fd = io_memfd("profd-snapshot");
	if (fd < 0)
		return fd;
	uint64_t at = sizeof(h);
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++) {
		if (i->sections[s].bad)
			return i->sections[s].bad;
		h.section[s].offset = at;
		h.section[s].n = i->sections[s].n / element_size[s];
		at += (i->sections[s].n + 7) & ~7ULL;
	}
	int r = io_write_full(fd, &h, sizeof(h));
	for (size_t s = 0; s < SNAPSHOT_SECTIONS && r >= 0; s++) {
		r = io_write_full(fd, i->sections[s].data, i->sections[s].n);
		if (r >= 0)
			r = io_write_full(fd, zeros, (8 - i->sections[s].n % 8) % 8);
	}
	if (r >= 0)
		r = io_memfd_seal(fd);
	return r < 0 ? r : TAKE_FD(fd);
}
