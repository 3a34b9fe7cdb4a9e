/*
 * The baseline's fault path and write protection; see tdp.h.
 */
#include "tdp.h"

static inline bool is_leaf(uint64_t spte, int level)
{
    return (spte & SPTE_PRESENT) != 0 && (level == 1 || (spte & SPTE_PS) != 0);
}

static inline uint64_t *table_below(uint64_t spte)
{
    return (uint64_t *)(uintptr_t)(spte & SPTE_ADDRESS);
}

/* The lowest entry for a frame at or above `goal`. */
static inline uint64_t *locate(uint64_t *root, uint64_t gfn, int goal, int *level)
{
    uint64_t *table = root;
    for (int at = LEVELS;; at--) {
        uint64_t *sptep = &table[index_at(gfn, at)];
        uint64_t spte = *sptep;
        if (at == goal || (spte & SPTE_PRESENT) == 0 || is_leaf(spte, at)) {
            *level = at;
            return sptep;
        }
        table = table_below(spte);
    }
}

static inline bool allows(uint64_t spte, enum access kind)
{
    if ((spte & SPTE_R) == 0) return false;
    return kind == READ || (spte & (kind == WRITE ? SPTE_W : SPTE_X)) != 0;
}

/* The hardware's walk: lets the access through and sets A and D, or faults. */
static enum walk hardware_walk(uint64_t *root, uint64_t gfn, enum access kind)
{
    int level;
    uint64_t *sptep = locate(root, gfn, 1, &level);
    uint64_t spte = *sptep;
    if (!is_leaf(spte, level)) return (spte & SPTE_MMIO) != 0 ? MMIO : NOT_PRESENT;
    if (!allows(spte, kind)) return DENIED;
    uint64_t after = spte | SPTE_A | (kind == WRITE ? SPTE_D : 0);
    if (after == spte) return HIT;
    *sptep = after;
    return (after & ~spte & SPTE_D) != 0 ? HIT_DIRTIED : HIT;
}

/* What every change of an entry is counted as. */
static inline void changed(uint64_t *now, int level, uint64_t old, uint64_t new)
{
    bool was_leaf = is_leaf(old, level);
    bool now_leaf = is_leaf(new, level);
    if (was_leaf && now_leaf) {
        now[EV_update_4k + level - 1]++;
    } else if (now_leaf) {
        now[EV_pages_4k + level - 1]++;
        now[EV_install_4k + level - 1]++;
    } else if ((new & SPTE_PRESENT) != 0) {
        now[EV_install_table]++;
    }
}

static enum ret fast_page_fault(struct vm *vm, uint64_t *root, uint64_t gfn, enum access kind, uint64_t *now)
{
    struct memslot *slot = slot_of(vm, gfn);
    int level;
    uint64_t *sptep = locate(root, gfn, 1, &level);
    uint64_t spte = *sptep;
    if (!is_leaf(spte, level)) return RET_INVALID;
    if (allows(spte, kind)) return RET_SPURIOUS;
    uint64_t fixed = spte;
    if (kind == WRITE && (spte & SPTE_MMU_WRITABLE) != 0) fixed |= SPTE_W;
    if (fixed == spte || !allows(fixed, kind)) return RET_INVALID;
    bool gains = (fixed & ~spte & SPTE_W) != 0;
    if (gains && level > 1 && slot != NULL && slot->logged) return RET_INVALID;
    *sptep = fixed;
    if (gains && slot != NULL) mark_page_dirty(slot, gfn, now);
    return RET_FIXED;
}

static uint64_t make_spte(const struct vm *vm, const struct memslot *slot, uint64_t gfn, int level, bool writable, bool dirty)
{
    uint64_t pfn = slot->hvf + (gfn - slot->base_gfn);
    uint64_t spte = SPTE_PRESENT | SPTE_R | SPTE_MT | SPTE_A | ((pfn << 12) & SPTE_ADDRESS);
    if (level > 1) spte |= SPTE_PS;
    if (level == 1 || !vm->nx_huge_pages) spte |= SPTE_X;
    if (writable) {
        spte |= SPTE_HOST_WRITABLE | SPTE_W | SPTE_MMU_WRITABLE;
        if (dirty) spte |= SPTE_D;
    }
    return spte;
}

/* Links tables down to the goal and writes the leaf. */
static enum ret map(struct vm *vm, uint64_t *root, struct memslot *slot, uint64_t gfn, bool writable, int goal, uint64_t *now)
{
    uint64_t *table = root;
    for (int level = LEVELS;; level--) {
        uint64_t *sptep = &table[index_at(gfn, level)];
        uint64_t spte = *sptep;
        if ((spte & SPTE_FROZEN) != 0) return RET_RETRY;
        if (level == goal) {
            bool was_writable = (spte & SPTE_PRESENT) != 0 && (spte & SPTE_W) != 0;
            uint64_t leaf = make_spte(vm, slot, gfn, level, writable, vm->dirty_on_refault || !was_writable);
            bool same = leaf == spte;
            if (!same) {
                *sptep = leaf;
                changed(now, level, spte, leaf);
            }
            if (slot->logged && writable) mark_page_dirty(slot, gfn, now);
            return same ? RET_SPURIOUS : RET_FIXED;
        }
        if ((spte & SPTE_PRESENT) == 0) {
            uint64_t *below = take_table(vm);
            now[EV_table_alloc]++;
            uint64_t link = SPTE_PRESENT | SPTE_R | SPTE_W | SPTE_X | (uint64_t)(uintptr_t)below;
            *sptep = link;
            changed(now, level, spte, link);
            spte = link;
        } else if (is_leaf(spte, level)) {
            abort(); /* No case of the bench splits on a fault. */
        }
        table = table_below(spte);
    }
}

