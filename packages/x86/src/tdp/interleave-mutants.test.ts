/**
 * TDP protocols and rules broken on purpose: the explorer has to find each one, with the shortest schedule there is.
 */
import { AccessKind } from '@mmulab/api';
import {
  TablesWorld,
  explore,
  exploreRandomly,
  flushTooLate,
  formatViolation,
  freeAtOnce,
  ignoreLostExchange,
  linkBeforeFill,
  neverFlush,
  neverFree,
  replay,
  skipLockedCheck,
} from '@mmulab/testkit';
import { TdpLab } from '../fixtures/tdp-lab';
import type { LabPolicy } from '../fixtures/tdp-lab';
import { tdpProtocols } from './protocols';

const { Read, Write } = AccessKind;
const HUGE = 16;

type Scene = (lab: TdpLab, world: TablesWorld) => void;

/** A huge page under dirty logging, written by two vCPUs; one has read it before. */
const hugePage: Scene = (lab, world) => {
  lab.map(world, 0, 3);
  lab.protect(world, 0, HUGE);
  world.tables.tree.locate(world.root, 0, 1);
  world.cache('vcpu0', 3, 0, world.tables.tree.attr);
  world.add('vcpu0', lab.vcpu(world, 0, { gfn: 0, kind: Write, logged: true }));
  world.add('vcpu1', lab.vcpu(world, 1, { gfn: 5, kind: Write, logged: true }));
};

/** A table that a stop of dirty logging zaps while a vCPU faults in it. */
const zappedTable: Scene = (lab, world) => {
  lab.map(world, 0, 1);
  world.add('vcpu0', lab.vcpu(world, 0, { gfn: 1, kind: Read }));
  world.add('stop log', lab.stopLog(world, 0, HUGE, 3));
};

const missing: Scene = (lab, world) => {
  world.add('vcpu0', lab.vcpu(world, 0, { gfn: 0, kind: Read }));
  world.add('vcpu1', lab.vcpu(world, 1, { gfn: 1, kind: Read }));
};

const notified: Scene = (lab, world) => {
  world.add('vcpu0', lab.vcpu(world, 0, { gfn: 0, kind: Read }));
  world.add('notifier', lab.unmap(world, 0, 4));
};

const kept =
  (scene: Scene): Scene =>
  (lab, world) => {
    scene(lab, world);
    world.keep(0, HUGE);
  };

const ZAP = { splitHugePages: false };

/** What is broken, where it shows, and the violation with the shortest schedule: a and b are the scene's agents in order. */
const mutants: Readonly<Record<string, readonly [LabPolicy, Scene, code: string, schedule: string, steps: number]>> = {
  'links a table before it is filled': [{ protocols: linkBeforeFill(tdpProtocols) }, kept(hugePage), 'TABLE_UNFILLED', 'a8', 8],
  'flushes after the entry can be used again': [{ ...ZAP, protocols: flushTooLate(tdpProtocols) }, hugePage, 'TRANSLATION_STALE', 'a10', 10],
  'never flushes': [{ ...ZAP, protocols: neverFlush(tdpProtocols) }, hugePage, 'TRANSLATION_STALE', 'a10', 10],
  'links over the table another fault has linked': [{ protocols: ignoreLostExchange(tdpProtocols) }, missing, 'TRANSLATION_STALE', 'a6b5a11b2', 24],
  'splits over the table another fault has split into': [{ protocols: ignoreLostExchange(tdpProtocols) }, hugePage, 'COUNTERS_DIFFER', 'a8b6ab3', 18],
  'takes a frozen entry for an empty one': [{ ...ZAP, mapRule: skipLockedCheck }, hugePage, 'TRANSLATION_STALE', 'a7b7', 14],
  'takes an entry of a removed table for an empty one': [{ mapRule: skipLockedCheck }, zappedTable, 'TABLE_REMOVED_WRITE', 'a8b4a2', 14],
  'frees a removed table at once': [{ protocols: freeAtOnce(tdpProtocols) }, zappedTable, 'TABLE_FREED_IN_USE', 'ab5', 6],
  'never frees a removed table': [{ protocols: neverFree(tdpProtocols) }, zappedTable, 'TABLE_NOT_FREED', 'a13b6', 19],
  'does not look at the notifier sequence': [{ ignoresSequence: true }, notified, 'PAGE_STALE', 'a2b3a11', 16],
};

const makeOf = (name: string) => (): TablesWorld => {
  const [policy, scene] = mutants[name];
  const lab = new TdpLab(policy);
  const world = new TablesWorld(lab);
  scene(lab, world);
  return world;
};

describe('a TDP MMU that', () => {
  it.each(Object.keys(mutants))('%s is caught with its shortest schedule, which replays', name => {
    const [, , code, schedule, steps] = mutants[name];
    const { violation } = explore(makeOf(name));
    expect([violation?.code, violation?.schedule, violation?.steps.length]).toEqual([code, schedule, steps]);
    expect(replay(makeOf(name), schedule).error?.code).toBe(code);
  });

  it('takes a frozen entry for an empty one is printed step by step', () => {
    const { violation } = explore(makeOf('takes a frozen entry for an empty one'));
    expect(violation === undefined ? [] : formatViolation(violation).split('\n')).toEqual([
      'TRANSLATION_STALE: vcpu0 may still use a translation that no flush will take away in time (gfn 0x0, level 3, entry kind 0 level 2 attr 0x0 table 0x0)',
      'schedule a7b7 (14 steps)',
      '   1  vcpu0  hardware  read root',
      '   2  vcpu0  fast_page_fault  read root',
      '   3  vcpu0  host page',
      '   4  vcpu0  is_page_fault_stale  take mmu_lock for read',
      '   5  vcpu0  is_page_fault_stale',
      '   6  vcpu0  map  read root',
      '   7  vcpu0  map  zap-atomic: CasFreeze L3',
      '   8  vcpu1  hardware  read root',
      '   9  vcpu1  host page',
      '  10  vcpu1  is_page_fault_stale  take mmu_lock for read',
      '  11  vcpu1  is_page_fault_stale',
      '  12  vcpu1  map  read root',
      '  13  vcpu1  map  link: AllocTable L3',
      '  14  vcpu1  map  link: CasTable L3',
    ]);
  });

  it('ignores lost exchanges is caught by random schedules, each known by its seed', () => {
    const make = makeOf('splits over the table another fault has split into');
    const found = exploreRandomly(make, { seed: 7, runs: 200, depth: 3 });
    expect(found.violation).toBeDefined();
    const again = exploreRandomly(make, { seed: found.seed ?? 0, runs: 1, depth: 3 });
    expect(again.violation?.code).toBe(found.violation?.code);
    expect(replay(make, found.violation?.schedule ?? '').error?.code).toBe(found.violation?.code);
  });
});
