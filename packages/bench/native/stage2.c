/*
 * The baseline's abort path and write protection; see stage2.h.
 */
#include "stage2.h"

static inline bool is_leaf(uint64_t pte, int level)
{
    return (pte & PTE_VALID) != 0 && (level == 1 || (pte & PTE_TABLE) == 0);
}

static inline uint64_t *table_below(uint64_t pte)
{
    return (uint64_t *)(uintptr_t)(pte & PTE_ADDRESS);
}

/* The lowest entry for a frame. */
static inline uint64_t *locate(uint64_t *root, uint64_t gfn, int *level)
{
    uint64_t *table = root;
    for (int at = LEVELS;; at--) {
        uint64_t *ptep = &table[index_at(gfn, at)];
        uint64_t pte = *ptep;
        if (at == 1 || (pte & PTE_VALID) == 0 || is_leaf(pte, at)) {
            *level = at;
            return ptep;
        }
        table = table_below(pte);
    }
}

static inline bool allows(uint64_t pte, enum access kind)
{
    if (kind == WRITE) return (pte & PTE_W) != 0;
    return (pte & PTE_R) != 0 && (kind == READ || (pte & PTE_XN) == 0);
}

/* The hardware's walk: lets the access through and sets AF, or says what it meets, and where. */
static enum walk hardware_walk(const struct vm *vm, uint64_t gfn, enum access kind, int *level)
{
    uint64_t *ptep = locate(vm->root, gfn, level);
    uint64_t pte = *ptep;
    if (!is_leaf(pte, *level)) return TRANSLATION;
    if ((pte & PTE_AF) == 0) {
        if (!vm->hafdbs) return ACCESS_FLAG;
        *ptep = pte |= PTE_AF;
    }
    return allows(pte, kind) ? HIT : PERMISSION;
}

static void top_up(struct vcpu *vcpu)
{
    if (vcpu->cached >= CACHE_MIN) return;
    vcpu->counters[EV_topup]++;
    vcpu->counters[EV_topup_pages] += CACHE_CAPACITY - vcpu->cached;
    vcpu->cached = CACHE_CAPACITY;
}

static uint64_t make_pte(const struct vm *vm, const struct memslot *slot, uint64_t gfn, bool writable, bool executable)
{
    uint64_t pfn = slot->hvf + (gfn - slot->base_gfn);
    uint64_t pte = PTE_VALID | PTE_TABLE | PTE_MEMATTR | PTE_SH | PTE_AF | PTE_R | ((pfn << 12) & PTE_ADDRESS);
    if (writable) pte |= PTE_W;
    if (!executable) pte |= PTE_XN;
    return pte;
}

static void clean_dcache(const struct vm *vm, uint64_t *now)
{
    now[EV_mm_dcache]++;
    if (vm->fwb) return;
    now[EV_dcache]++;
    now[EV_dcache_bytes] += PAGE_BYTES;
    now[EV_dcache_lines] += PAGE_BYTES / LINE_BYTES;
}

/* The map walker: links tables from the cache down to the page, cleans and writes. */
static void map(struct vm *vm, struct vcpu *vcpu, const struct memslot *slot, uint64_t gfn, bool writable, bool executable)
{
    uint64_t *now = vcpu->counters;
    uint64_t *table = vm->root;
    for (int level = LEVELS; level > 1; level--) {
        uint64_t *ptep = &table[index_at(gfn, level)];
        uint64_t pte = *ptep;
        if (is_leaf(pte, level)) abort(); /* No case of the bench breaks a block. */
        if ((pte & PTE_VALID) == 0) {
            vcpu->cached--;
            now[EV_table_alloc]++;
            now[EV_zalloc_page]++;
            now[EV_get_page]++;
            *ptep = pte = PTE_VALID | PTE_TABLE | (uint64_t)(uintptr_t)take_table(vm);
        }
        table = table_below(pte);
    }
    uint64_t *ptep = &table[index_at(gfn, 1)];
    uint64_t leaf = make_pte(vm, slot, gfn, writable, executable);
    if (*ptep == leaf) {
        now[EV_leaf_same]++;
        return;
    }
    if ((*ptep & PTE_VALID) != 0) abort(); /* Nor changes a mapping by breaking it. */
    clean_dcache(vm, now);
    now[EV_get_page]++;
    *ptep = leaf;
    now[EV_install_4k]++;
}

