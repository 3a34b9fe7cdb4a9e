/**
 * Which file decides: stages of a fault and rules of the engine, by the names they have in runs, with the source that holds them. Paths are relative to `packages`; a test
 * looks them up.
 */

/** A place in the sources. */
export interface Decider {
  /** What is decided there, in a few words. */
  readonly says: string;
  /** `x86/src/tdp/fault.ts`. */
  readonly file: string;
  /** A name that stands in the file. */
  readonly symbol: string;
}

const tdp = (symbol: string, says: string, file = 'tdp/fault.ts'): Decider => ({ says, file: `x86/src/${file}`, symbol });
const shadow = (symbol: string, says: string, file = 'shadow/shadow-fault.ts'): Decider => ({ says, file: `x86/src/${file}`, symbol });
const arm = (symbol: string, says: string, file = 'user-mem-abort.ts'): Decider => ({ says, file: `arm64/src/${file}`, symbol });

const TDP_STAGES: Readonly<Record<string, Decider>> = {
  exit: tdp('leave', 'The hardware’s walk ended in a violation: the vCPU leaves the guest.'),
  fast_page_fault: tdp('fixFast', 'Without mmu_lock: may W, or saved rights, be given back?'),
  host_page: tdp('hostPage', 'The notifier’s sequence is sampled, and the host asked for the page.'),
  walk: tdp('stage', 'Under mmu_lock for reading: down to the entry at the goal.'),
  map: tdp('mapPage', 'The map rule says what becomes of the entry; a compare-exchange may be lost.'),
  resume: tdp('stage', 'Back into the guest, which makes its access again.'),
};
const SHADOW_STAGES: Readonly<Record<string, Decider>> = {
  exit: shadow('stage', 'The vCPU leaves the guest; under shadow paging KVM reads the guest’s own tables.'),
  fast_page_fault: shadow('stage', 'Without mmu_lock: may W, or saved rights, be given back? Direct tables only.'),
  host_page: shadow('stage', 'The notifier’s sequence is sampled, and the host asked for the page.'),
  map: shadow(
    'ShadowMapper',
    'Under mmu_lock for writing: shadow pages are found or made on the way down, and the leaf is written.',
    'shadow/shadow-mapper.ts',
  ),
  resume: shadow('stage', 'Back into the guest, which makes its access again.'),
};
const ARM_STAGES: Readonly<Record<string, Decider>> = {
  exit: arm('UserMemAbort', 'A stage 2 abort takes the vCPU to EL2.'),
  host_page: arm('UserMemAbort', 'The memory cache is topped up, the sequence sampled, the host asked for the page.'),
  notifier_start: arm('MmuNotifier', 'The host’s notifier takes the old page away, under mmu_lock.', 'notifier.ts'),
  change_pte: arm('MmuNotifier', 'The host tells at once what stands in the page’s place.', 'notifier.ts'),
  notifier_end: arm('MmuNotifier', 'The sequence has moved on: faults that sampled it before are dropped.', 'notifier.ts'),
  map: arm('MapRule', 'Under mmu_lock: the map walker finds the entry, and breaks, makes or leaves it.', 'map.ts'),
  relax: arm('RelaxRule', 'Under mmu_lock: rights are added to a leaf in place.', 'attr.ts'),
  'clean.page': arm('CountingMmOps', 'The data cache is cleaned for a page.', 'mm-ops.ts'),
  'clean.pmd': arm('CountingMmOps', 'The data cache is cleaned for a 2 MiB block.', 'mm-ops.ts'),
  'clean.pud': arm('CountingMmOps', 'The data cache is cleaned for a 1 GiB block.', 'mm-ops.ts'),
  tlbi: arm('TlbInvalidations', 'Break before make: the old translation is invalidated everywhere.', 'tlbi.ts'),
  relax_tlbi: arm('TlbInvalidations', 'The translation with fewer rights is invalidated.', 'tlbi.ts'),
  mkyoung: arm('MkyoungRule', 'The access flag is set.', 'attr.ts'),
  resume: arm('UserMemAbort', 'Back into the guest, which makes its access again.'),
};
/** Work of the host that takes time of its own, the same for all backends. */
const host = (says: string): Decider => ({ says, file: 'kvm/src/host-work.ts', symbol: 'hostWork' });
const HOST_STAGES: Readonly<Record<string, Decider>> = {
  host_alloc: host('The host takes a page and clears it.'),
  'host_clear.pmd': host('The host clears a huge page.'),
  'host_clear.pud': host('The host clears a 1 GiB page.'),
  host_copy: host('The host copies a page that was shared.'),
  host_split_zero: host('The host splits the huge zero page.'),
};
const STAGES: Readonly<Record<string, Readonly<Record<string, Decider>>>> = {
  'x86-tdp': TDP_STAGES,
  'x86-shadow': SHADOW_STAGES,
  'arm64-stage2': ARM_STAGES,
};

