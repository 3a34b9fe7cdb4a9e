import { type Registry, resolveMachines } from '@mmulab/runner';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkTrace } from './check';
import type { CheckOutcome } from './check';
import { pluginRegistry, writeTrace } from './fixtures/trace-writer';
import type { WrittenRun } from './fixtures/trace-writer';

const SHARED = join(__dirname, '../../../../shared/traces');
const registry: Registry = pluginRegistry();
const directory = mkdtempSync(join(tmpdir(), 'mmulab-check-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const NO_MEMORY = { slots: [], backingLevel: 0 };

/** Checks a file; kernel and options as given, the rest as the trace shows it. */
function check(file: string, kernel?: string, options: Readonly<Record<string, string>> = {}): CheckOutcome {
  const machineOf: Parameters<typeof checkTrace>[1] = signs => {
    const seen = signs.machineOf(registry.backends());
    const backend = { name: seen?.backend, kernel: kernel ?? seen?.kernel, options: { ...seen?.options, ...options } };
    const [machine] = resolveMachines({ backend, host: seen?.host }, registry);
    if (machine === undefined) throw new Error('no machine');
    return machine;
  };
  return checkTrace(file, machineOf, registry, NO_MEMORY);
}

function checkText(text: string, kernel?: string, options: Readonly<Record<string, string>> = {}): CheckOutcome {
  const file = join(directory, 'trace.txt');
  writeFileSync(file, text);
  return check(file, kernel, options);
}

const run = (command: string, kernel: string, vendor: 'amd' | 'intel' = 'amd', options: Readonly<Record<string, string>> = {}): WrittenRun => ({
  command,
  kernel,
  vendor,
  options,
});

describe('traces of real kernels', () => {
  const traces: readonly (readonly [string, number])[] = [
    ['5.10.tdp.cr0wp.n8.ftrace.txt.gz', 213],
    ['6.1-neoverse-n1-kpt-htlb2m-16M-v4.txt.gz', 2124],
    ['6.1.tdp.dirty_log_perf_test.v2.4M.hugetlb2m.eps-N.ftrace.txt.gz', 10797],
    ['6.1.tdp.nx-exec.v1.2M.hugetlb2m.trace-cmd-report.txt.gz', 3607],
  ];
  for (const [name, transitions] of traces) {
    const file = join(SHARED, name);
    // The traces are not part of the repository.
    (existsSync(file) ? it : it.skip)(`${name}: all ${transitions} transitions are equal`, () => {
      const { tally } = check(file);
      expect(tally.firstDifference).toBeUndefined();
      expect(tally.transitions).toEqual({ recorded: transitions, equal: transitions });
      expect(tally.allocations.equal).toBe(tally.allocations.recorded);
      expect(tally.zaps.equal).toBe(tally.zaps.recorded);
    });
  }
});

describe('traces written of simulated runs', () => {
  const runs: readonly WrittenRun[] = [
    run('dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g', '6.1.192', 'amd', { eager_page_split: 'Y' }),
    run('dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g', '6.12.117', 'amd', { eager_page_split: 'N' }),
    run('dirty_log_perf_test -v 4 -b 4M -s anonymous -g', '6.1.192', 'amd'),
    run('dirty_log_perf_test -v 2 -b 4M -s anonymous_hugetlb_2mb', '6.12.117', 'amd', { eager_page_split: 'Y' }),
    run('dirty_log_perf_test -v 2 -b 4M -s anonymous_hugetlb_2mb', '6.12.117', 'amd', { eager_page_split: 'N' }),
    run('dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g', '6.12.117', 'intel'),
    run('dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g', '6.13', 'intel', { eager_page_split: 'Y' }),
    run('access_rounds -v 1 -b 1G -s anonymous_hugetlb_1gb -p w512,D,w512,r512,U,r512', '6.1.192', 'amd', { eager_page_split: 'N' }),
    run('access_rounds -v 1 -b 1G -s anonymous_hugetlb_1gb -p w512,D,w512,G,U', '6.12.117', 'amd', { eager_page_split: 'N' }),
    run('access_rounds -v 1 -b 4M -s anonymous_hugetlb_2mb -p w,x,r', '6.1.192', 'amd', { nx_huge_pages: 'Y' }),
    run('access_rounds -v 1 -b 4M -s anonymous_hugetlb_2mb -p w,x,r', '6.12.117', 'intel', { nx_huge_pages: 'Y' }),
    run('kvm_page_table_test -v 1 -b 4M -s anonymous_hugetlb_2mb', '6.1.192', 'amd'),
    run('access_rounds -v 1 -b 4M -s anonymous -p w,A,r,Z,w', '6.12.117', 'amd'),
  ];
  for (const one of runs) {
    it(`${one.command} on ${one.kernel}, ${one.vendor}: every transition is equal`, () => {
      const { text } = writeTrace(one);
      const { tally } = checkText(text, one.kernel, one.options);
      expect(tally.firstDifference).toBeUndefined();
      expect(tally.differences).toBe(0);
      expect(tally.transitions.recorded).toBeGreaterThan(500);
      expect(tally.transitions.equal).toBe(tally.transitions.recorded);
    });
  }

  const split = run('dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g', '6.12.117', 'amd', { eager_page_split: 'N' });

  it('a policy that the kernel did not have is found at its first change', () => {
    const { text } = writeTrace(split);
    const { tally } = checkText(text, '6.12.117', { huge_page_fault: 'zap', eager_page_split: 'N' });
    expect(tally.firstDifference?.recorded).toMatch(/level 2: .* -> table/);
    expect(tally.firstDifference?.simulated).toMatch(/level 2: .* -> empty/);
    expect(checkText(text, '6.12.117', { eager_page_split: 'Y' }).tally.firstDifference?.simulated).toBe('split before');
  });

  it('a line left out is a difference, wherever it stands', () => {
    const lines = writeTrace(split).text.split('\n');
    const changes = lines.flatMap((line, i) => (line.includes('spte_changed') ? [i] : []));
    for (const part of [0.3, 0.6, 0.9]) {
      const at = changes[Math.floor(changes.length * part)] ?? 0;
      const { tally } = checkText([...lines.slice(0, at), ...lines.slice(at + 1)].join('\n'), '6.12.117', { eager_page_split: 'N' });
      expect(tally.differences).toBeGreaterThan(0);
    }
  });

  it('a bit turned over is a difference', () => {
    const text = writeTrace(split).text.replace(/new_spte (\w+)e67$/m, 'new_spte $1e65');
    expect(checkText(text, '6.12.117', { eager_page_split: 'N' }).tally.firstDifference?.recorded).not.toMatch(/-> R W/);
  });

  it('of a trace that begins late, what is older is taken over', () => {
    const lines = writeTrace(split).text.split('\n');
    const { tally } = checkText(lines.slice(Math.floor(lines.length * 0.3)).join('\n'), '6.12.117', { eager_page_split: 'N' });
    expect(tally.adopted).toBeGreaterThan(0);
    expect(tally.differences).toBe(0);
  });

  it('kernel and parameters are those that the trace shows', () => {
    expect(checkText(writeTrace(split).text).machine.backend).toMatchObject({
      name: 'x86-tdp',
      kernel: '6.12.117',
      options: { eager_page_split: 'N' },
    });
    const nx = writeTrace(run('access_rounds -v 1 -b 4M -s anonymous_hugetlb_2mb -p w,x', '6.1.192', 'intel', { nx_huge_pages: 'Y' }));
    const { machine } = checkText(nx.text);
    expect(machine.backend).toMatchObject({ kernel: '6.1.192', options: { nx_huge_pages: 'Y' } });
    expect(machine.host['vendor']).toBe('intel');
  });
});
