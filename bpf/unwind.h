/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * The walk over a user stack inside of a program. For each frame: the mapping of its address, the
 * row of the mapping's table, the rule of the row; the result is kept in a cache of this CPU, by
 * table and place in it, so that processes that map the same file share it. Then one step by the
 * rule, in a window of the stack that was copied at once: a helper call costs about 55 ns whatever
 * its size, a frame in the window 2 ns.
 *
 * Shape, for the verifier and for speed: registers and hash in a small struct on the BPF stack
 * (what bpf_loop wants), everything else in the caller's scratch map value; a few common frames in
 * a callback, or one odd one. What is rare is a global function, which is verified once. Code is as
 * cold as data when a sample comes: more frames in a callback are slower, as their code is longer.
 * No may_goto here: inside of a bpf_loop callback it crashes the verifier of some kernels.
 */
#ifndef PROFD_BPF_UNWIND_H
#define PROFD_BPF_UNWIND_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "bpf/unwind_step.h"
#include "listed.bpf.h"
#include "store.bpf.h"

#define UNWIND_WINDOW	    1024
#define UNWIND_FRAMES	    2048 /* power of two above ABI_FRAMES: an index is made safe by a mask */
#define UNWIND_PER_CALLBACK 4
#define UNWIND_CACHE	    4096
#define UNWIND_PAGE	    4096
#define UNWIND_RANGES	    4 /* remembered, besides that of the last pc; power of two */
#define UNWIND_NOT_CACHED   ~0ULL

/* Addresses that have a table or a rule in common: a mapping, or what lies between two. */
struct unwind_range {
	u64 start, size;
	u64 base;  /* address of page 0 of the table */
	u64 table; /* `index` in the high half, or UNWIND_NOT_CACHED */
	u64 rule;  /* of all of the range; 0: the table has it */
	u32 index; /* offset of the table's page index in the store */
	u32 pages;
};

/* No two tables that anybody may find have the same page index, so its offset and a pc's distance
 * from page 0 name a rule, in whichever process that code is mapped. Before another table may take
 * the place, the store's generation changes, and the cache is emptied. */
struct unwind_cached {
	u64 key; /* pc - base in the low half, offset of the page index in the high half; 0: none */
	u64 rule;
};

/* One of each kind of program, as one kind may interrupt another. */
struct unwind_scratch {
	u64 window_at;	 /* user address of window[0] */
	u32 window_last; /* highest offset of two words that are in the window */
	u32 n;		 /* frames in `frames`, kernel and user */
	u32 limit;	 /* no frame is added at or past this index */
	u32 reason;	 /* enum truncate_reason once the walk has ended */
	u32 is_leaf;	 /* the next step is from a leaf frame */
	u32 is_listed;	 /* the process has a list */
	u32 is_pending;	 /* went through a mapping whose table is not there */
	u32 searches;	 /* rules that were not in the cache */
	u32 pointers;	 /* steps by frame pointer */
	u32 n_mappings;
	u32 mappings;	/* offset of the first in the store */
	u32 next_range; /* to be overwritten in `ranges` */
	u32 pad;
	u64 generation;		   /* of the store, when the cache was empty */
	u64 key;		   /* of the list that the ranges are of */
	struct unwind_range range; /* of the pc that was looked up last */
	struct unwind_range ranges[UNWIND_RANGES];
	struct unwind_leaf leaf;
	u64 window[UNWIND_WINDOW / 8];
	u64 spare[2];
	struct unwind_cached cache[UNWIND_CACHE];
};

struct unwind_walk {
	struct unwind_regs regs;
	u64 hash;
	struct unwind_scratch *scratch;
	u64 *frames; /* UNWIND_FRAMES of them */
};

/* ---- the stack ---- */

/* Copies the window from `address` on: all of it, else up to the end of the page (the top of a
 * stack), else one or two words. 0: at least one word is there. */
