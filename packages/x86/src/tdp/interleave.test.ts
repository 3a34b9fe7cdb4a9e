/**
 * The TDP MMU's operations against one another, in every order of their atomic steps, on tables of 4 entries and 3 levels: entries of level 3 map 16 pages
 * and play the part of 1 GiB, those of level 2 map 4 and play 2 MiB.
 */
import { AccessKind } from '@mmulab/api';
import { TablesWorld, explore, exploreRandomly, formatBound, formatViolation } from '@mmulab/testkit';
import { TdpLab } from '../fixtures/tdp-lab';
import type { LabAccess, LabPolicy } from '../fixtures/tdp-lab';

const { Read, Write, Exec } = AccessKind;
const HUGE = 16;

/** Sets a scene: what is mapped, and who acts. */
type Scene = (lab: TdpLab, world: TablesWorld) => void;

const worldOf = (policy: LabPolicy, scene: Scene) => (): TablesWorld => {
  const lab = new TdpLab(policy);
  const world = new TablesWorld(lab);
  scene(lab, world);
  return world;
};

/** Adds vCPUs, one per access. */
function vcpus(lab: TdpLab, world: TablesWorld, ...accesses: readonly LabAccess[]): void {
  accesses.forEach((access, i) => world.add(`vcpu${i}`, lab.vcpu(world, i, access)));
}

/** One huge page that a vCPU has read, write-protected since: dirty logging is on. */
function protectedHugePage(lab: TdpLab, world: TablesWorld): void {
  lab.map(world, 0, 3);
  lab.protect(world, 0, HUGE);
  world.tables.tree.locate(world.root, 0, 1);
  world.cache('vcpu0', 3, 0, world.tables.tree.attr);
}

/** Builds a scene of the list below. */
function makeOf(name: string): () => TablesWorld {
  const [policy, ...parts] = scenes[name];
  return worldOf(policy, (lab, world) => parts.forEach(part => part(lab, world)));
}

const kept: Scene = (_lab, world) => world.keep(0, HUGE);
const ZAP = { splitHugePages: false };
const NX = { nxHugePages: true };

