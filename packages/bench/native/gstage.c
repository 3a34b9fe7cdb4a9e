/*
 * The baseline's fault path, fence rings and write protection; see gstage.h.
 */
#include "gstage.h"

static inline bool is_leaf(uint64_t pte)
{
    return (pte & PTE_V) != 0 && (pte & PTE_LEAF) != 0;
}

static inline uint64_t *table_below(uint64_t pte)
{
    return (uint64_t *)(uintptr_t)((pte >> PTE_PPN_SHIFT) << PAGE_SHIFT);
}

static inline uint64_t *entry_of(uint64_t *table, uint64_t gfn, int level)
{
    if (level == LEVELS) return &table[(gfn >> (9 * (LEVELS - 1))) & (ROOT_TABLES * ENTRIES - 1)];
    return &table[index_at(gfn, level)];
}

/* The lowest entry for a frame. */
static inline uint64_t *locate(uint64_t *root, uint64_t gfn, int *level)
{
    uint64_t *table = root;
    for (int at = LEVELS;; at--) {
        uint64_t *ptep = entry_of(table, gfn, at);
        uint64_t pte = *ptep;
        if (at == 1 || (pte & PTE_V) == 0 || is_leaf(pte)) {
            *level = at;
            return ptep;
        }
        table = table_below(pte);
    }
}

/* The hardware's walk: lets the access through and sets A, or does not. */
static bool hardware_walk(const struct vm *vm, uint64_t gfn, enum access kind)
{
    int level;
    uint64_t *ptep = locate(vm->root, gfn, &level);
    uint64_t pte = *ptep;
    if (!is_leaf(pte) || (kind == WRITE && (pte & PTE_W) == 0)) return false;
    if ((pte & PTE_A) == 0) *ptep = pte | PTE_A;
    return true;
}

/* Does what a vCPU was asked for. */
static void serve(struct vcpu *vcpu)
{
    uint64_t *now = vcpu->counters;
    uint8_t asked = vcpu->asked;
    vcpu->asked = 0;
    if ((asked & ASKED_EVERYTHING) != 0) now[EV_flush]++;
    if ((asked & ASKED_RING) == 0) return;
    for (int i = 0; i < vcpu->items; i++) {
        uint32_t steps = vcpu->ring[i].steps;
        now[EV_local]++;
        if (steps > MAX_STEPS) now[EV_widened]++;
        else now[EV_local_steps] += steps;
    }
    vcpu->items = 0;
}

/* A request for a range, of every vCPU: those in the guest are interrupted. */
static void request(struct vm *vm, uint64_t *now, uint32_t slot, uint64_t npages, uint32_t steps)
{
    uint8_t what = ASKED_RING;
    now[EV_hfence]++;
    now[EV_hfence_bytes] += npages << PAGE_SHIFT;
    for (int i = 0; i < vm->nvcpus; i++) {
        struct vcpu *vcpu = &vm->vcpus[i];
        if (vcpu->items == RING_ITEMS) what = ASKED_EVERYTHING;
        else vcpu->ring[vcpu->items++] = (struct fence){slot, steps};
    }
    now[what == ASKED_RING ? EV_queued : EV_overflow]++;
    for (int i = 0; i < vm->nvcpus; i++) {
        struct vcpu *vcpu = &vm->vcpus[i];
        vcpu->asked |= what;
        if (!vcpu->in_guest) continue;
        now[EV_ipi]++;
        serve(vcpu);
    }
}

static void enter(struct vm *vm, int number)
{
    struct vcpu *vcpu = &vm->vcpus[number];
    vcpu->in_guest = true;
    if (vcpu->asked != 0) serve(vcpu);
}

/* The fast path of dirty logging. @returns whether it did */
static bool fast_fault(struct vm *vm, uint64_t *now, struct memslot *slot, uint64_t gfn)
{
    int level;
    now[EV_fast]++;
    uint64_t *ptep = locate(vm->root, gfn, &level);
    if (!is_leaf(*ptep) || level != 1) return false;
    mark_page_dirty(slot, gfn, now);
    if ((*ptep & PTE_W) != 0) {
        now[EV_same_4k]++;
    } else {
        *ptep |= PTE_W;
        now[EV_update_4k]++;
        request(vm, now, slot - vm->slots, 1, 1);
    }
    now[EV_fixed]++;
    return true;
}

