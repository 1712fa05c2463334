/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for frames. Asynchronous: the daemon asks for offsets of one module, a sandboxed worker
 * reads the file it is handed and answers; the answer is checked, interned and cached by module, so
 * that a second dump asks only for what is new.
 *
 * Order of sources for a file: .gopclntab for Go functions (the runtime's own names, lines and
 * inlines, the same when stripped) -> DWARF of the file or of its separate debug file (names,
 * lines, expanded inlines) -> .symtab (own or debug file's) -> .dynsym -> function start from
 * .eh_frame_hdr (name stays empty). Kernel: kallsyms. JIT: perf map.
 */
#ifndef PROFD_SYMBOL_SYMBOLIZER_H
#define PROFD_SYMBOL_SYMBOLIZER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"
#include "isolate/helper.h"
#include "proc/module.h"
#include "proc/target.h"

/* One function at an address; an address has 1..LIMIT_INLINE_DEPTH of them, innermost inlined
 * first. */
struct symbol_line {
	uint32_t name;	      /* demangled; string id, 0: unnamed */
	uint32_t system_name; /* as in the file; = name where it was not mangled */
	uint32_t file;	      /* string id, 0: unknown */
	uint32_t line;	      /* 0: unknown */
	uint32_t start_line;  /* of the function; 0: unknown */
};

/* The symbolized form of (module, offset). */
struct symbol_address {
	uint64_t offset; /* key, as asked */
	/* Address in the file's own address space (p_vaddr); raw for kernel, JIT. */
	uint64_t vaddr;
	uint64_t function_start;      /* vaddr of the function's first byte; 0: unknown */
	uint32_t first_line, n_lines; /* of symbolizer_lines() */
};

/* An executable segment: vaddr = offset in the file - its offset + its vaddr. */
struct symbol_segment {
	uint64_t offset, vaddr, size;
};

/* What is known of a module after its first answer. */
struct symbol_module {
	char build_id[65]; /* lowercase hex, "" when there is none */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
	bool has_symtab; /* full symbols: an unnamed address is none of a missing file */
	bool partial;	 /* time or room ran out: some lines or inlined calls are left out */
	/* "go1.19.8" when it is a Go program, else ""; owned by the symbolizer. */
	const char *runtime;
	/* 0, or why nothing could be read (file_error, -EBADMSG, -ETIMEDOUT, -EPIPE). */
	int error;
	/* For profile mappings. */
	struct symbol_segment segments[16];
	uint32_t n_segments;
};

struct symbolizer;

/* max_workers: processes at once, of those that share files and of those that take one file each.
 */
int symbolizer_new(struct symbolizer **ret, sd_event *event, struct target_io *io,
	struct module_table *modules, struct strings *strings, unsigned max_workers);
/* Calls done() of all that is asked for with -ECANCELED; nothing may be asked from there. */
struct symbolizer *symbolizer_free(struct symbolizer *s);
size_t symbolizer_bytes(const struct symbolizer *s);
void symbolizer_get_stats(struct symbolizer *s, struct helper_stats *ret);

/* Makes the offsets of a module (sorted or not, duplicates allowed; copied) known to
 * symbolizer_lookup(); done() follows from the event loop, also when everything was cached. Opens
 * the module's file first where that has not happened (the target helper; held in module.fd). error
 * 0 also when the file could not be read: symbol_module.error says so. */
typedef void (*symbolizer_done_fn)(void *userdata, int error);
int symbolizer_resolve(struct symbolizer *s, uint32_t module, const uint64_t *offsets, size_t n,
	symbolizer_done_fn done, void *userdata);
/* Opens the module's file now, so that it can be symbolized after it is deleted; no callback. Of a
 * JIT module the perf map, which is then readable after the process has ended; call it again while
 * module.file_state is not MODULE_FILE_OPEN, it is tried every few seconds. */
int symbolizer_prepare(struct symbolizer *s, uint32_t module);

/* Ends idle workers: what comes next starts new ones. */
void symbolizer_trim(struct symbolizer *s);
/* Forgets all names, so that the owner can empty `strings`; false while answers are under way. */
bool symbolizer_forget_names(struct symbolizer *s);
/* Forgets a module whose number will be used again; false while it is asked about. */
bool symbolizer_forget_module(struct symbolizer *s, uint32_t module);

/* NULL: never asked for. Borrowed until the next answer arrives. */
const struct symbol_address *symbolizer_lookup(
	const struct symbolizer *s, uint32_t module, uint64_t offset);
const struct symbol_line *symbolizer_lines(
	const struct symbolizer *s, const struct symbol_address *a);
/* NULL before the first answer. */
const struct symbol_module *symbolizer_module(const struct symbolizer *s, uint32_t module);

/* The worker's side; see helper_serve_fn. */
int symbolizer_serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds);

#endif
