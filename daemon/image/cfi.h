/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded reader of call frame information: .eh_frame (LSB Core, "Exception Frames") and
 * .debug_frame (DWARF 5, 6.4; versions 1, 3 and 4). Lists the functions (FDEs) of a section and
 * runs their instructions, keeping only what finds the caller: the CFA, the frame pointer, the
 * return address, the stack pointer, and one more register that a CFA may be found by. Needs memory
 * and time in proportion to the section's size, whatever it holds.
 */
#ifndef PROFD_IMAGE_CFI_H
#define PROFD_IMAGE_CFI_H

#include "base/bytes.h"
#include "base/table.h"
#include "image/elf.h"

#define CFI_MAX_FDES	(1U << 24)
#define CFI_MAX_CIES	(1U << 20)
#define CFI_NO_REGISTER UINT32_MAX

/* Where a register of the caller is. */
enum cfi_where {
	CFI_SAME = 0,
	CFI_UNDEFINED,
	CFI_AT_CFA,	   /* in memory at CFA + value */
	CFI_IS_CFA,	   /* CFA + value */
	CFI_REGISTER,	   /* in register `value` */
	CFI_AT_EXPRESSION, /* in memory at an expression; value: its offset in the section */
	CFI_IS_EXPRESSION, /* an expression's value */
};
struct cfi_value {
	uint32_t where;
	uint32_t n; /* bytes of the expression */
	int64_t value;
};

struct cfi_state {
	bool cfa_is_expression;
	uint32_t cfa_register; /* CFI_NO_REGISTER: none yet */
	uint32_t cfa_n;	       /* bytes of the expression */
	int64_t cfa_offset;
	int64_t cfa_expression; /* its offset in the section */
	struct cfi_value bp, sp, ra, kept;
};

/* DWARF numbers of the registers that are followed, and the rules that the ABI begins with. */
struct cfi_machine {
	uint32_t bp, sp;
	uint32_t kept; /* one more that callees save */
	struct cfi_state initial;
};

struct cfi_cie {
	uint32_t at;	 /* offset in the section */
	uint8_t section; /* index of the section in struct cfi */
	bool usable;
	bool signal;	      /* 'S' */
	bool sized;	      /* 'z': an FDE has augmentation data */
	uint8_t encoding;     /* of addresses */
	uint8_t address_size; /* bytes */
	uint8_t segment_size; /* bytes */
	uint32_t ra;	      /* column of the return address */
	uint64_t code_align;
	int64_t data_align;
	struct cfi_state initial;
};

struct cfi_fde {
	uint64_t start, end; /* addresses; start < end */
	uint32_t at, n;	     /* instructions: offset in the section, bytes */
	uint32_t cie;
};

struct cfi_section {
	struct elf_bytes bytes;
	uint64_t vaddr;
	bool is_eh;
};

struct cfi {
	const struct cfi_machine *machine; /* borrowed */
	const struct elf *elf;		   /* borrowed; for pointers into memory */
	struct cfi_section sections[4];
	uint32_t n_sections;
	uint64_t text, data;	 /* bases of text- and data-relative pointers */
	struct array cies, fdes; /* struct cfi_cie, struct cfi_fde */
	uint64_t bad;		 /* records that were left out */
};

void cfi_init(struct cfi *c, const struct cfi_machine *machine, const struct elf *elf);
void cfi_deinit(struct cfi *c);
/* The FDEs of the .eh_frame of the file: by its section, or where it has no section headers by the
 * table of .eh_frame_hdr. 0, -ENODATA: it has none, -E2BIG, -ENOMEM. */
int cfi_read_eh_frame(struct cfi *c);
/* The FDEs of .debug_frame or .zdebug_frame of `e`, which is the file or its debug file and
 * outlives c. The same. */
int cfi_read_debug_frame(struct cfi *c, const struct elf *e);

/* Called in order of pc with each change of state; pc rises strictly but for a state that replaces
 * the one before at the same pc. Negative errno ends the run. */
typedef int (*cfi_row_fn)(
	void *context, uint64_t pc, const struct cfi_cie *cie, const struct cfi_state *s);
/* Runs an FDE up to `end` (exclusive). 0, -EBADMSG: broken from *ret_pc on (written in that case
 * only), or what the function gave. */
int cfi_run(const struct cfi *c, const struct cfi_fde *fde, uint64_t end, cfi_row_fn row,
	void *context, uint64_t *ret_pc);

/* Runs instructions from a state on; fde NULL: those of a CIE. For cfi.c. */
int cfi_run_initial(const struct cfi *c, struct cfi_cie *cie, uint32_t at, uint32_t n);
/* An encoded pointer (DW_EH_PE_*) at r, whose section is s. False: an encoding or address that
 * cannot be had; then r->bad. */
bool cfi_pointer(const struct cfi *c, const struct cfi_section *s, struct reader *r,
	uint8_t encoding, uint8_t address_size, uint64_t function, uint64_t *ret);

#endif
