import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Ajv } from 'ajv';
import type { RunResult } from '@mmulab/api';
import { configSchema } from './config/schema';
import type { RawConfig } from './config/types';
import { resolveRuns } from './config/validate';
import { codeOf, toyRegistry, writeFiles } from './fixtures/registry';
import { planRun, prepareRun, runResolved } from './run';
import { run } from './run-config';

const registry = toyRegistry();

function runOne(config: RawConfig): RunResult {
  const [resolved] = resolveRuns(config, registry);
  if (resolved === undefined) throw new Error('no run');
  return runResolved(resolved, registry);
}

/** What must be the same in every run of a config. */
function timeless({ wallMs: _wallMs, memory, ...result }: RunResult): unknown {
  return { ...result, tableBytesReal: memory.tableBytesReal };
}

describe('two vCPUs with 4 pages each', () => {
  const result = runOne({ workload: 'toy_test -v 2 -b 16K', name: 'Two' });

  it('count 8 write faults in populate, 4 per vCPU', () => {
    expect(result.phases[0]).toEqual({
      phase: 'populate',
      counters: { page_fault: 8, 'page_fault.write': 8, 'page_fault.spurious': 0, enter: 2, control: 0, host_op: 0, pages_4k: 8, touch: 8 },
      vcpus: [0, 1].map(() => ({
        counters: { page_fault: 4, 'page_fault.write': 4, 'page_fault.spurious': 0, enter: 1, control: 0, host_op: 0, pages_4k: 4, touch: 4 },
      })),
    });
  });

  it('report a gauge as it stands at the end of a phase, everything else as what happened in it', () => {
    const [, unmap, again] = result.phases;
    expect(unmap?.counters).toMatchObject({ host_op: 1, enter: 0, page_fault: 0, pages_4k: 0 });
    expect(again?.counters).toMatchObject({ page_fault: 8, 'page_fault.write': 0, enter: 6, control: 4, pages_4k: 8 });
    expect(result.totals.counters).toMatchObject({ page_fault: 16, enter: 8, pages_4k: 8, host_op: 1 });
  });

  it('give a result that says all that is needed to run it again', () => {
    expect(result).toMatchObject({ schema: 'mmulab.result.v1', name: 'Two', seed: 1, notes: ['A toy.'] });
    expect(result.config).toMatchObject({
      backend: { name: 'toy-mmu', kernel: '6.10' },
      vm: { vcpus: 2 },
      workload: { name: 'toy_test', options: { bytes: 16384 } },
    });
    expect(timeless(runOne(result.config))).toEqual(timeless(result));
  });

  it('give the same with the VM that planning made, which is there for one run, and with one of their own after that', () => {
    const [resolved] = resolveRuns({ workload: 'toy_test -v 2 -b 16K', name: 'Two' }, registry);
    if (resolved === undefined) throw new Error('no run');
    const ready = prepareRun(resolved, registry);
    const first = runResolved(resolved, registry, { ready });
    expect(ready.take()).toBeUndefined();
    const second = runResolved(resolved, registry, { ready });
    expect([timeless(first), timeless(second)]).toEqual([timeless(result), timeless(result)]);
  });

  it('give a config that its own schema accepts', () => {
    const validate = new Ajv({ strict: false }).compile(configSchema(registry));
    expect([validate(result.config), validate.errors]).toEqual([true, null]);
  });

  it('report the largest table memory at any phase end and measured figures', () => {
    expect(result.memory.tableBytesReal).toBe(8 * 8 + 4096);
    expect(result.memory.simulatorBytes).toBeGreaterThan(0);
    expect(result.wallMs).toBeGreaterThanOrEqual(0);
  });
});

describe('vCPUs that share memory', () => {
  const shared = (seed: number): RunResult => runOne({ workload: 'toy_test -v 4 -b 1M -o', seed });

  it('race: some faults find the page mapped, and every page is mapped once', () => {
    const counters = shared(1).phases[0]?.counters ?? {};
    expect(counters['touch']).toBe(4 * 256);
    expect(counters['pages_4k']).toBe(256);
    expect(counters['page_fault.spurious']).toBeGreaterThan(0);
    expect(counters['page_fault']).toBe(256 + (counters['page_fault.spurious'] ?? 0));
  });

  it('give the same counts for the same seed and others for another', () => {
    expect(timeless(shared(7))).toEqual(timeless(shared(7)));
    expect(shared(7).phases[0]?.vcpus).not.toEqual(shared(8).phases[0]?.vcpus);
  });

  it('exit and write registers as they do alone', () => {
    expect(shared(1).phases[2]?.counters).toMatchObject({ enter: 4 * 3, control: 4 * 2 });
  });
});

describe('a backend that counts a slot apart', () => {
  const result = runOne({ backend: 'toy-scoped', workload: 'toy_test -v 2 -b 64K' });

  it('has the slot in every phase, and its counts in the phase as well', () => {
    expect(result.phases.map(phase => phase.slots?.['1']?.counters['page_fault'])).toEqual([8, 0, 8]);
    expect(result.phases[0]?.counters).toMatchObject({ page_fault: 8, enter: 2 });
    expect(result.phases[0]?.slots?.['1']?.counters).toMatchObject({ enter: 0 });
    expect(result.phases[0]?.vcpus[1]?.counters).toMatchObject({ page_fault: 4, enter: 1 });
  });
});