const rangeRule = (symbol: string, says: string): Decider => tdp(symbol, says, 'tdp/range-rules.ts');
const RULES: Readonly<Record<string, Decider>> = {
  'tdp-map': tdp('TdpMapRule', 'What a fault does to the entry it finds.', 'tdp/map-rule.ts'),
  'fast-page-fault': tdp('FastFaultRule', 'What the lockless path may give back.', 'tdp/map-rule.ts'),
  'hardware-walk': tdp('HardwareWalkRule', 'What the hardware’s own walk sets.', 'tdp/map-rule.ts'),
  'write-protect': rangeRule('WriteProtectRule', 'W goes, so that the next write is seen.'),
  'write-protect-huge': rangeRule('WriteProtectHugeRule', 'W and MMU-writable go from a huge leaf.'),
  'seen-leaf': rangeRule('SeenLeafRule', 'A leaf of a cleared bitmap word.'),
  'write-protect-4k': rangeRule('SmallLeafRule', 'W goes from the pages of a bitmap word.'),
  'clear-dirty-4k': rangeRule('SmallLeafRule', 'D goes from the pages of a bitmap word.'),
  'clear-dirty': rangeRule('ClearDirtyRule', 'D goes, so that the hardware logs the next write.'),
  'eager-split': rangeRule('EagerSplitRule', 'Huge leaves are split before anybody writes.'),
  age: rangeRule('AgeRule', 'A goes.'),
  unmap: rangeRule('UnmapRule', 'Leaves go: the host took the pages.'),
  'unmap-tables': rangeRule('UnmapTablesRule', 'Leaves go, and tables that lie wholly inside.'),
  'zap-collapsible': rangeRule('ZapCollapsibleRule', 'Tables go where a huge page could be.'),
  'zap-small-leaves': rangeRule('ZapSmallLeavesRule', 'Small leaves go where a huge page could be.'),
  'recover-huge-pages': rangeRule('RecoverRule', 'Huge leaves are put in the place of tables.'),
  'zap-table': rangeRule('ZapTableRule', 'One table goes.'),
  'clear-root': { says: 'A root dies, with all below it.', file: 'pgtable/src/observed-engine.ts', symbol: 'CLEARED' },
  'zap-level': rangeRule('ZapLevelRule', 'Whatever lies at a level goes: a root dies.'),
  stage2_map: arm('MapRule', 'What a fault does to the entry it finds.', 'map.ts'),
  stage2_make: arm('MakeRule', 'The new entry is made after the old one was broken.', 'map.ts'),
  stage2_unmap: arm('UnmapRule', 'Entries go, and tables that are empty.', 'unmap.ts'),
  stage2_split: arm('SplitRule', 'Blocks are split before anybody writes.', 'split.ts'),
  stage2_relax_perms: arm('RelaxRule', 'Rights are added in place.', 'attr.ts'),
  stage2_mkyoung: arm('MkyoungRule', 'The access flag is set.', 'attr.ts'),
  stage2_wrprotect: arm('WriteProtectRule', 'S2AP write goes, so that the next write is seen.', 'attr.ts'),
  stage2_age: arm('AgeRule', 'The access flag goes.', 'attr.ts'),
  hardware_walk: arm('HardwareWalkRule', 'What the hardware’s own walk sets.', 'attr.ts'),
};

/** Who decides in a stage of a backend's fault; undefined for what a plugin brings. */
export function stageDecider(backend: string, stage: string): Decider | undefined {
  return STAGES[backend]?.[stage] ?? HOST_STAGES[stage];
}

/** Who decides behind the name of a rule. */
export function ruleDecider(cause: string): Decider | undefined {
  return Object.hasOwn(RULES, cause) ? RULES[cause] : undefined;
}

/** All deciders, for the test that looks them up. */
export function allDeciders(): readonly Decider[] {
  return [...Object.values(STAGES).flatMap(stages => Object.values(stages)), ...Object.values(HOST_STAGES), ...Object.values(RULES)];
}
