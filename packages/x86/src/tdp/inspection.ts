/**
 * The TDP MMU to be looked at: the walk from a vCPU's root, and the roots it holds. While a vCPU runs its nested guest, the walk is that of the shadow pages L2 runs on.
 */
import { type BackendInspection, EntryKind, type HeldRoot, type TableName, type WalkedEntry } from '@mmulab/api';
import { describeRole, heldRoots, tableWord } from '../inspection';
import type { VcpuRoots } from '../roots/vcpu-roots';
import { INVALID_ROOT } from '../roots/root-cache';
import { describePage, walkPages } from '../shadow/inspection';
import type { LegacyMmu } from '../shadow/legacy-mmu';
import type { TdpMmu } from './tdp-mmu';
import type { TdpRoots } from './tdp-roots';

/** What is looked at. */
export interface InspectedTdp {
  readonly mmu: TdpMmu;
  readonly roots: VcpuRoots;
  readonly tdpRoots: TdpRoots;
  readonly ept: boolean;
  readonly adBits: boolean;
  /** The MMU of nested guests, where there is one. */
  readonly nested: LegacyMmu | undefined;
}

export class TdpInspection implements BackendInspection {
  readonly format: string;
  readonly walksVirtual = false;

  constructor(private readonly parts: InspectedTdp) {
    this.format = parts.ept ? 'ept' : 'npt';
  }

  walk(vcpu: number, frame: number): readonly WalkedEntry[] {
    const { mmu, roots, tdpRoots, ept, adBits, nested } = this.parts;
    const number = roots.root(vcpu);
    if (number === INVALID_ROOT) return [];
    if (nested !== undefined && roots.isNested(vcpu)) return walkPages(nested, number, frame, ept, adBits);
    const root = tdpRoots.get(number);
    const entries: WalkedEntry[] = [];
    for (let level = mmu.geometry.levels; level >= 1; level--) {
      const { kind, attr, gfn, level: at } = mmu.lookupAbove(root, frame, level);
      if (at > level) break;
      const span = mmu.geometry.pagesAt(level);
      const first = frame - (frame % (span * mmu.geometry.entries));
      const word = kind === EntryKind.Table ? tableWord(ept, adBits) : kind === EntryKind.Empty ? '0' : mmu.spte.descriptor(attr, level, gfn, ept);
      const table = level === mmu.geometry.levels ? this.nameOf(number) : { name: `level ${level} from 0x${first.toString(16)}`, role: '' };
      entries.push({ level, index: Math.floor((frame - first) / span), kind, word, table });
    }
    return entries;
  }

  runsNested(vcpu: number): boolean {
    return this.parts.roots.isNested(vcpu);
  }

  roots(vcpu: number): readonly HeldRoot[] {
    const { nested } = this.parts;
    return heldRoots(this.parts.roots, vcpu, (root, isNested) => (isNested && nested !== undefined ? describePage(nested, root) : this.nameOf(root)));
  }

  private nameOf(root: number): TableName {
    return { name: `root ${root}`, role: describeRole(this.parts.tdpRoots.get(root).role) };
  }
}
