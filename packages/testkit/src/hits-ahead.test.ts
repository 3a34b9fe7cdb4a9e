/**
 * Accesses that a scheduler passes over: what is counted is the same as when each is an event, also where an entry is lost that they would have hit.
 */
import { Registry, commandLineConfig, resolveRuns, runResolved } from '@mmulab/runner';

const registry = Registry.load(['@mmulab/x86', '@mmulab/arm64', '@mmulab/workloads'], __dirname);

/** Reads that find the huge zero page, which the first writes of each other take apart: all vCPUs over one memory. */
const LINE = 'access_rounds -v 4 -o -b 4M -s anonymous_thp -p r,w,r'.split(' ');

/** Counters of all phases and vCPUs. @param over what the backend's class has instead of its own meanwhile */
function counted(backend: string, seed: number, over: PropertyDescriptorMap = {}): string {
  const { prototype } = registry.backendContribution(backend).implementation as { prototype: object };
  const own = Object.fromEntries(Object.keys(over).map(name => [name, Object.getOwnPropertyDescriptor(prototype, name) ?? {}]));
  Object.defineProperties(prototype, over);
  try {
    const [run] = resolveRuns({ ...commandLineConfig(LINE, registry), backend: { name: backend }, seed }, registry);
    if (run === undefined) throw new Error('no run');
    return JSON.stringify(runResolved(run, registry, { vcpuCounters: true }).phases);
  } finally {
    Object.defineProperties(prototype, own);
  }
}

const NO_HITS = { hitsAhead: { value: undefined, configurable: true } };
const NO_LOSSES = { losses: { get: () => 0, configurable: true } };

describe('4 vCPUs that pass over hits', () => {
  it.each(['arm64-stage2', 'x86-tdp'])('count on %s what they count hit by hit', backend => {
    expect(counted(backend, 1)).toBe(counted(backend, 1, NO_HITS));
  });

  it('count on arm64-stage2 something else unless they are set back when an entry is lost', () => {
    expect(counted('arm64-stage2', 1)).not.toBe(counted('arm64-stage2', 1, NO_LOSSES));
  });
});
