/*
 * The baseline of x86-tdp: four levels of 512 64-bit entries. The hardware's walk before and after a fault (it
 * sets A and D), the classification of the fault, the lockless fix, the host page's state, the hugepage limits, the walk that links tables and
 * writes the leaf, the dirty bitmap, the request check at the entry, and every counter of these steps. Accesses are written for one thread: no
 * atomic instruction, no lock.
 *
 * Models: Linux arch/x86/kvm/mmu: direct page faults of the TDP MMU, fast_page_fault(), write protection for dirty logging.
 */
#ifndef MMULAB_BENCH_TDP_H
#define MMULAB_BENCH_TDP_H

/* Counted events, under the engine's names. */
#define EVENTS(X) \
    X(pf_taken, "pf_taken") \
    X(pf_fixed, "pf_fixed") \
    X(pf_fast, "pf_fast") \
    X(pf_spurious, "pf_spurious") \
    X(pf_emulate, "pf_emulate") \
    X(pages_4k, "pages_4k") \
    X(pages_2m, "pages_2m") \
    X(pages_1g, "pages_1g") \
    X(tlb_flush, "tlb_flush") \
    X(tlb_flush_hw, "tlb_flush.hw") \
    X(page_fault, "page_fault") \
    X(page_fault_write, "page_fault.write") \
    X(page_fault_fetch, "page_fault.fetch") \
    X(page_fault_present, "page_fault.present") \
    X(fast_page_fault, "fast_page_fault") \
    X(fast_page_fault_fixed, "fast_page_fault.fixed") \
    X(fast_page_fault_spurious, "fast_page_fault.spurious") \
    X(table_alloc, "table.alloc") \
    X(install_4k, "spte.install.4k") \
    X(install_2m, "spte.install.2m") \
    X(install_1g, "spte.install.1g") \
    X(install_table, "spte.install.table") \
    X(update_4k, "spte.update.4k") \
    X(update_2m, "spte.update.2m") \
    X(update_1g, "spte.update.1g") \
    X(mark_page_dirty, "mark_page_dirty") \
    X(dirty_bitmap_set, "dirty_bitmap.set") \
    X(pml_entry, "pml.entry") \
    X(exit, "exit")

#define VCPU_FIELDS \
    uint64_t *root; \
    bool flush_pending;
#define VM_FIELDS bool pml_active, fast_page_fault, split_huge_pages, dirty_on_refault, nx_huge_pages;

#include "machine.h"

/* EPT entry: R, W, X, large page, A, D, then the bits software keeps. */
#define SPTE_R (1ull << 0)
#define SPTE_W (1ull << 1)
#define SPTE_X (1ull << 2)
#define SPTE_MT (6ull << 3)
#define SPTE_PS (1ull << 7)
#define SPTE_A (1ull << 8)
#define SPTE_D (1ull << 9)
#define SPTE_PRESENT (1ull << 11)
#define SPTE_HOST_WRITABLE (1ull << 57)
#define SPTE_MMU_WRITABLE (1ull << 58)
#define SPTE_FROZEN (1ull << 62)
#define SPTE_MMIO (1ull << 61)
#define SPTE_ADDRESS 0x000ffffffffff000ull

enum walk { HIT, HIT_DIRTIED, NOT_PRESENT, DENIED, MMIO };
enum ret { RET_CONTINUE, RET_RETRY, RET_EMULATE, RET_INVALID, RET_FIXED, RET_SPURIOUS };

#endif