describe('a random run', () => {
  it('writes every page at 100 %, none at 0 %, and those the sequence says between', () => {
    const writes = (percent: number): (number | undefined)[] =>
      runOne({ workload: `toy_test -v 2 -b 64K -w ${percent}` }).phases[0]?.vcpus.map(vcpu => vcpu.counters['page_fault.write']) ?? [];
    expect(writes(100)).toEqual([16, 16]);
    expect(writes(0)).toEqual([0, 0]);
    // vCPU 0 draws only zeros; vCPU 1 draws 48271, 182605794, 1291394886, ...: 71, 94, 86, ...
    const [first, second] = writes(50);
    expect(first).toBe(16);
    expect(second).toBeGreaterThan(2);
    expect(second).toBeLessThan(14);
  });
});

describe('hooks', () => {
  it('hear of every phase', () => {
    const [resolved] = resolveRuns({ workload: 'toy_test' }, registry);
    const heard: string[] = [];
    if (resolved !== undefined) {
      runResolved(resolved, registry, {
        onPhaseStart: (name, index, phases) => heard.push(`${name} ${index}/${phases}`),
        onPhaseEnd: name => heard.push(name),
      });
    }
    expect(heard).toEqual(['populate 0/3', 'populate', 'unmap 1/3', 'unmap', 'again 2/3', 'again']);
  });
});

describe('planning', () => {
  const plan = (config: RawConfig): unknown => resolveRuns(config, registry).map(one => planRun(one, registry));

  it('finds kinds of host memory by name, and refuses others', () => {
    expect(codeOf(() => plan({ workload: 'toy_test -s anonymous_hugetlb_2mb' }))).toBe('');
    expect(codeOf(() => plan({ workload: 'toy_test -s toy_memory' }))).toBe('');
    expect(codeOf(() => plan({ workload: 'toy_test -s anonymus' }))).toBe('HOST_UNKNOWN_BACKING');
  });

  it('refuses hugetlb sizes that no table entry of the machine has', () => {
    expect(codeOf(() => plan({ workload: 'toy_test -s anonymous_hugetlb_64kb' }))).toBe('HOST_BACKING_NOT_REPRESENTABLE');
    expect(codeOf(() => plan({ backend: 'toy-scoped', workload: 'toy_test -s anonymous_hugetlb_2mb' }))).toBe('HOST_BACKING_NOT_REPRESENTABLE');
    expect(codeOf(() => plan({ backend: 'toy-scoped', workload: 'toy_test -s anonymous_hugetlb_32mb' }))).toBe('');
  });
});

describe('run(config) from code', () => {
  const toy = join(__dirname, 'fixtures', 'toy');

  it('runs a matrix', () => {
    const results = run({ workload: 'toy_test', vary: { vcpus: [1, 2] } }, { plugins: [toy] });
    expect(results.map(result => [result.name, result.phases[0]?.counters['page_fault']])).toEqual([
      ['toy_test (vcpus=1)', 4],
      ['toy_test (vcpus=2)', 8],
    ]);
  });

  it('runs a file and loads the plugins it names', () => {
    const directory = writeFiles({ 'a.yaml': `plugins: ['${toy}']\nworkload: toy_test -v 3\n` });
    expect(run(join(directory, 'a.yaml')).map(result => result.phases[0]?.vcpus.length)).toEqual([3]);
  });

  it('says so when there is no backend', () => {
    expect(codeOf(() => run({ workload: 'toy_test' }))).toBe('CONFIG_NO_BACKEND');
  });
});

describe('what a plan refuses is what a run would refuse', () => {
  const plan = (config: RawConfig): string => codeOf(() => resolveRuns(config, registry).map(one => planRun(one, registry)));
  const threshold = (path: string, backend = 'toy-mmu'): RawConfig => ({ backend, workload: 'toy_test -v 2', thresholds: { [path]: '>= 0' } });

  it.each<[string, string]>([
    ['phases.agian.counters.page_fault', 'THRESHOLD_UNKNOWN_PHASE'],
    ['phases.again.vcpus.2.counters.page_fault', 'THRESHOLD_UNKNOWN_PATH'],
    ['phases.again.slots.2.counters.page_fault', 'THRESHOLD_UNKNOWN_PATH'],
  ])('a threshold at %s', (path, code) => {
    expect(plan(threshold(path))).toBe(code);
    expect(codeOf(() => runOne(threshold(path)))).toBe(code);
  });

  it('not thresholds at phases, vCPUs and memslots that there are', () => {
    expect(['phases.again.counters.page_fault', 'phases.again.vcpus.1.counters.page_fault'].map(path => plan(threshold(path)))).toEqual(['', '']);
    expect(plan(threshold('phases.again.slots.1.counters.page_fault', 'toy-scoped'))).toBe('');
  });
});

/** Bytes of live objects. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('runs without a pause', () => {
  it('leave nothing of their VMs behind: 400 less than 9 MiB', () => {
    const perform = (): RunResult => runOne({ workload: 'toy_test -v 8 -b 4K' });
    perform();
    const before = liveBytes();
    for (let i = 0; i < 400; i++) perform();
    expect(liveBytes() - before).toBeLessThan(9 * 2 ** 20);
  });
});
