/*
 * The baseline of riscv-gstage: Sv48x4, four levels of 64-bit entries under a root four tables wide, on a CPU with Svvptc. The hardware's walk (it sets A), the fast path of
 * dirty logging with its fence, or the host page's state, the level of the mapping and the mapper's way down, and the rings of fence requests: what goes into each
 * vCPU's, who is interrupted, and what is served then and at entries. And every counter of these steps.
 *
 * Models: Linux arch/riscv/kvm/vcpu_exit.c gstage_page_fault(), mmu.c kvm_riscv_mmu_map(), gstage.c kvm_riscv_gstage_set_pte(), tlb.c make_xfence_request(): 7.2.
 */
#ifndef MMULAB_BENCH_GSTAGE_H
#define MMULAB_BENCH_GSTAGE_H

/* Counted events, under the engine's names. */
#define EVENTS(X) \
    X(exit, "exit") \
    X(abort, "guest_abort") \
    X(load, "guest_abort.load") \
    X(store, "guest_abort.store") \
    X(fetch, "guest_abort.fetch") \
    X(map, "gstage.map") \
    X(retry, "gstage.map.retry") \
    X(fast, "fast_fault") \
    X(fixed, "fast_fault.fixed") \
    X(install_4k, "leaf.install.4k") \
    X(update_4k, "leaf.update.4k") \
    X(same_4k, "leaf.same.4k") \
    X(table_alloc, "table.alloc") \
    X(mark_page_dirty, "mark_page_dirty") \
    X(dirty_bitmap_set, "dirty_bitmap.new") \
    X(hfence, "hfence.gpa") \
    X(hfence_bytes, "hfence.gpa.bytes") \
    X(queued, "hfence.gpa.queued") \
    X(overflow, "hfence.gpa.overflow") \
    X(ipi, "hfence.ipi") \
    X(local, "hfence.local.gpa") \
    X(local_steps, "hfence.local.gpa.steps") \
    X(widened, "hfence.local.gpa.widened") \
    X(flush, "tlb_flush")

#include <stdbool.h>
#include <stdint.h>

#define RING_ITEMS 64

/* A fence request: the memslot it is for, by number, and the HFENCE instructions it takes. */
struct fence {
    uint32_t slot, steps;
};

#define VCPU_FIELDS \
    struct fence ring[RING_ITEMS]; \
    int items; \
    uint8_t asked; \
    bool in_guest;
#define VM_FIELDS

#include "machine.h"

/* G-stage entry. */
#define PTE_V (1ull << 0)
#define PTE_R (1ull << 1)
#define PTE_W (1ull << 2)
#define PTE_X (1ull << 3)
#define PTE_U (1ull << 4)
#define PTE_A (1ull << 6)
#define PTE_D (1ull << 7)
#define PTE_LEAF (PTE_R | PTE_W | PTE_X)
#define PTE_PPN_SHIFT 10

#define PAGE_SHIFT 12
#define ROOT_TABLES 4
/* A fence of more steps is one of the whole VMID. */
#define MAX_STEPS 512

/* What a vCPU is asked for. */
#define ASKED_RING 1
#define ASKED_EVERYTHING 2

#endif