const scenes: Readonly<Record<string, readonly [LabPolicy, ...Scene[]]>> = {
  'two writes to one page of a protected huge page, split': [
    {},
    protectedHugePage,
    kept,
    (lab, world) => vcpus(lab, world, { gfn: 5, kind: Write, logged: true }, { gfn: 5, kind: Write, logged: true }),
  ],
  'two writes to different pages of a protected huge page, split': [
    {},
    protectedHugePage,
    kept,
    (lab, world) => vcpus(lab, world, { gfn: 0, kind: Write, logged: true }, { gfn: 5, kind: Write, logged: true }),
  ],
  'two writes to different pages of a protected huge page, zap': [
    ZAP,
    protectedHugePage,
    (lab, world) => vcpus(lab, world, { gfn: 0, kind: Write, logged: true }, { gfn: 5, kind: Write, logged: true }),
  ],
  'two fetches from a huge page under the NX workaround, split': [
    NX,
    (lab, world) => lab.map(world, 0, 3),
    kept,
    (lab, world) => vcpus(lab, world, { gfn: 0, kind: Exec }, { gfn: 5, kind: Exec }),
  ],
  'two fetches from a huge page under the NX workaround, zap': [
    { ...NX, ...ZAP, nxPrecise: false },
    (lab, world) => lab.map(world, 0, 3),
    (lab, world) => vcpus(lab, world, { gfn: 0, kind: Exec }, { gfn: 5, kind: Exec }),
  ],
  'a fetch and a read against NX recovery': [
    NX,
    (lab, world) => {
      lab.map(world, 0, 3);
      lab.map(world, 0, 1, true);
      vcpus(lab, world, { gfn: 4, kind: Exec }, { gfn: 1, kind: Read, goal: 3 });
      world.add('nx recovery', lab.nxRecovery(world, 0, 3));
    },
  ],
  'a write against an eager split': [
    {},
    protectedHugePage,
    kept,
    (lab, world) => {
      vcpus(lab, world, { gfn: 5, kind: Write, logged: true });
      world.add('eager split', lab.eagerSplit(world, 0, HUGE));
    },
  ],
  'a write against an eager split, zap': [
    ZAP,
    protectedHugePage,
    (lab, world) => {
      vcpus(lab, world, { gfn: 5, kind: Write, logged: true });
      world.add('eager split', lab.eagerSplit(world, 0, HUGE));
    },
  ],
  'two faults that link the same missing tables': [{}, (lab, world) => vcpus(lab, world, { gfn: 0, kind: Write }, { gfn: 1, kind: Read })],
  'three faults that link the same missing table': [
    {},
    (lab, world) => vcpus(lab, world, { gfn: 0, kind: Write, goal: 2 }, { gfn: 4, kind: Read, goal: 2 }, { gfn: 4, kind: Write, goal: 2 }),
  ],
  'two faults on pages of a table that a stop of dirty logging zaps': [
    {},
    (lab, world) => {
      lab.map(world, 0, 1);
      vcpus(lab, world, { gfn: 0, kind: Write, goal: 3 }, { gfn: 1, kind: Write, goal: 1 });
      world.add('stop log', lab.stopLog(world, 0, HUGE, 3));
    },
  ],
  'a fault on a page of a table that a stop of dirty logging zaps, 2 MiB': [
    {},
    (lab, world) => {
      lab.map(world, 0, 1);
      lab.map(world, 4, 1);
      vcpus(lab, world, { gfn: 1, kind: Write, goal: 1 });
      world.add('stop log', lab.stopLog(world, 0, HUGE, 2));
    },
  ],
  'a fault on a page of a table that a stop of dirty logging recovers': [
    {},
    (lab, world) => {
      lab.map(world, 0, 1);
      world.keep(0, 1);
      vcpus(lab, world, { gfn: 0, kind: Write, goal: 3 }, { gfn: 1, kind: Write, goal: 1 });
      world.add('stop log', lab.stopLog(world, 0, HUGE, 3, true));
    },
  ],
  'a fault that maps a huge page over a table another fault fills': [
    {},
    (lab, world) => {
      lab.map(world, 0, 1);
      vcpus(lab, world, { gfn: 1, kind: Write, goal: 1 }, { gfn: 2, kind: Write, goal: 3 });
    },
  ],
  'writes against write protection': [
    {},
    (lab, world) => {
      lab.map(world, 0, 1);
      lab.map(world, 4, 2);
      vcpus(lab, world, { gfn: 0, kind: Write, logged: true }, { gfn: 4, kind: Write, logged: true });
      world.add('write-protect', lab.writeProtect(world, 0, HUGE));
    },
  ],
  'a write against an MMU notifier that takes the page away': [
    {},
    (lab, world) => {
      lab.map(world, 0, 1);
      vcpus(lab, world, { gfn: 0, kind: Write }, { gfn: 1, kind: Read });
      world.add('notifier', lab.unmap(world, 0, 4));
    },
  ],
};

describe('the TDP MMU, in every order of the atomic steps of', () => {
  it.each(Object.keys(scenes))('%s: no invariant is broken in more than 10^9 schedules', name => {
    const found = explore(makeOf(name));
    expect(found.violation === undefined ? '' : formatViolation(found.violation)).toBe('');
    expect(found.schedules).toBeGreaterThan(10n ** 9n);
  });

  it('two racing writes: leaving out equivalent orders leaves out no end', () => {
    const make = makeOf('two writes to different pages of a protected huge page, split');
    const [reduced, full] = [explore(make), explore(make, { reduce: false })];
    expect(full.ends).toBe(reduced.ends);
    expect(full.states).toBeGreaterThan(reduced.states);
    expect(full.schedules).toBeGreaterThan(reduced.schedules);
  });
});

describe('the TDP MMU, in 500 random orders of', () => {
  it.each([
    ['split', {}],
    ['zap', ZAP],
  ])('three writes, an eager split, write protection, a notifier and a stop of dirty logging (%s)', (_form, policy) => {
    const make = worldOf(policy, (lab, world) => {
      protectedHugePage(lab, world);
      vcpus(lab, world, { gfn: 0, kind: Write, logged: true }, { gfn: 5, kind: Write, logged: true }, { gfn: 5, kind: Read });
      world.add('eager split', lab.eagerSplit(world, 0, HUGE));
      world.add('write-protect', lab.writeProtect(world, 0, HUGE));
      world.add('notifier', lab.unmap(world, 4, 8));
      world.add('stop log', lab.stopLog(world, 0, HUGE, 3));
    });
    const found = exploreRandomly(make, { seed: 1, runs: 500, depth: 3 });
    expect(found.violation === undefined ? '' : formatViolation(found.violation)).toBe('');
    expect(found.longest).toBeLessThanOrEqual(found.steps);
    expect(formatBound(found, 3)).toMatch(
      /^500 random schedules of 7 agents, up to \d+ steps: a bug of depth 3 is found with probability ≥ [\d.e-]+ % /,
    );
  });
});
