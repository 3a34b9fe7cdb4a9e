/**
 * The unmap walker: leaves go one by one, tables when nothing is left in them.
 *
 * A leaf that the range covers in part goes whole. Leaves of Normal memory are cleaned, unless FWB makes that pointless. Each leaf and each table is invalidated by
 * IPA; where the flush of leaves is put off to the end of a chunk, tables still have theirs. Tables are met after what they hold (TABLE_POST).
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c kvm_pgtable_stage2_unmap(), stage2_unmap_walker(), stage2_unmap_put_pte().
 */
import { Action, EntryKind, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import type { Stage2Attrs } from './descriptor';
import { Stage2Action } from './protocols';
import type { NoOp } from './attr';

const KEEP = makeVerdict(Action.Keep);
const UNMAP = makeVerdict(Stage2Action.Unmap);
const UNMAP_CLEAN = makeVerdict(Stage2Action.UnmapClean);
const UNMAP_QUIET = makeVerdict(Stage2Action.UnmapQuiet);

/** How leaves go. */
export interface UnmapPolicy {
  readonly fwb: boolean;
  /** Leaves are flushed once per chunk. */
  readonly unmapFlushOnce: boolean;
}

/** Told of each table whose references the walker asks for. */
export type AskPageCount = (gfn: number, level: number, entries: number) => void;

export class UnmapRule implements Rule<NoOp> {
  readonly name = 'stage2_unmap';

  constructor(
    private readonly attrs: Stage2Attrs,
    private readonly policy: UnmapPolicy,
    private readonly askPageCount: AskPageCount,
  ) {}

  visit(at: Entry): Verdict {
    if (at.kind === EntryKind.Table) {
      const entries = at.childCount();
      this.askPageCount(at.gfn, at.level, entries);
      return entries === 0 ? UNMAP : KEEP;
    }
    if (this.policy.unmapFlushOnce) return UNMAP_QUIET;
    return !this.policy.fwb && this.attrs.isNormal(at.attr) ? UNMAP_CLEAN : UNMAP;
  }
}
