/*
 * The baseline of arm64-stage2: four levels of 512 64-bit entries. The hardware's walk (it sets the access flag) and what it meets at which level, the top-up of
 * the memory cache, the host page's state, the level of the mapping, then rights added to the leaf or the map walker's way down with its references and its cache
 * maintenance, the TLB invalidation, the dirty bitmap, and every counter of these steps.
 *
 * Models: Linux arch/arm64/kvm/mmu.c user_mem_abort(), arch/arm64/kvm/hyp/pgtable.c stage2_map_walker(), stage2_attr_walker(): releases from 6.13 on.
 */
#ifndef MMULAB_BENCH_STAGE2_H
#define MMULAB_BENCH_STAGE2_H

/* Counted events, under the engine's names. */
#define EVENTS(X) \
    X(exit, "exit") \
    X(abort, "guest_abort") \
    X(translation_read, "guest_abort.translation.read") \
    X(translation_write, "guest_abort.translation.write") \
    X(translation_exec, "guest_abort.translation.exec") \
    X(translation_level0, "guest_abort.translation.level0") \
    X(translation_level1, "guest_abort.translation.level1") \
    X(translation_level2, "guest_abort.translation.level2") \
    X(translation_level3, "guest_abort.translation.level3") \
    X(permission_read, "guest_abort.permission.read") \
    X(permission_write, "guest_abort.permission.write") \
    X(permission_exec, "guest_abort.permission.exec") \
    X(permission_level0, "guest_abort.permission.level0") \
    X(permission_level1, "guest_abort.permission.level1") \
    X(permission_level2, "guest_abort.permission.level2") \
    X(permission_level3, "guest_abort.permission.level3") \
    X(access_flag, "guest_abort.access_flag") \
    X(dropped, "fault.dropped") \
    X(map, "stage2.map") \
    X(map_on_translation, "stage2.map.on_translation") \
    X(map_on_permission, "stage2.map.on_permission") \
    X(leaf_same, "leaf.same") \
    X(install_4k, "leaf.install.4k") \
    X(relax, "stage2.relax_perms") \
    X(mkyoung, "stage2.mkyoung") \
    X(dcache, "dcache_clean_inval_poc") \
    X(dcache_bytes, "dcache_clean_inval_poc.bytes") \
    X(dcache_lines, "dcache_clean_inval_poc.lines") \
    X(mm_dcache, "mm_ops.dcache_clean_inval_poc") \
    X(table_alloc, "table.alloc") \
    X(topup, "memcache.topup") \
    X(topup_pages, "memcache.topup.pages") \
    X(zalloc_page, "mm_ops.zalloc_page") \
    X(get_page, "mm_ops.get_page") \
    X(tlbi_ipa, "tlbi.ipa") \
    X(tlbi_ipa_local, "tlbi.ipa_local") \
    X(mark_page_dirty, "mark_page_dirty") \
    X(dirty_bitmap_set, "dirty_bitmap.set")

#define VCPU_FIELDS int cached; /* pages in its memory cache */
#define VM_FIELDS bool fwb, dic, hafdbs, relax_local;

#include "machine.h"

/* Stage-2 descriptor: valid, table or page, S2AP, AF, XN. */
#define PTE_VALID (1ull << 0)
#define PTE_TABLE (1ull << 1)
#define PTE_MEMATTR (15ull << 2)
#define PTE_R (1ull << 6)
#define PTE_W (1ull << 7)
#define PTE_SH (3ull << 8)
#define PTE_AF (1ull << 10)
#define PTE_XN (2ull << 53)
#define PTE_ADDRESS 0x0000fffffffff000ull

#define CACHE_CAPACITY 40
#define CACHE_MIN (LEVELS - 1)
#define PAGE_BYTES 4096
#define LINE_BYTES 64

enum walk { HIT, TRANSLATION, PERMISSION, ACCESS_FLAG };

#endif