__noinline int unwind_refill(struct unwind_scratch *s, u64 address)
{
	u32 n = UNWIND_PAGE - (address & (UNWIND_PAGE - 1));

	if (!s)
		return -1;
	s->window_at = address;
	s->window_last = UNWIND_WINDOW - 16;
	if (!bpf_probe_read_user(s->window, UNWIND_WINDOW, (void *)address))
		return 0;
	if (n > 16 && n < UNWIND_WINDOW) {
		s->window_last = n - 16;
		if (!bpf_probe_read_user(s->window, n, (void *)address))
			return 0;
	}
	s->window_last = 0;
	if (!bpf_probe_read_user(s->window, 16, (void *)address))
		return 0;
	s->window[1] = 0;
	if (!bpf_probe_read_user(s->window, 8, (void *)address))
		return 0;
	s->window_at = 0;
	return -1;
}

static __always_inline int unwind_read_window(
	void *memory, u64 address, u64 *ret_low, u64 *ret_high)
{
	struct unwind_scratch *s = memory;
	u64 at = address - s->window_at;

	if (at > s->window_last) {
		if (unwind_refill(s, address))
			return -1;
		at = 0;
	}
	/* The compiler may know the bound, the verifier must see it on this very register. */
	asm volatile("" : "+r"(at));
	if (at > UNWIND_WINDOW - 16)
		return -1;
	*ret_low = *(u64 *)((u8 *)s->window + at);
	*ret_high = *(u64 *)((u8 *)s->window + at + 8);
	return 0;
}

/* ---- the rule of an address ---- */

/* The range of a pc that was found before. */
static __always_inline bool unwind_known_range(struct unwind_scratch *s, u64 pc)
{
#pragma unroll
	for (u32 i = 0; i < UNWIND_RANGES; i++) {
		if (pc - s->ranges[i].start < s->ranges[i].size) {
			s->range = s->ranges[i];
			return true;
		}
	}
	return false;
}

static __always_inline u64 unwind_mapping_start(const struct store *store, u32 at)
{
	return store_u64(store, at + offsetof(struct store_mapping, start));
}

/* Finds the mapping of a pc in the list, or the gap that it is in, and makes it the last range. */
static __always_inline void unwind_find_range(
	struct unwind_scratch *s, const struct store *store, u64 pc)
{
	u32 at = s->mappings, n = s->n_mappings, end_at = at + n * sizeof(struct store_mapping);
	struct unwind_range *r = &s->range;
	u64 index, start, end;

	for (int i = 0; i < 17; i++) {
		u32 half = n >> 1, middle = at + half * sizeof(struct store_mapping);

		if (n <= 1)
			break;
		if (unwind_mapping_start(store, middle) <= pc) {
			at = middle;
			n -= half;
		} else {
			n = half;
		}
	}
	start = n ? unwind_mapping_start(store, at) : ~0ULL;
	end = store_u64(store, at + offsetof(struct store_mapping, end));
	r->base = store_u64(store, at + offsetof(struct store_mapping, base));
	index = store_u64(store, at + offsetof(struct store_mapping, index));
	r->index = index;
	r->pages = index >> 32;
	r->table = index << 32;
	r->rule = r->index == STORE_INDEX_NONE	    ? ARCH_RULE_POINTER(UNWIND_POINTER_CODE)
		  : r->index == STORE_INDEX_PENDING ? ARCH_RULE_POINTER(UNWIND_POINTER_PENDING)
						    : 0;
	if (pc < start) {
		end = start;
		start = 0;
		r->rule = ARCH_RULE_POINTER(UNWIND_POINTER_NOWHERE);
	} else if (pc >= end) {
		at += sizeof(struct store_mapping);
		start = end;
		end = at < end_at ? unwind_mapping_start(store, at) : ~0ULL;
		r->rule = ARCH_RULE_POINTER(UNWIND_POINTER_NOWHERE);
	}
	r->start = start;
	r->size = end - start;
	/* All of it within 4 GiB from page 0, so that a key says which table it is of. */
	if (r->rule || (start - r->base) >> 32 || (end - 1 - r->base) >> 32)
		r->table = UNWIND_NOT_CACHED;
	s->ranges[s->next_range++ & (UNWIND_RANGES - 1)] = *r;
}

/* The rule that the table of the range has: the last row at or before the pc. */
static __always_inline u64 unwind_find_rule(
	struct unwind_scratch *s, const struct store *store, u64 relative)
{
	u64 page = relative >> UNWIND_PAGE_SHIFT;
	u32 index = s->range.index, key = relative & (UNWIND_PAGE - 1), at, n, row;

