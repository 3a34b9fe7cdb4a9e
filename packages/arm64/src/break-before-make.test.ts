/**
 * Break-before-make and cache maintenance as a reader of the tables sees them: every change of an entry and every TLB invalidation, in the order in which they happen,
 * while vCPUs race.
 */
import { AccessKind, EntryKind, Step } from '@mmulab/api';
import { HOST_OFFSET, Lab, drawFrom, plainBacking, BASE } from './fixtures/lab';
import type { Stage2MmOps } from './mm-ops';
import { stage2Profiles } from './profiles';
import { stage2Protocols } from './protocols';

const PAGES_PER_LEVEL = [0, 1, 512, 512 ** 2, 512 ** 3];
const { Read, Write } = AccessKind;

const isValid = (kind: EntryKind): boolean => kind === EntryKind.Leaf || kind === EntryKind.Table;

/** Watches entries: valid, or gone with its translations still in TLBs. */
class Reader implements Stage2MmOps {
  readonly problems: string[] = [];
  breaks = 0;
  private readonly valid = new Map<string, string>();
  /** Entries that were valid and are not yet invalidated, by place. */
  private readonly stale = new Map<string, { readonly base: number; readonly end: number }>();
  private readonly clean = new Set<number>();

  entryChanged(gfn: number, level: number, _oldKind: EntryKind, _oldAttr: number, newKind: EntryKind, newAttr: number): void {
    const span = PAGES_PER_LEVEL[level] ?? 1;
    const base = gfn - (gfn % span);
    const place = `${level}/${base}`;
    const was = this.valid.get(place);
    if (isValid(newKind)) {
      if (was !== undefined) this.problems.push(`${place}: valid to valid`);
      for (const [other, range] of this.stale)
        if (range.base < base + span && base < range.end) this.problems.push(`${place}: ${other} is still in TLBs`);
      this.valid.set(place, `${newKind}/${newAttr}`);
      if (newKind === EntryKind.Leaf && base >= BASE) this.checkClean(base, span);
    } else if (was !== undefined) {
      this.breaks++;
      this.valid.delete(place);
      this.stale.set(place, { base, end: base + span });
    }
  }

  tlbi(gfn: number, level: number): void {
    const span = PAGES_PER_LEVEL[level] ?? 1;
    const base = gfn - (gfn % span);
    for (const [place, range] of this.stale) if (range.base >= base && range.end <= base + span) this.stale.delete(place);
  }

  dcacheCleaned(hvf: number, sizeBytes: number): void {
    const gfn = hvf - HOST_OFFSET;
    const pages = sizeBytes / 4096;
    for (let page = gfn - (gfn % pages); page < gfn - (gfn % pages) + pages; page++) this.clean.add(page);
  }

  private checkClean(base: number, span: number): void {
    for (let page = base; page < base + span; page++) {
      if (this.clean.has(page)) continue;
      this.problems.push(`frame ${page} granted with its data in the cache`);
      return;
    }
  }
}

describe.each(stage2Profiles.map(profile => profile.name))('on %s', kernel => {
  it('a reader never meets two valid translations without an invalidation in between, nor a page that was not cleaned', () => {
    for (let seed = 0; seed < 12; seed++) {
      const reader = new Reader();
      const lab = new Lab({ kernel, vcpus: 3, npages: 1024, backing: plainBacking(2), mmOps: reader });
      const draw = drawFrom(seed);
      const pass = (kinds: readonly AccessKind[], pages = [0, 1, 2, 512, 700, 3]): void => {
        lab.interleave(
          kinds.map(kind => pages.map(page => [page, kind] as const)),
          draw,
        );
      };
      pass([Write, Read, Write]);
      lab.log(true);
      pass([Write, Write, Read]);
      lab.mmu.host({ op: 'get_dirty_log', slot: 1 });
      pass([Write, Read, Write]);
      lab.log(false);
      pass([Read, Write, Read], [5, 900]);
      expect([kernel, seed, ...reader.problems]).toEqual([kernel, seed]);
      // Two blocks split, two rebuilt.
      expect(reader.breaks).toBeGreaterThanOrEqual(4);
      lab.mmu.host({ op: 'destroy_vm' });
    }
  });

  it('stages of vCPUs that race leave the tables as one vCPU alone does', () => {
    const finalOf = (vcpus: number): unknown => {
      const lab = new Lab({ kernel, vcpus, npages: 1024, backing: plainBacking(2) });
      const programs = Array.from({ length: vcpus }, () => [0, 1, 600].map(page => [page, Write] as const));
      lab.interleave(programs, drawFrom(5));
      lab.log(true);
      lab.interleave(programs, drawFrom(6));
      return [0, 1, 2, 600, 601].map(page => lab.mmu.translate(BASE + page));
    };
    expect(finalOf(3)).toEqual(finalOf(1));
  });
});

describe('the reader', () => {
  const protocolsWithout = (step: Step, body: () => void): void => {
    const kept = stage2Protocols.map(protocol => protocol.steps);
    stage2Protocols.forEach(protocol => Object.assign(protocol, { steps: protocol.steps.filter(one => one !== step) }));
    try {
      body();
    } finally {
      stage2Protocols.forEach((protocol, i) => Object.assign(protocol, { steps: kept[i] }));
    }
  };
  const splitOne = (kernel: string): readonly string[] => {
    const reader = new Reader();
    const lab = new Lab({ kernel, npages: 1024, backing: plainBacking(2), mmOps: reader });
    lab.touch(0, Write);
    lab.log(true);
    lab.touch(0, Write);
    return reader.problems;
  };

  it('finds protocols that leave out the TLB invalidation', () => {
    for (const { name } of stage2Profiles) protocolsWithout(Step.Tlbi, () => expect(splitOne(name)).not.toEqual([]));
  });

  it('finds walkers that leave out the cleaning, and handlers have none to leave out', () => {
    for (const { name } of stage2Profiles)
      protocolsWithout(Step.DcacheClean, () => expect(splitOne(name).length > 0).toBe(name >= '5.14' || name.startsWith('6')));
  });

  it('finds walkers that write over a valid entry', () => {
    protocolsWithout(Step.WriteEmpty, () => expect(splitOne('6.1.176')).not.toEqual([]));
  });
});

describe('references of table pages', () => {
  it('each entry holds one: as many are taken as are dropped by the time the VM is gone', () => {
    for (const { name: kernel } of stage2Profiles) {
      const lab = new Lab({ kernel, npages: 1024, backing: plainBacking(2) });
      for (const page of [0, 600]) lab.touch(page, Write);
      lab.log(true);
      for (const page of [0, 1, 2, 600]) lab.touch(page, Write);
      lab.log(false);
      lab.touch(3, Read);
      lab.mmu.host({ op: 'destroy_vm' });
      lab.mmu.enter(0);
      const all = (name: string): number => lab.counters.now[lab.indexOf(name)] ?? 0;
      expect([kernel, all('mm_ops.put_page') - all('mm_ops.get_page')]).toEqual([kernel, all('table.alloc')]);
      expect([kernel, all('table.free')]).toEqual([kernel, all('table.alloc')]);
    }
  });
});
