/**
 * Stage 2 to be looked at: the walk of the VM's one table, the same for every vCPU.
 *
 * Models: Arm ARM D8.3 (VMSAv8-64 stage 2): table descriptors have no attributes at stage 2.
 */
import { type BackendInspection, EntryKind, type HeldRoot, type Translation, type WalkedEntry } from '@mmulab/api';
import type { Stage2Tables } from './stage2-tables';
import type { Stage2Shape } from './stage2-geometry';

/** A valid entry that points to a table. */
const TABLE_WORD = '3';
/** An entry that a walker has taken away: invalid, bit 10 set. */
const LOCKED_WORD = '400';

export class Stage2Inspection implements BackendInspection {
  readonly format = 'vmsa-stage2';
  readonly walksVirtual = false;

  /** @param translate the backend's own, for leaves */
  constructor(
    private readonly stage2: Stage2Tables,
    private readonly shape: Stage2Shape,
    private readonly translate: (gfn: number) => Translation | undefined,
  ) {}

  walk(_vcpu: number, frame: number): readonly WalkedEntry[] {
    const { geometry } = this.shape;
    const entries: WalkedEntry[] = [];
    for (let level = geometry.levels; level >= 1; level--) {
      const { kind, level: at } = this.stage2.lookupAbove(frame, level);
      if (at > level) break;
      const span = geometry.pagesAt(level);
      const isTop = level === geometry.levels;
      const first = isTop ? 0 : frame - (frame % (span * geometry.entries));
      const name = isTop ? 'start table' : `level ${level} from 0x${first.toString(16)}`;
      entries.push({ level, index: Math.floor((frame - first) / span), kind, word: this.word(kind, frame), table: { name, role: '' } });
    }
    return entries;
  }

  roots(): readonly HeldRoot[] {
    return [];
  }

  private word(kind: EntryKind, frame: number): string {
    if (kind === EntryKind.Table) return TABLE_WORD;
    if (kind === EntryKind.Special) return LOCKED_WORD;
    return this.translate(frame)?.descriptor.replace(/^0x0*(?=.)/, '') ?? '0';
  }
}