static void relax(struct vm *vm, uint64_t *now, struct memslot *slot, uint64_t gfn, bool writable, bool executable)
{
    int level;
    uint64_t *ptep = locate(vm->root, gfn, &level);
    uint64_t pte = *ptep;
    now[EV_relax]++;
    if (writable) pte |= PTE_W;
    if (executable) pte &= ~PTE_XN;
    if (pte != *ptep) *ptep = pte;
    if (writable) mark_page_dirty(slot, gfn, now);
    now[EV_tlbi_ipa]++;
    if (vm->relax_local) now[EV_tlbi_ipa_local]++;
}

static void count_abort(uint64_t *now, enum walk met, int level, enum access kind)
{
    now[EV_exit]++;
    now[EV_abort]++;
    if (met == TRANSLATION) {
        now[EV_translation_read + kind]++;
        now[EV_translation_level0 + LEVELS - level]++;
    } else if (met == PERMISSION) {
        now[EV_permission_read + kind]++;
        now[EV_permission_level0 + LEVELS - level]++;
    } else {
        now[EV_access_flag]++;
    }
}

static void user_mem_abort(struct vm *vm, struct vcpu *vcpu, struct memslot *slot, uint64_t gfn, enum access kind, enum walk met, int level)
{
    uint64_t *now = vcpu->counters;
    if (met != PERMISSION || (slot->logged && kind == WRITE)) top_up(vcpu);
    uint64_t seq = vm->notifier_seq;
    uint64_t page = gfn - slot->base_gfn;
    const struct host_fault *fault = &slot->backing->faults[slot->host[page] * 2 + (kind == WRITE)];
    if (!fault->ok || fault->notifications != 0 || fault->span_level != 1) abort(); /* Nor other backings than small shared pages. */
    if (slot->host[page] != fault->state) slot->host[page] = fault->state;
    bool host_writable = fault->writable && !slot->readonly;
    if (seq != vm->notifier_seq) {
        now[EV_dropped]++;
        return;
    }
    int goal = slot->logged ? 1 : max_level(slot, gfn);
    const struct host_state *state = &slot->backing->states[slot->host[page]];
    if (goal > 1 && (!state->present || state->level > 1)) abort();
    bool writable = host_writable && (!slot->logged || kind == WRITE);
    bool executable = kind == EXEC || vm->dic;
    if (met == PERMISSION && level == 1) {
        relax(vm, now, slot, gfn, writable, executable);
        return;
    }
    now[EV_map]++;
    now[met == PERMISSION ? EV_map_on_permission : EV_map_on_translation]++;
    map(vm, vcpu, slot, gfn, writable, executable);
    if (writable) mark_page_dirty(slot, gfn, now);
}

/* One access of a vCPU with all its faults. */
static void touch(struct vm *vm, int number, uint64_t vfn, enum access kind)
{
    struct vcpu *vcpu = &vm->vcpus[number];
    uint64_t gfn = gfn_of(vm, vfn);
    for (;;) {
        int level;
        enum walk met = hardware_walk(vm, gfn, kind, &level);
        if (met == HIT) return;
        count_abort(vcpu->counters, met, level, kind);
        struct memslot *slot = slot_of(vm, gfn);
        if (slot == NULL || (slot->readonly && kind == WRITE)) abort(); /* No case of the bench touches devices. */
        if (met == ACCESS_FLAG) {
            vcpu->counters[EV_mkyoung]++;
            *locate(vm->root, gfn, &level) |= PTE_AF;
        } else {
            user_mem_abort(vm, vcpu, slot, gfn, kind, met, level);
        }
    }
}

static void enter(struct vm *vm, int number)
{
    (void)vm;
    (void)number;
}

/* Takes S2AP_W from every leaf of a slot and empties its bitmap, for the next round of dirty logging. */
static void write_protect(struct vm *vm, struct memslot *slot)
{
    for (uint64_t gfn = slot->base_gfn; gfn < slot->end_gfn; gfn++) {
        int level;
        uint64_t *ptep = locate(vm->root, gfn, &level);
        if (is_leaf(*ptep, level)) *ptep &= ~PTE_W;
    }
    memset(slot->dirty, 0, (slot->end_gfn - slot->base_gfn + 63) / 64 * 8);
}

static void prepare(struct vm *vm)
{
    vm->hafdbs = true;
    vm->relax_local = true;
}
