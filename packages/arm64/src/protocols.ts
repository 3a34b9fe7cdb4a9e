/**
 * Atomic protocols of stage 2, as lists of steps.
 *
 * Break-before-make: a valid entry that is to say something else is taken away first (written 0, or LOCKED where walkers run in parallel), then the TLBs are
 * invalidated, and only then the new entry is written. So a map is two protocols, *break* and *make*, with cache maintenance in between; the TLB
 * invalidation belongs to the break. Changes of rights alone need no break: they are one store. A table page comes out of the memory cache before the entry is
 * broken; the loser of a race hands it back unused.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c stage2_try_break_pte(), stage2_make_pte(), stage2_map_walker_try_leaf(), stage2_map_walk_leaf(),
 * stage2_map_walk_table_pre(), stage2_unmap_walker(), stage2_attr_walker(), stage2_split_walker().
 */
import { Action, Change, Step } from '@mmulab/api';
import type { Protocol } from '@mmulab/api';

/** In the order of their numbers. */
export const stage2Protocols: readonly Protocol[] = [
  // Mapping under the exclusive lock: broken entries are 0.
  { name: 'break-leaf', change: Change.Zap, steps: [Step.WriteEmpty, Step.Tlbi, Step.PutPage] },
  { name: 'break-block', change: Change.Zap, steps: [Step.AllocTable, Step.WriteEmpty, Step.Tlbi, Step.PutPage] },
  { name: 'break-table', change: Change.Zap, steps: [Step.WriteEmpty, Step.Flush, Step.PutPage] },
  { name: 'install-table', change: Change.LinkTable, steps: [Step.AllocTable, Step.WriteTable, Step.GetPage] },
  // Mapping in parallel: broken entries are LOCKED.
  { name: 'lock', change: Change.SetLeaf, steps: [Step.CasLeaf] },
  { name: 'lock-leaf', change: Change.SetLeaf, steps: [Step.CasLeaf, Step.Tlbi, Step.PutPage] },
  { name: 'lock-block', change: Change.SetLeaf, steps: [Step.AllocTable, Step.CasLeaf, Step.Tlbi, Step.PutPage] },
  { name: 'lock-table', change: Change.SetLeaf, steps: [Step.CasLeaf, Step.Flush, Step.PutPage, Step.DeferFree] },
  { name: 'lose-table', change: Change.LinkTable, steps: [Step.AllocTable] },
  // The second half of both, the make. (The names stand in exported traces, which keep them.)
  { name: 'publish-table', change: Change.LinkTable, steps: [Step.WriteTable, Step.GetPage] },
  { name: 'publish-leaf', change: Change.SetLeaf, steps: [Step.GetPage, Step.WriteLeaf] },
  { name: 'clean-publish', change: Change.SetLeaf, steps: [Step.DcacheClean, Step.GetPage, Step.WriteLeaf] },
  { name: 'clean-inval-publish', change: Change.SetLeaf, steps: [Step.DcacheClean, Step.IcacheInval, Step.GetPage, Step.WriteLeaf] },
  { name: 'inval-publish', change: Change.SetLeaf, steps: [Step.IcacheInval, Step.GetPage, Step.WriteLeaf] },
  // Rights and access flag.
  { name: 'set-attr', change: Change.SetLeaf, steps: [Step.CasQuiet] },
  { name: 'inval-set-attr', change: Change.SetLeaf, steps: [Step.IcacheInval, Step.CasQuiet] },
  // Unmapping.
  { name: 'unmap', change: Change.Zap, steps: [Step.WriteEmpty, Step.Tlbi, Step.PutPage] },
  { name: 'unmap-clean', change: Change.Zap, steps: [Step.WriteEmpty, Step.Tlbi, Step.PutPage, Step.DcacheClean] },
  { name: 'unmap-quiet', change: Change.Zap, steps: [Step.WriteEmpty, Step.PutPage] },
  // Eager splitting: a filled table takes a block's place; inside a subtree that is not linked yet nobody needs to be told.
  { name: 'split', change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.WriteEmpty, Step.Tlbi, Step.WriteTable] },
  { name: 'split-unlinked', change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.WriteTable] },
  // The access flag, set by the hardware.
  { name: 'hardware', change: Change.SetLeaf, steps: [Step.CasQuiet], byHardware: true },
];

const action = (name: string): number => Action.FirstProtocol + stage2Protocols.findIndex(protocol => protocol.name === name);

/** Actions of verdicts, by protocol. */
export const Stage2Action = {
  BreakLeaf: action('break-leaf'),
  BreakBlock: action('break-block'),
  BreakTable: action('break-table'),
  InstallTable: action('install-table'),
  Lock: action('lock'),
  LockLeaf: action('lock-leaf'),
  LockBlock: action('lock-block'),
  LockTable: action('lock-table'),
  LoseTable: action('lose-table'),
  MakeTable: action('publish-table'),
  MakeLeaf: action('publish-leaf'),
  CleanMake: action('clean-publish'),
  CleanInvalMake: action('clean-inval-publish'),
  InvalMake: action('inval-publish'),
  SetAttr: action('set-attr'),
  InvalSetAttr: action('inval-set-attr'),
  Unmap: action('unmap'),
  UnmapClean: action('unmap-clean'),
  UnmapQuiet: action('unmap-quiet'),
  Split: action('split'),
  SplitUnlinked: action('split-unlinked'),
  Hardware: action('hardware'),
} as const;