	if (page >= s->range.pages)
		return ARCH_RULE_POINTER(UNWIND_CFA_NONE);
	at = store_u32(store, index + page * 4);
	n = (store_u32(store, index + page * 4 + 4) - at) / 4 + 1;
	at -= 4;
	for (int i = 0; i < 13; i++) {
		u32 half = n >> 1, middle = at + half * 4;

		if (n <= 1)
			break;
		if (store_u32(store, middle) >> UNWIND_ROW_SHIFT <= key) {
			at = middle;
			n -= half;
		} else {
			n = half;
		}
	}
	row = store_u32(store, at) & UNWIND_ROW_RULE & (STORE_IDS - 1);
	return store_u64(store, STORE_RULES + row * 8);
}

static __always_inline struct unwind_cached *unwind_cached_at(struct unwind_scratch *s, u64 key)
{
	return &s->cache[(key * 0x9e3779b97f4a7c15ULL) >> 52 & (UNWIND_CACHE - 1)];
}

/* The rule of a pc whose range is not that of the pc before, or whose rule is not in the cache. */
__noinline u64 unwind_search(struct unwind_scratch *s, u64 pc)
{
	struct unwind_cached *cached;
	struct store store;
	u64 key, relative, rule;

	if (!s || !s->is_listed || !store_open(&store))
		return ARCH_RULE_POINTER(UNWIND_POINTER_PLAIN);
	if (pc - s->range.start >= s->range.size && !unwind_known_range(s, pc))
		unwind_find_range(s, &store, pc);
	if (s->range.rule)
		return s->range.rule;
	relative = pc - s->range.base;
	key = relative | s->range.table;
	cached = unwind_cached_at(s, key);
	if (cached->key == key && key != UNWIND_NOT_CACHED)
		return cached->rule;
	s->searches++;
	rule = unwind_find_rule(s, &store, relative);
	cached->rule = rule;
	cached->key = key;
	return rule;
}

static __always_inline u64 unwind_rule_at(struct unwind_scratch *s, u64 pc)
{
	const struct unwind_cached *cached;
	u64 key;

	if (pc - s->range.start < s->range.size) {
		key = (pc - s->range.base) | s->range.table;
		cached = unwind_cached_at(s, key);
		if (cached->key == key && key != UNWIND_NOT_CACHED)
			return cached->rule;
	}
	return unwind_search(s, pc);
}

#define UNWIND_PER_FORGET 16

static long unwind_forget_callback(u32 index, void *context)
{
	struct unwind_scratch *s = *(struct unwind_scratch **)context;
	u32 at = index * UNWIND_PER_FORGET;

#pragma unroll
	for (u32 i = 0; i < UNWIND_PER_FORGET; i++)
		s->cache[(at + i) & (UNWIND_CACHE - 1)].key = 0;
	return 0;
}

/* ---- the walk ---- */

static __always_inline void unwind_push(struct unwind_scratch *s, u64 *frames, u64 ip)
{
	frames[s->n & (UNWIND_FRAMES - 1)] = ip;
	s->n++;
}

static __always_inline bool unwind_is_pointer(u64 rule)
{
	u64 kind = unwind_rule_cfa(rule);

	return kind == UNWIND_CFA_NONE || kind >= UNWIND_POINTER_PLAIN;
}

/* One step by any rule. */
__noinline int unwind_step_any(struct unwind_regs *r, struct unwind_scratch *s, u64 rule)
{
	int reason;

	if (!r || !s)
		return TRUNCATE_CFI_UNKNOWN;
	s->pointers += unwind_is_pointer(rule);
	if (unwind_rule_cfa(rule) == UNWIND_POINTER_PENDING)
		s->is_pending = 1;
	reason = unwind_step(rule, r, s->is_leaf, &s->leaf, unwind_read_window, s);
	s->is_leaf = reason == UNWIND_SIGNAL;
	return reason;
}

