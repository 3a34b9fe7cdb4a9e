/**
 * Atomic protocols of the TDP MMU, as lists of steps.
 *
 * Faults hold mmu_lock for reading and race with each other: they publish by compare-exchange, and take a huge leaf away by freezing it, flushing,
 * and only then emptying it. A table is filled before it is linked, and freed when all walks that may stand in it have ended. Operations under the write lock
 * store plainly.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c: tdp_mmu_set_spte_atomic(), tdp_mmu_zap_spte_atomic(), tdp_mmu_link_sp(), tdp_mmu_split_huge_page().
 */
import { Action, Change, Step } from '@mmulab/api';
import type { Protocol } from '@mmulab/api';

/** In the order of their numbers. */
export const tdpProtocols: readonly Protocol[] = [
  { name: 'map', change: Change.SetLeaf, steps: [Step.CasLeaf] },
  { name: 'link', change: Change.LinkTable, steps: [Step.AllocTable, Step.CasTable] },
  { name: 'split', change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.CasTable] },
  { name: 'zap-atomic', change: Change.Zap, steps: [Step.CasFreeze, Step.RemoveSubtree, Step.DeferFree, Step.Flush, Step.WriteEmpty] },
  { name: 'zap-plain', change: Change.Zap, steps: [Step.WriteEmpty, Step.RemoveSubtree, Step.DeferFree] },
  { name: 'set-plain', change: Change.SetLeaf, steps: [Step.WriteLeaf] },
  { name: 'map-over-table', change: Change.Collapse, steps: [Step.CasLeaf, Step.RemoveSubtree, Step.DeferFree, Step.Flush] },
  { name: 'fix-rights', change: Change.SetLeaf, steps: [Step.CasQuiet] },
  { name: 'recover', change: Change.Collapse, steps: [Step.CasLeaf, Step.RemoveSubtree, Step.DeferFree] },
  { name: 'set-atomic', change: Change.SetLeaf, steps: [Step.CasLeaf] },
];

const action = (name: string): number => Action.FirstProtocol + tdpProtocols.findIndex(protocol => protocol.name === name);

/** Actions of verdicts, by protocol. */
export const TdpAction = {
  Map: action('map'),
  Link: action('link'),
  Split: action('split'),
  ZapAtomic: action('zap-atomic'),
  ZapPlain: action('zap-plain'),
  SetPlain: action('set-plain'),
  MapOverTable: action('map-over-table'),
  FixRights: action('fix-rights'),
  Recover: action('recover'),
  SetAtomic: action('set-atomic'),
} as const;