static uint64_t make_pte(const struct memslot *slot, uint64_t gfn, bool writable)
{
    uint64_t pfn = slot->hvf + (gfn - slot->base_gfn);
    uint64_t pte = PTE_V | PTE_R | PTE_X | PTE_U | PTE_A | PTE_D | (pfn << PTE_PPN_SHIFT);
    return writable ? pte | PTE_W : pte;
}

/* The mapper: looks for a leaf, then links tables down to the page and writes. A new leaf needs no fence. */
static void map(struct vm *vm, uint64_t *now, const struct memslot *slot, uint64_t gfn, bool writable)
{
    int level;
    uint64_t leaf = make_pte(slot, gfn, writable);
    uint64_t *ptep = locate(vm->root, gfn, &level);
    if (is_leaf(*ptep)) {
        if (level > 1) abort(); /* No case of the bench splits a block. */
        if (*ptep == leaf) {
            now[EV_same_4k]++;
            return;
        }
        *ptep = leaf;
        now[EV_update_4k]++;
        request(vm, now, slot - vm->slots, 1, 1);
        return;
    }
    uint64_t *table = vm->root;
    for (level = LEVELS; level > 1; level--) {
        ptep = entry_of(table, gfn, level);
        if ((*ptep & PTE_V) == 0) {
            now[EV_table_alloc]++;
            *ptep = PTE_V | (((uint64_t)(uintptr_t)take_table(vm) >> PAGE_SHIFT) << PTE_PPN_SHIFT);
        }
        table = table_below(*ptep);
    }
    *entry_of(table, gfn, 1) = leaf;
    now[EV_install_4k]++;
}

static void mmu_map(struct vm *vm, uint64_t *now, struct memslot *slot, uint64_t gfn, enum access kind)
{
    now[EV_map]++;
    if (kind == WRITE && slot->logged && fast_fault(vm, now, slot, gfn)) return;
    uint64_t seq = vm->notifier_seq;
    uint64_t page = gfn - slot->base_gfn;
    const struct host_fault *fault = &slot->backing->faults[slot->host[page] * 2 + (kind == WRITE)];
    if (!fault->ok || fault->notifications != 0 || fault->span_level != 1) abort(); /* Nor other backings than small shared pages. */
    if (slot->host[page] != fault->state) slot->host[page] = fault->state;
    if (seq != vm->notifier_seq) {
        now[EV_retry]++;
        return;
    }
    const struct host_state *state = &slot->backing->states[slot->host[page]];
    if (!slot->logged && max_level(slot, gfn) > 1 && (!state->present || state->level > 1)) abort();
    bool writable = fault->writable && !slot->readonly && (!slot->logged || kind == WRITE);
    if (writable) mark_page_dirty(slot, gfn, now);
    map(vm, now, slot, gfn, writable);
}

/* One access of a vCPU with all its faults. */
static void touch(struct vm *vm, int number, uint64_t vfn, enum access kind)
{
    struct vcpu *vcpu = &vm->vcpus[number];
    uint64_t gfn = gfn_of(vm, vfn);
    while (!hardware_walk(vm, gfn, kind)) {
        struct memslot *slot = slot_of(vm, gfn);
        vcpu->in_guest = false;
        vcpu->counters[EV_exit]++;
        vcpu->counters[EV_abort]++;
        vcpu->counters[EV_load + kind]++;
        if (slot == NULL || (slot->readonly && kind == WRITE)) abort(); /* No case of the bench touches devices. */
        mmu_map(vm, vcpu->counters, slot, gfn, kind);
        enter(vm, number);
    }
}

/* Takes W from every leaf of a slot and empties its bitmap, for the next round of dirty logging. All vCPUs are in the guest: what is asked of them is done at once. */
static void write_protect(struct vm *vm, struct memslot *slot)
{
    for (uint64_t gfn = slot->base_gfn; gfn < slot->end_gfn; gfn++) {
        int level;
        uint64_t *ptep = locate(vm->root, gfn, &level);
        if (is_leaf(*ptep)) *ptep &= ~PTE_W;
    }
    memset(slot->dirty, 0, (slot->end_gfn - slot->base_gfn + 63) / 64 * 8);
}

static void prepare(struct vm *vm)
{
    vm->root = aligned_alloc(ROOT_TABLES * TABLE_BYTES, ROOT_TABLES * TABLE_BYTES);
    if (vm->root == NULL) abort();
    memset(vm->root, 0, ROOT_TABLES * TABLE_BYTES);
}