static void serve_requests(struct vcpu *vcpu)
{
    if (!vcpu->flush_pending) return;
    vcpu->flush_pending = false;
    vcpu->counters[EV_tlb_flush]++;
    vcpu->counters[EV_tlb_flush_hw]++;
}

/* The slow path of a fault: resolves the host page and maps it. */
static void direct_page_fault(struct vm *vm, struct vcpu *vcpu, uint64_t gfn, enum access kind)
{
    uint64_t *now = vcpu->counters;
    uint64_t seq = vm->notifier_seq;
    struct memslot *slot = slot_of(vm, gfn);
    if (slot == NULL) abort(); /* No case of the bench touches MMIO. */
    uint64_t page = gfn - slot->base_gfn;
    const struct host_fault *fault = &slot->backing->faults[slot->host[page] * 2 + (kind == WRITE)];
    if (!fault->ok || fault->notifications != 0 || fault->span_level != 1) abort(); /* Nor other backings than small shared pages. */
    if (slot->host[page] != fault->state) slot->host[page] = fault->state;
    bool writable = fault->writable && !slot->readonly;
    if (seq != vm->notifier_seq) return;
    if (slot->readonly && kind == WRITE) {
        now[EV_pf_emulate]++;
        return;
    }
    int goal = 1;
    if (!slot->logged && !(kind == EXEC && vm->nx_huge_pages)) {
        const struct host_state *state = &slot->backing->states[slot->host[page]];
        int host_level = state->present ? state->level : 1;
        goal = max_level(slot, gfn);
        if (host_level < goal) goal = host_level;
    }
    enum ret result = map(vm, vcpu->root, slot, gfn, writable, goal, now);
    if (result == RET_FIXED) now[EV_pf_fixed]++;
    else if (result == RET_SPURIOUS) now[EV_pf_spurious]++;
}

/* One access of a vCPU with all its faults. */
static void touch(struct vm *vm, int number, uint64_t vfn, enum access kind)
{
    struct vcpu *vcpu = &vm->vcpus[number];
    uint64_t *now = vcpu->counters;
    uint64_t gfn = gfn_of(vm, vfn);
    for (;;) {
        enum walk result = hardware_walk(vcpu->root, gfn, kind);
        if (result == HIT) return;
        if (result == HIT_DIRTIED) {
            if (vm->pml_active) now[EV_pml_entry]++;
            return;
        }
        now[EV_exit]++;
        now[EV_page_fault]++;
        now[EV_pf_taken]++;
        if (kind == WRITE) now[EV_page_fault_write]++;
        else if (kind == EXEC) now[EV_page_fault_fetch]++;
        if (result == DENIED) now[EV_page_fault_present]++;
        enum ret fast = RET_INVALID;
        if (result == DENIED && kind == WRITE && vm->fast_page_fault) {
            now[EV_fast_page_fault]++;
            fast = fast_page_fault(vm, vcpu->root, gfn, kind, now);
        }
        if (fast == RET_FIXED) {
            now[EV_pf_fast]++;
            now[EV_pf_fixed]++;
            now[EV_fast_page_fault_fixed]++;
        } else if (fast == RET_SPURIOUS) {
            now[EV_pf_fast]++;
            now[EV_pf_spurious]++;
            now[EV_fast_page_fault_spurious]++;
        } else {
            direct_page_fault(vm, vcpu, gfn, kind);
        }
        serve_requests(vcpu);
    }
}

static void enter(struct vm *vm, int number)
{
    struct vcpu *vcpu = &vm->vcpus[number];
    serve_requests(vcpu);
    if (vcpu->root == NULL) vcpu->root = vm->root;
}

/* Takes W from every 4 KiB leaf of a slot and empties its bitmap, for the next round of dirty logging. */
static void write_protect(struct vm *vm, struct memslot *slot)
{
    for (uint64_t gfn = slot->base_gfn; gfn < slot->end_gfn; gfn++) {
        int level;
        uint64_t *sptep = locate(vm->root, gfn, 1, &level);
        if (is_leaf(*sptep, level)) *sptep &= ~SPTE_W;
    }
    memset(slot->dirty, 0, (slot->end_gfn - slot->base_gfn + 63) / 64 * 8);
    for (int i = 0; i < vm->nvcpus; i++) vm->vcpus[i].flush_pending = true;
}

static void prepare(struct vm *vm)
{
    vm->fast_page_fault = true;
    vm->split_huge_pages = true;
    vm->dirty_on_refault = true;
}
