/**
 * A vCPU's run of data accesses as a program the engine may lift.
 *
 * Models nothing of its own: each page goes through the abort path. The key names every constant the outcome of a block depends on, the context what
 * depends on where in the slot the block lies. Hot path.
 */
import { AccessKind } from '@mmulab/api';
import type { Journal, RunProgram } from '@mmulab/pgtable';
import type { Stage2Attrs } from './descriptor';
import { SlotPlane } from '@mmulab/kvm';
import type { Memslot, Memslots } from '@mmulab/kvm';

/** Pattern of a run over guest frames. */
export interface AccessPattern {
  /** Frame of the pattern's access number `firstIndex`. */
  readonly gfn: number;
  readonly stride: number;
  readonly kind: AccessKind;
  readonly writeEvery: number;
  /** Index of the first access within the whole run: decides which ones are writes. */
  readonly firstIndex: number;
}

/** Performs one access, all its faults included. */
export interface AccessPath {
  access(vcpu: number, gfn: number, kind: number, stage1Walk: boolean): void;
}

/** One run of one vCPU within one memslot. */
export class AccessProgram implements RunProgram {
  /** Host pages and dirty bits. */
  readonly planes = SlotPlane.Host | SlotPlane.Dirty;
  readonly origin: number;
  readonly stride: number;
  readonly period: number;
  private readonly writes: boolean;
  private readonly others: boolean;

  /** @param key interned constants of the run */
  constructor(
    readonly key: number,
    readonly journal: Journal,
    private readonly vcpu: number,
    private readonly pattern: AccessPattern,
    private readonly slot: Memslot,
    private readonly slots: Memslots,
    private readonly path: AccessPath,
    private readonly attrs: Stage2Attrs,
  ) {
    this.stride = pattern.stride;
    this.origin = pattern.gfn - pattern.firstIndex * pattern.stride;
    this.period = pattern.stride * (pattern.writeEvery > 1 ? pattern.writeEvery : 1);
    this.writes = pattern.writeEvery > 0 || pattern.kind === AccessKind.Write;
    this.others = pattern.kind !== AccessKind.Write && pattern.writeEvery !== 1;
  }

  block(from: number, to: number): void {
    const { stride, kind, writeEvery } = this.pattern;
    let index = Math.ceil((from - this.origin) / stride);
    for (let gfn = this.origin + index * stride; gfn < to; gfn += stride, index++) {
      const access = writeEvery > 0 && index % writeEvery === 0 ? AccessKind.Write : kind;
      this.path.access(this.vcpu, gfn, access, false);
    }
  }

  settled(attr: number): boolean {
    if (!this.attrs.isYoung(attr)) return false;
    if (this.writes && !this.attrs.allows(attr, AccessKind.Write)) return false;
    return !this.others || this.attrs.allows(attr, this.pattern.kind);
  }

  context(gfn: number, level: number): number {
    if (this.slot.hostReach > level && !this.slots.hostSettled(this.slot, gfn, level, this.writes)) return -1;
    return this.slot.maxLevel(gfn);
  }
}
