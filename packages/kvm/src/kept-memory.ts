/**
 * Host memory whose memslot is gone: the mapping of the process stays, with the pages it has, until something else is mapped there.
 */
import type { HostBacking, Hvf } from '@mmulab/api';
import type { FrameMap } from '@mmulab/pgtable';
import { frameRuns, layFrameRuns, type FrameRun } from './frame-runs';
import type { Memslot } from './memslot';

interface Kept {
  readonly hvf: Hvf;
  readonly npages: number;
  readonly backing: HostBacking;
  readonly states: readonly FrameRun[];
}

/** States of host pages that no memslot maps, by where the process has them. */
export class KeptMemory {
  private readonly kept: Kept[] = [];

  constructor(private readonly hostStates: FrameMap) {}

  /** A slot is about to go: its pages are put by. */
  keep({ base, spec }: Memslot): void {
    this.forget(spec.hvf, spec.npages);
    this.kept.push({ hvf: spec.hvf, npages: spec.npages, backing: spec.backing, states: frameRuns(this.hostStates, base, spec.npages) });
  }

  /** Something else is mapped there. */
  forget(hvf: Hvf, npages: number): void {
    for (let i = this.kept.length - 1; i >= 0; i--) {
      if (this.kept[i].hvf < hvf + npages && hvf < this.kept[i].hvf + this.kept[i].npages) this.kept.splice(i, 1);
    }
  }

  /** Gives a slot that lies over such memory its pages. @returns false where there is none of its kind that it fits into */
  restore({ base, spec }: Memslot): boolean {
    const at = this.kept.findIndex(
      ({ hvf, npages, backing }) => hvf <= spec.hvf && spec.hvf + spec.npages <= hvf + npages && backing.name === spec.backing.name,
    );
    if (at < 0) return false;
    const shift = spec.hvf - this.kept[at].hvf;
    const states = this.kept[at].states.map(run => ({ ...run, first: run.first - shift }));
    layFrameRuns(this.hostStates, base, spec.npages, states);
    this.forget(spec.hvf, spec.npages);
    return true;
  }
}
