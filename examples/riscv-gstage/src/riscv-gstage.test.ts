/**
 * Counts derived by hand from what the kernels do, where no record has them; and what ends a run.
 */
import { join } from 'node:path';
import type { OptionValues, RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';

const root = join(__dirname, '..');

/** Runs a command line. */
function perform(kernel: string, command: string, { options = {}, host = {} }: { options?: OptionValues; host?: OptionValues } = {}): RunResult {
  const config = { backend: { name: 'riscv-gstage', kernel, options }, host, workload: command, plugins: ['@mmulab/workloads', root] };
  const [result] = run(config, { from: root });
  return result;
}

/** Some counters of test memory in one phase. */
function countsOf(result: RunResult, phase: string, names: readonly string[]): readonly (number | undefined)[] {
  const counters = result.phases.find(one => one.phase === phase)?.slots?.['1']?.counters ?? {};
  return names.map(name => counters[name]);
}

describe('a store to a hugetlb block under dirty logging', () => {
  it('fails with EEXIST on 6.12, its page marked dirty, and the run ends there', () => {
    const result = perform('6.12.117', 'access_rounds -b 4M -s anonymous_hugetlb_2mb -p w512,D,w512,G');
    expect(result.failure).toMatchObject({ phase: '3_w512', errno: 'EEXIST', vcpu: 0 });
    expect(result.phases.map(({ phase }) => phase)).toEqual(['noop', '1_w512', '2_D', '3_w512']);
    expect(countsOf(result, '3_w512', ['guest_abort', 'gstage.map.error', 'mark_page_dirty', 'leaf.update.4k'])).toEqual([1, 1, 1, 0]);
  });

  it('splits it on 7.2', () => {
    const result = perform('7.2.13', 'access_rounds -b 4M -s anonymous_hugetlb_2mb -p w512,D,w512,G');
    expect(result.failure).toBeUndefined();
    expect(countsOf(result, '3_w512', ['guest_abort', 'split.2m', 'table.alloc', 'leaf.update.4k', 'hfence.gpa'])).toEqual([2, 2, 2, 2, 4]);
  });
});

describe('transparent huge pages once dirty logging is off again', () => {
  const command = 'access_rounds -b 4M -s anonymous_thp -p w512,D,w512,U,w';

  it('fault for ever on 7.2.13 at the first page that is not the first of its block', () => {
    const { failure } = perform('7.2.13', command);
    expect(failure).toMatchObject({ phase: '5_w', vcpu: 0 });
    expect(failure?.errno).toBeUndefined();
    expect(failure?.reason).toMatch(/^endless fault loop: .* finds that of gfn 0x\w+00 /);
  });

  it('take one fault per page where the handler looks for the page that faulted', () => {
    const result = perform('7.2.13', command, { options: { thp_gpa: 'N' } });
    expect(countsOf(result, '5_w', ['guest_abort', 'leaf.update.4k', 'leaf.same.4k', 'hfence.gpa'])).toEqual([1022, 1022, 0, 1022]);
  });
});

describe('demand_paging_test', () => {
  it.each([
    ['7.2.13', 'Y', 0],
    ['7.2.13', 'N', 256],
    ['6.12.117', 'Y', 256],
  ])('maps 256 pages by as many faults on %s with svvptc=%s, and asks for %i fences', (kernel, svvptc, fences) => {
    const result = perform(kernel, 'demand_paging_test -b 1M', { host: { svvptc } });
    const { counters } = result.totals;
    const ofTest = result.phases.reduce((sum, { slots }) => sum + (slots?.['1']?.counters['leaf.install.4k'] ?? 0), 0);
    const asked = result.phases.slice(0, -1).reduce((sum, { slots }) => sum + (slots?.['1']?.counters['hfence.gpa'] ?? 0), 0);
    expect([ofTest, asked, counters['table.free'] ?? 0]).toEqual([256, fences, 0]);
  });
});

describe('guest modes', () => {
  it.each([
    ['sv57x4', '', 'P56V57_4K'],
    ['sv48x4', '', 'P50V48_4K'],
    ['sv39x4', '', 'P41V39_4K'],
    ['sv57x4', ' -m P41V39_4K', 'P41V39_4K'],
  ])('on %s%s: %s', (gstage_mode, mode, name) => {
    expect(perform('7.2.13', `dirty_log_perf_test -b 1M${mode}`, { host: { gstage_mode } }).guestMode).toBe(name);
  });

  it('need the address bits of the G-stage', () => {
    expect(() => perform('7.2.13', 'access_rounds -b 1M -m P56V57_4K -p w', { host: { gstage_mode: 'sv39x4' } })).toThrow('RISCV_GPA_BITS: 56 bits');
  });
});

describe('three architectures side by side', () => {
  const plugins = ['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'];
  const results = run(join(root, '..', 'seeds', 'three-architectures.yaml'), { plugins });
  const inPhases = (counter: string, phases: readonly string[]): readonly number[] =>
    results.map(result => phases.reduce((sum, phase) => sum + (result.phases.find(one => one.phase === phase)?.counters[counter] ?? 0), 0));

  it('are one test on each', () => {
    expect(results.map(({ config }) => (config['backend'] as { readonly name: string }).name)).toEqual(['x86-tdp', 'arm64-stage2', 'riscv-gstage']);
  });

  it('find the same 4,096 pages dirty in each iteration, and take a table per huge page', () => {
    for (const k of [1, 2]) expect(inPhases('dirty_bitmap.set', [`dirty_${k}`, `get_log_${k}`])).toEqual([4096, 4096, 4096]);
    expect(inPhases('table.alloc', ['enable_log', 'dirty_1'])).toEqual([8, 8, 8]);
  });
});
