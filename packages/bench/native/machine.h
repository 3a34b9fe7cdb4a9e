/*
 * What the baselines' machines have in common: memslots, host page states, dirty bitmaps, the guest's address space and one counter vector per vCPU.
 *
 * A baseline does what the engine's rules do for the same accesses, step for step, and nothing else. Accesses are written for one thread: no atomic instruction, no
 * lock. The header that includes this one says before which events there are (EVENTS), and what else its vCPUs and its VM have (VCPU_FIELDS, VM_FIELDS).
 */
#ifndef MMULAB_BENCH_MACHINE_H
#define MMULAB_BENCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 4
#define ENTRIES 512
#define TABLE_BYTES 4096

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum access { READ, WRITE, EXEC };

enum event {
#define X(id, name) EV_##id,
    EVENTS(X)
#undef X
    NEVENTS
};

/* What a host fault on a page makes of it. */
struct host_fault {
    bool ok;
    uint8_t state;
    uint8_t span_level;
    bool writable;
    uint8_t notifications;
};

/* A state of a host page. */
struct host_state {
    bool present;
    uint8_t level;
};

struct backing {
    const struct host_state *states;
    /* By state * 2 + write. */
    const struct host_fault *faults;
};

struct memslot {
    uint64_t base_gfn, end_gfn;
    uint64_t hvf;
    int congruent_level;
    bool logged, readonly;
    const struct backing *backing;
    uint8_t *host; /* state of every page */
    uint64_t *dirty; /* one bit per page */
};

/* A stretch of the guest's address space. */
struct guest_run {
    uint64_t vfn, gfn, npages;
};

struct vcpu {
    uint64_t counters[NEVENTS];
    uint32_t random;
    VCPU_FIELDS
};

struct vm {
    struct vcpu *vcpus;
    int nvcpus;
    struct memslot *slots;
    int nslots;
    struct memslot *last_slot;
    struct guest_run *runs;
    int nruns;
    struct guest_run *last_run;
    uint64_t notifier_seq;
    /* Table pages come from chunks. */
    uint8_t *chunk;
    size_t chunk_left;
    uint64_t *root;
    VM_FIELDS
};

#define CHUNK_BYTES (2u << 20)

/* A zeroed table page. */
static uint64_t *take_table(struct vm *vm)
{
    if (vm->chunk_left == 0) {
        vm->chunk = aligned_alloc(TABLE_BYTES, CHUNK_BYTES);
        if (vm->chunk == NULL) abort();
        vm->chunk_left = CHUNK_BYTES;
    }
    uint64_t *table = (uint64_t *)vm->chunk;
    vm->chunk += TABLE_BYTES;
    vm->chunk_left -= TABLE_BYTES;
    memset(table, 0, TABLE_BYTES);
    return table;
}

static inline unsigned index_at(uint64_t gfn, int level)
{
    return (gfn >> (9 * (level - 1))) & (ENTRIES - 1);
}

static struct memslot *slot_of(struct vm *vm, uint64_t gfn)
{
    struct memslot *last = vm->last_slot;
    if (likely(last != NULL && gfn >= last->base_gfn && gfn < last->end_gfn)) return last;
    for (int i = 0; i < vm->nslots; i++) {
        struct memslot *slot = &vm->slots[i];
        if (gfn >= slot->base_gfn && gfn < slot->end_gfn) return vm->last_slot = slot;
    }
    return NULL;
}

static uint64_t gfn_of(struct vm *vm, uint64_t vfn)
{
    struct guest_run *last = vm->last_run;
    if (unlikely(last == NULL || vfn < last->vfn || vfn >= last->vfn + last->npages)) {
        last = NULL;
        for (int i = 0; i < vm->nruns && last == NULL; i++)
            if (vfn >= vm->runs[i].vfn && vfn < vm->runs[i].vfn + vm->runs[i].npages) last = &vm->runs[i];
        if (last == NULL) abort();
        vm->last_run = last;
    }
    return last->gfn + (vfn - last->vfn);
}

static void mark_page_dirty(struct memslot *slot, uint64_t gfn, uint64_t *now)
{
    now[EV_mark_page_dirty]++;
    if (!slot->logged) return;
    uint64_t page = gfn - slot->base_gfn;
    uint64_t bit = 1ull << (page & 63);
    if ((slot->dirty[page >> 6] & bit) != 0) return;
    slot->dirty[page >> 6] |= bit;
    now[EV_dirty_bitmap_set]++;
}

static int max_level(const struct memslot *slot, uint64_t gfn)
{
    int level = slot->congruent_level;
    for (; level > 1; level--) {
        uint64_t span = 1ull << (9 * (level - 1));
        uint64_t base = gfn & ~(span - 1);
        if (base >= slot->base_gfn && base + span <= slot->end_gfn) break;
    }
    return level;
}

/* What a model brings: one access of a vCPU with all its faults; an entry; taking the right to write from every leaf of a slot, and its bitmap. */
static void prepare(struct vm *vm);
static void touch(struct vm *vm, int vcpu, uint64_t vfn, enum access kind);
static void enter(struct vm *vm, int vcpu);
static void write_protect(struct vm *vm, struct memslot *slot);

#endif
