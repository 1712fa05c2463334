/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * The walk over a user stack inside of a program. For each frame: the mapping of its address, the
 * row of the mapping's table, the rule of the row; the result is kept in a cache of this CPU, by
 * address and list of mappings. Then one step by the rule, in a window of the stack that was copied
 * at once: a helper call costs about 55 ns whatever its size, a frame in the window 2 ns.
 *
 * Shape, for the verifier and for speed: registers and hash in a small struct on the BPF stack
 * (what bpf_loop wants), everything else in the caller's scratch map value; eight common frames in
 * a callback, then at most one odd one. What is rare is a global function, which is verified once.
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
#define UNWIND_FRAMES	    1024 /* power of two above ABI_FRAMES: an index is made safe by a mask */
#define UNWIND_PER_CALLBACK 8
#define UNWIND_CACHE	    4096
#define UNWIND_PAGE	    4096

struct unwind_cached {
	u64 key; /* pc ^ key of the list */
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
	u32 mappings; /* offset of the first in the store */
	u32 last_index, last_pages;
	u64 last_start, last_end, last_base; /* the mapping that was found last */
	u64 key;			     /* of the list */
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

/* Finds the mapping and makes it the last one. False: there is none. */
static __always_inline bool unwind_find_mapping(
	struct unwind_scratch *s, const struct store *store, u64 pc)
{
	u32 at = s->mappings, n = s->n_mappings;
	u64 packed;

	for (int i = 0; i < 17; i++) {
		u32 half = n >> 1, middle = at + half * sizeof(struct store_mapping);

		if (n <= 1)
			break;
		if (store_u64(store, middle + offsetof(struct store_mapping, start)) <= pc) {
			at = middle;
			n -= half;
		} else {
			n = half;
		}
	}
	s->last_start = store_u64(store, at + offsetof(struct store_mapping, start));
	s->last_end = store_u64(store, at + offsetof(struct store_mapping, end));
	s->last_base = store_u64(store, at + offsetof(struct store_mapping, base));
	packed = store_u64(store, at + offsetof(struct store_mapping, index));
	s->last_index = packed;
	s->last_pages = packed >> 32;
	return n == 1 && pc - s->last_start < s->last_end - s->last_start;
}

/* The rule that the table of the last mapping has: the last row at or before the pc. */
static __always_inline u64 unwind_find_rule(
	struct unwind_scratch *s, const struct store *store, u64 pc)
{
	u64 relative = pc - s->last_base, page = relative >> UNWIND_PAGE_SHIFT;
	u32 key = relative & (UNWIND_PAGE - 1), at, n, row;

	if (page >= s->last_pages)
		return ARCH_RULE_POINTER(UNWIND_CFA_NONE);
	at = store_u32(store, s->last_index + page * 4);
	n = (store_u32(store, s->last_index + page * 4 + 4) - at) / 4 + 1;
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

/* The rule in force at a pc of a listed process. */
__noinline u64 unwind_search(struct unwind_scratch *s, u64 pc)
{
	struct store store;

	if (!s || !store_open(&store))
		return ARCH_RULE_POINTER(UNWIND_POINTER_PLAIN);
	s->searches++;
	if (pc - s->last_start >= s->last_end - s->last_start &&
		!unwind_find_mapping(s, &store, pc)) {
		s->last_start = s->last_end = 0;
		return ARCH_RULE_POINTER(UNWIND_POINTER_NOWHERE);
	}
	if (s->last_index == STORE_INDEX_NONE)
		return ARCH_RULE_POINTER(UNWIND_POINTER_CODE);
	if (s->last_index == STORE_INDEX_PENDING)
		return ARCH_RULE_POINTER(UNWIND_POINTER_PENDING);
	return unwind_find_rule(s, &store, pc);
}

static __always_inline u64 unwind_rule_at(struct unwind_scratch *s, u64 pc)
{
	struct unwind_cached *cached;
	u64 key;

	if (!s->is_listed)
		return ARCH_RULE_POINTER(UNWIND_POINTER_PLAIN);
	key = pc ^ s->key;
	cached = &s->cache[(pc * 0x9e3779b97f4a7c15ULL) >> 52 & (UNWIND_CACHE - 1)];
	if (cached->key != key) {
		cached->rule = unwind_search(s, pc);
		cached->key = key;
	}
	return cached->rule;
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

static long unwind_callback(u32 index, void *context)
{
	struct unwind_walk *w = context;
	struct unwind_scratch *s = w->scratch;
	struct unwind_regs regs = w->regs;
	u64 hash = w->hash, *frames = w->frames, rule, ip;
	u32 n = s->n, pointers = 0;
	int reason;

	rule = unwind_rule_at(s, regs.ip - !s->is_leaf);
	if (!s->is_leaf) {
#pragma unroll
		for (int i = 0; i < UNWIND_PER_CALLBACK; i++) {
			if (n >= s->limit || !unwind_step_fast(rule, &regs, unwind_read_window, s))
				break;
			pointers += unwind_is_pointer(rule);
			frames[n & (UNWIND_FRAMES - 1)] = regs.ip;
			n++;
			hash = unwind_hash(hash, regs.ip);
			rule = unwind_rule_at(s, regs.ip - 1);
		}
		s->pointers += pointers;
	}
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
	u64 list, key, began;

	s->is_listed = 0;
	s->last_start = s->last_end = 0;
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
	s->key = key;
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