/* A few frames by what the cache has, or one by any rule. */
static long unwind_callback(u32 index, void *context)
{
	struct unwind_walk *w = context;
	struct unwind_scratch *s = w->scratch;
	struct unwind_regs regs = w->regs;
	u64 hash = w->hash, *frames = w->frames, rule, ip, leaf = s->is_leaf;
	u32 n = s->n, pointers = 0;
	int reason;

#pragma unroll
	for (int i = 0; i < UNWIND_PER_CALLBACK; i++) {
		rule = unwind_rule_at(s, regs.ip - 1 + leaf);
		if (leaf || n >= s->limit || !unwind_step_fast(rule, &regs, unwind_read_window, s))
			goto odd;
		pointers += unwind_is_pointer(rule);
		frames[n & (UNWIND_FRAMES - 1)] = regs.ip;
		n++;
		hash = unwind_hash(hash, regs.ip);
	}
	s->pointers += pointers;
	w->regs = regs;
	w->hash = hash;
	s->n = n;
	return 0;
odd:
	s->pointers += pointers;
	w->regs = regs;
	reason = unwind_step_any(&w->regs, s, rule);
	ip = w->regs.ip + (reason == UNWIND_SIGNAL);
	if (reason == UNWIND_MORE || reason == UNWIND_SIGNAL) {
		if (n < s->limit) {
			frames[n & (UNWIND_FRAMES - 1)] = ip;
			n++;
			hash = unwind_hash(hash, ip);
			reason = UNWIND_MORE;
		} else {
			reason = TRUNCATE_DEPTH;
		}
	}
	w->hash = hash;
	s->n = n;
	if (reason == UNWIND_MORE)
		return 0;
	s->reason = reason;
	return 1;
}

/* Looks for the list of the process. The CPU's walk_state is odd from before this to the end of the
 * walk. */
static __always_inline void unwind_find_list(struct unwind_scratch *s, u32 tgid, u64 start_ns)
{
	const struct unwind_process *p = bpf_map_lookup_elem(&unwind_processes, &tgid);
	struct store store;
	u64 list, key, began, generation;

	s->is_listed = 0;
	s->range.size = 0;
	if (!p || !store_open(&store))
		return;
	/* The entry may become another process's meanwhile: its start time is read last. */
	list = *(volatile u64 *)&p->list;
	key = *(volatile u64 *)&p->key;
	began = *(volatile u64 *)&p->start_ns;
	if (began && began != start_ns)
		return;
	if (store_u64(&store, list + offsetof(struct store_list, key)) != key)
		return;
	/* After the key: who has seen a list that names a new table sees its generation too. */
	generation = store_u64(&store, STORE_GENERATION);
	if (generation != s->generation) {
		bpf_loop(UNWIND_CACHE / UNWIND_PER_FORGET, unwind_forget_callback, &s, 0);
		s->generation = generation;
	}
	if (key != s->key) {
#pragma unroll
		for (u32 i = 0; i < UNWIND_RANGES; i++)
			s->ranges[i].size = 0;
		s->key = key;
	}
	s->mappings = list + sizeof(struct store_list);
	s->n_mappings = store_u32(&store, list + offsetof(struct store_list, n));
	s->is_listed = 1;
}

/* Adds the user frames from `regs` on behind the n frames already there, at most ABI_USER_FRAMES;
 * s->reason says how it ended. The first one is added before anything is tested; its registers are
 * in s->leaf. */
static __always_inline u64 unwind_user(struct unwind_scratch *s, u64 *frames,
	const struct unwind_regs *regs, u32 tgid, u64 start_ns, u64 hash)
{
	struct unwind_walk w = { .regs = *regs, .scratch = s, .frames = frames };

	unwind_find_list(s, tgid, start_ns);
	s->window_at = 0;
	s->window_last = 0;
	s->limit = s->n + ABI_USER_FRAMES;
	s->reason = TRUNCATE_DEPTH;
	s->is_leaf = 1;
	s->is_pending = 0;
	s->searches = 0;
	s->pointers = 0;
	w.hash = unwind_hash(hash, regs->ip);
	unwind_push(s, frames, regs->ip);
	bpf_loop(ABI_USER_FRAMES + 1, unwind_callback, &w, 0);
	/* Frames may have been left out where a frame pointer was followed in place of a table. */
	if (s->reason == TRUNCATE_NONE && s->is_pending)
		s->reason = TRUNCATE_NO_TABLE_YET;
	return w.hash;
}

#endif
