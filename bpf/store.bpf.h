/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * The store of unwind tables as the programs read it (layout: bpf/abi.h). Two forms of the same
 * bytes; the loader makes the one that the kernel has and sets the knobs, so that the other is dead
 * code: an arena (Linux 6.9), where only pages that were written take memory, or one value of an
 * mmapable array.
 *
 * An offset may be anything, as the daemon may be replacing what it points to: reads stay inside of
 * the store, and a wrong value costs one stack.
 */
#ifndef PROFD_BPF_STORE_H
#define PROFD_BPF_STORE_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

const volatile bool store_is_arena = false;
const volatile __u32 store_bytes = 4096; /* of the array: a power of two */

/* One value; its size is set by the loader. Written by the daemon through mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4096);
} store SEC(".maps");

/* BPF_MAP_TYPE_ARENA, by number for older headers. Size and address are set by the loader. */
#define MAP_TYPE_ARENA 33
struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
} arena SEC(".maps");

/* A place to read from: the array's value, NULL for the arena. */
struct store {
	const u8 *base;
	u32 last; /* a mask: the last aligned u64 of the array */
	bool is_arena;
};

/* False: there is none. */
static __always_inline bool store_open(struct store *s)
{
	u32 zero = 0;

	s->is_arena = store_is_arena;
	s->last = store_bytes - 8;
	s->base = NULL;
	if (s->is_arena) {
		/* A program belongs to the arena that it refers to. */
		asm volatile("" ::"r"(&arena));
		return true;
	}
	s->base = bpf_map_lookup_elem(&store, &zero);
	return s->base != NULL;
}

/* Turns an offset into an address of the arena: addr_space_cast(reg, 0, 1) by its bytes, as clang
 * before 19 has no name for it (kernel: Documentation/bpf/standardization, BPF_ADDR_SPACE_CAST). */
#define STORE_CAST_REG(n) ".ifc %[reg], r" #n "\n.byte 0x" #n #n "\n.endif\n"
#define STORE_CAST(address)                                                                \
	asm volatile(".byte 0xbf\n" STORE_CAST_REG(0) STORE_CAST_REG(1) STORE_CAST_REG(2)  \
			     STORE_CAST_REG(3) STORE_CAST_REG(4) STORE_CAST_REG(5)         \
				     STORE_CAST_REG(6) STORE_CAST_REG(7) STORE_CAST_REG(8) \
					     STORE_CAST_REG(9) ".short 1\n.long 1\n"       \
		     : [reg] "+r"(address))

static __always_inline u64 store_u64(const struct store *s, u32 offset)
{
	u64 address = offset;

	if (s->is_arena) {
		STORE_CAST(address);
		return *(u64 *)address;
	}
	address &= s->last;
	asm volatile("" : "+r"(address));
	return *(u64 *)(s->base + address);
}

static __always_inline u32 store_u32(const struct store *s, u32 offset)
{
	u64 address = offset;

	if (s->is_arena) {
		STORE_CAST(address);
		return *(u32 *)address;
	}
	address &= s->last | 4;
	asm volatile("" : "+r"(address));
	return *(u32 *)(s->base + address);
}

#endif
