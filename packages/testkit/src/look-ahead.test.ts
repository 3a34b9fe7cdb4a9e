/**
 * Faults that a scheduler takes ahead of time: what is counted is the same as when each stage is an event, whatever the host does between two passes, and where a run fails.
 */
import type { FaultMemory } from '@mmulab/api';
import { Registry, commandLineConfig, resolveRuns, runResolved } from '@mmulab/runner';

const registry = Registry.load(['@mmulab/x86', '@mmulab/workloads'], __dirname);
const { prototype } = registry.backendContribution('x86-tdp').implementation as {
  prototype: { advance(vcpu: number): number; faultMemory(): FaultMemory | undefined };
};

interface Counted {
  readonly counters: string;
  /** Stages that the backend has performed. */
  readonly performed: number;
}

/** Counters of all phases and vCPUs. @param over what classes have instead of their own meanwhile */
function counted(line: string, seed: number, kernel: string, over: Over = []): Counted {
  let performed = 0;
  const { advance } = prototype;
  const spied = {
    value(this: unknown, vcpu: number): number {
      performed++;
      return advance.call(this, vcpu);
    },
    configurable: true,
  };
  return replaced([...over, [prototype, { advance: spied }]], () => {
    const config = { ...commandLineConfig(line.split(' '), registry), backend: { name: 'x86-tdp', kernel }, seed };
    const [run] = resolveRuns(config, registry);
    if (run === undefined) throw new Error('no run');
    const { phases, failure } = runResolved(run, registry, { vcpuCounters: true });
    return { counters: JSON.stringify([phases, failure]), performed };
  });
}

/** Runs something while classes have other members than their own. */
function replaced<T>(over: Over, work: () => T): T {
  const own = over.map(([target, members]) =>
    Object.fromEntries(Object.keys(members).map(name => [name, Object.getOwnPropertyDescriptor(target, name) ?? {}])),
  );
  for (const [target, members] of over) Object.defineProperties(target, members);
  try {
    return work();
  } finally {
    over.forEach(([target], i) => Object.defineProperties(target, own[i] ?? {}));
  }
}

type Over = readonly (readonly [object, PropertyDescriptorMap])[];

const NO_MEMORY: Over = [[prototype, { faultMemory: { value: undefined, configurable: true } }]];

/** A memory that has other members than its own. */
function memoryWith(members: PropertyDescriptorMap): Over {
  const { faultMemory } = prototype;
  const value = function (this: unknown): FaultMemory | undefined {
    const memory = faultMemory.call(this);
    return memory === undefined ? undefined : Object.defineProperties(memory, members);
  };
  return [[prototype, { faultMemory: { value, configurable: true } }]];
}

/** Nobody is told that something was done past the memory. */
const NO_STAMP = memoryWith({ stamp: { get: () => 0 } });
/** What was found of a block holds for ever. */
const NO_RENEWAL = memoryWith({ renew: { value: () => true } });

const FIRST_TOUCH = 'access_rounds -v 6 -o -b 1M -s anonymous -p w,w';

describe('6 vCPUs that fault on the same 256 pages', () => {
  it('count what they count stage by stage, of which the backend performs not one in twenty', () => {
    const ahead = counted(FIRST_TOUCH, 1, '7.3');
    const each = counted(FIRST_TOUCH, 1, '7.3', NO_MEMORY);
    expect(ahead.counters).toBe(each.counters);
    expect(each.performed).toBeGreaterThan(20 * ahead.performed);
  });

  // Up to 6.12 a fault on a mapped page leaves D out, which the hardware sets again: each fault changes its page, twice.
  it('go by events again where every fault changes its page: that is no more work than before, and counts the same', () => {
    const ahead = counted('access_rounds -v 12 -o -b 2M -s anonymous -p w', 1, '6.12.117');
    const each = counted('access_rounds -v 12 -o -b 2M -s anonymous -p w', 1, '6.12.117', NO_MEMORY);
    expect(ahead.counters).toBe(each.counters);
    expect(ahead.performed).toBeGreaterThan(0.8 * each.performed);
  });

  it.each([
    ['tables that are where they were, whatever has become of them', NO_RENEWAL],
    ['something done past memory that nobody is told of', NO_STAMP],
  ])('are caught with %s', (_, mutant) => {
    // Reads map the zero page, the copies of which the writes of all announce; then memory is logged, and half of it protected again.
    const line = 'access_rounds -v 6 -o -b 1M -s anonymous -p r,w,D,w,R,W,r,w';
    expect(counted(line, 1, '6.12.117').counters).toBe(counted(line, 1, '6.12.117', NO_MEMORY).counters);
    let counters: unknown;
    try {
      ({ counters } = counted(line, 1, '6.12.117', mutant));
    } catch (error) {
      counters = error;
    }
    expect(counters).not.toBe(counted(line, 1, '6.12.117', NO_MEMORY).counters);
  });

  it('have got as far as stage by stage where a write fails with EFAULT', () => {
    const line = 'access_rounds -v 6 -o -b 1M -s anonymous -p r,w@0+64,R@128+8,w';
    const failed = counted(line, 3, '6.1.192');
    expect(failed.counters).toContain('EFAULT');
    expect(failed.counters).toBe(counted(line, 3, '6.1.192', NO_MEMORY).counters);
  });
});

/** Rounds of any kind, drawn by a linear congruential generator. */
function someRounds(seed: number): string {
  let state = seed;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const pick = (from: readonly string[]): string => from[draw(from.length)] ?? '';
  const parts = ['', '', '', '@0+1M', '@1M+1M', '@100+300', '2', '3@64+256'];
  const host = ['Z', 'Z7', 'A', 'Af', 'F', 'H', 'D,w,G,U', 'R,W', 'D,r,w,U', 'Z@0+200'];
  const rounds = Array.from({ length: 7 }, () => (draw(3) === 0 ? pick(host) : `${pick(['r', 'w', 'w', 'x'])}${pick(parts)}`));
  return `access_rounds -v ${2 + draw(6)} -o -b 2M -s ${pick(['anonymous', 'anonymous', 'shmem', 'anonymous_thp'])} -p ${rounds.join(',')}`;
}

const KERNELS = ['5.13', '5.17', '6.1.192', '6.4', '6.12.117', '7.3'];

describe('any rounds of vCPUs that share 2 MiB', () => {
  it.each(Array.from({ length: 12 }, (_, i) => [i, someRounds(i), KERNELS[i % KERNELS.length] ?? '']))('%i: %s on %s', (seed, line, kernel) => {
    expect(counted(line, seed, kernel).counters).toBe(counted(line, seed, kernel, NO_MEMORY).counters);
  });
});
