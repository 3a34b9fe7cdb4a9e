/**
 * What arm64 runs export is accepted by the checker on every kernel, says the same as the run counted, and is refused when breaks or invalidations are left out.
 */
import { Registry, resolveRuns, runResolved } from '@mmulab/runner';
import type { OptionValues, RunResult } from '@mmulab/api';
import { checkCasemateTrace } from './casemate-checker';
import { readCasemateTrace } from './casemate-reader';
import { CasemateRule } from './casemate-rules';

const KERNELS = ['5.10.223', '5.13', '5.14', '6.1.176', '6.2', '6.5', '6.12.107'];
const registry = Registry.load(['@mmulab/workloads', '@mmulab/arm64'], __dirname);
const PROFILES = registry.backend('arm64-stage2').profiles.map(({ name }) => name);

interface Case {
  readonly kernel: string;
  readonly workload: string;
  readonly options?: OptionValues;
  readonly host?: OptionValues;
  readonly leaveOut?: string;
}

function run({ kernel, workload, options = {}, host = {}, leaveOut }: Case): {
  readonly text: string;
  readonly result: RunResult;
  readonly plain: RunResult;
} {
  const [resolved] = resolveRuns({ backend: { name: 'arm64-stage2', kernel, options: { ...options } }, host: { ...host }, workload }, registry);
  let text = '';
  const trace = { name: 'casemate', leaveOut, write: (piece: string) => (text += piece) };
  const result = runResolved(resolved, registry, { trace });
  return { text, result, plain: runResolved(resolved, registry) };
}

function ruleBroken(one: Case): string {
  const verdict = checkCasemateTrace(run(one).text);
  return verdict.verdict === 'rejected' ? verdict.rule : verdict.verdict;
}

const SMALL = (vcpus: number): string => `kvm_page_table_test -v ${vcpus} -b 256K -s anonymous`;
const HUGE = (vcpus: number): string => `kvm_page_table_test -v ${vcpus} -b 2M -s anonymous_hugetlb_2mb`;
const DIRTY = 'dirty_log_perf_test -v 2 -b 2M -s anonymous_hugetlb_2mb -g -f 20';

describe.each(KERNELS)('exports of %s', kernel => {
  it.each([SMALL(1), SMALL(2), HUGE(1), HUGE(2), DIRTY])('%s: accepted, and counts what the run counts', workload => {
    const { text, result, plain } = run({ kernel, workload });
    expect(checkCasemateTrace(text)).toMatchObject({ verdict: 'accepted' });
    expect(result.phases).toEqual(plain.phases);
  });

  it('with a break left out: a table takes the place of a valid block', () => {
    expect([1, 2].map(vcpus => ruleBroken({ kernel, workload: HUGE(vcpus), leaveOut: 'no-break' }))).toEqual([
      CasemateRule.ValidToValid,
      CasemateRule.ValidToValid,
    ]);
  });

  it('with all invalidations, or one of them, left out: a broken entry becomes valid too early', () => {
    const rules = ['no-tlbi', 'no-tlbi:1'].map(leaveOut => ruleBroken({ kernel, workload: HUGE(2), leaveOut }));
    expect(rules).toEqual([CasemateRule.UncleanToValid, CasemateRule.UncleanToValid]);
  });

  it('with the invalidation of a coalesce left out: so does a block, or its table is freed too early', () => {
    const freesAtOnce = KERNELS.indexOf(kernel) < KERNELS.indexOf('6.2');
    expect(ruleBroken({ kernel, workload: HUGE(1), leaveOut: 'no-tlbi:2' })).toBe(freesAtOnce ? CasemateRule.TablePage : CasemateRule.UncleanToValid);
  });

  it('of small pages are refused without breaks or invalidations, by whatever comes first', () => {
    expect(['no-break', 'no-tlbi', 'no-tlbi:1'].map(leaveOut => ruleBroken({ kernel, workload: SMALL(2), leaveOut }))).not.toContain('accepted');
  });
});

describe.each(PROFILES)('exports of %s', kernel => {
  it.each([{}, { cpu: 'max' }, { hafdbs: 'N' }])(
    'of leaves that are aged and then write-protected are accepted: the access flag stays set (%j)',
    host => {
      const { text, result, plain } = run({ kernel, workload: 'access_rounds -v 1 -b 4K -s anonymous -p w,A,D', host });
      expect(checkCasemateTrace(text)).toMatchObject({ verdict: 'accepted' });
      expect(result.phases).toEqual(plain.phases);
      const leaves = readCasemateTrace(text).flatMap(record =>
        record.kind === 'mem-write' && (record.value & 0x41n) === 0x41n ? [record.value] : [],
      );
      expect(leaves.filter(value => (value & 0x400n) === 0n)).toEqual([]);
      expect(leaves.length).toBeGreaterThan(2);
    },
  );
});

describe('an export', () => {
  it('is unchecked without its VTTBR writes', () => {
    const { text } = run({ kernel: '6.1.176', workload: HUGE(1), leaveOut: 'no-tlbi' });
    const without = text.replace(/^\(sysreg-write .*\n/gm, '');
    expect(checkCasemateTrace(without.replace(/^\((?:tlbi|hint) .*\n/gm, ''))).toEqual({ verdict: 'unchecked' });
  });

  it('is refused without its lock records', () => {
    const { text } = run({ kernel: '6.1.176', workload: HUGE(1) });
    expect(checkCasemateTrace(text.replace(/^\((?:un)?lock .*\n/gm, ''))).toMatchObject({ verdict: 'rejected', rule: CasemateRule.Lock });
  });

  it('shows a copied page in the place of the zero page when leaves are not broken', () => {
    expect(ruleBroken({ kernel: '5.14', workload: SMALL(2), leaveOut: 'no-leaf-break' })).toBe(CasemateRule.LeafForLeaf);
  });

  it.each([
    ['eager splitting', { kernel: '6.5', workload: HUGE(2), options: { eager_split_chunk: '2M' } }],
    ['three vCPUs and transparent huge pages', { kernel: '6.12.107', workload: 'kvm_page_table_test -v 3 -b 4M -s anonymous_thp' }],
    ['leaves that are flushed once per range', { kernel: '6.12.107', workload: HUGE(2), host: { cpu: 'max' } }],
    [
      '48 bits of guest address: no table on top',
      { kernel: '6.1.176', workload: 'kvm_page_table_test -v 1 -b 2M -s anonymous_hugetlb_2mb -m P48V48_4K' },
    ],
    [
      '36 bits of guest address: one start table',
      { kernel: '6.1.176', workload: 'kvm_page_table_test -v 1 -b 2M -s anonymous_hugetlb_2mb -m P36V48_4K' },
    ],
  ] satisfies readonly (readonly [string, Case])[])('is accepted with %s', (_what, one) => {
    const { text, result, plain } = run(one);
    expect(checkCasemateTrace(text)).toMatchObject({ verdict: 'accepted' });
    expect(result.phases).toEqual(plain.phases);
  });

  it('of 1 GiB blocks split down to pages at once fills the tables before it links them', () => {
    const one: Case = { kernel: '6.5', workload: 'dirty_log_perf_test -v 1 -b 1G -s anonymous_hugetlb_1gb -g', options: { eager_split_chunk: '1G' } };
    const [resolved] = resolveRuns(
      { backend: { name: 'arm64-stage2', kernel: one.kernel, options: { ...one.options } }, workload: one.workload },
      registry,
    );
    const lines: string[] = [];
    class Enough extends Error {}
    const write = (piece: string): void => {
      if (/"split(-unlinked)?:[1345]"/.test(piece) && !piece.includes('(mem-order plain)'))
        lines.push(/\((?:mem-init|barrier|tlbi|mem-write) .*"(.*)"/.exec(piece)?.[1] ?? '');
      if (piece.includes('"split:5"')) throw new Enough();
    };
    expect(() => runResolved(resolved, registry, { trace: { name: 'casemate', write } })).toThrow(Enough);
    expect(lines.filter(line => line === 'split-unlinked:3')).toHaveLength(512);
    expect(lines.slice(-6)).toEqual(['split:4', 'split:4', 'split:4', 'split:4', 'split:4', 'split:5']);
  });

  it('of every operation of the rounds is accepted, on CPUs with and without FWB and range invalidation', () => {
    const rounds = 'w,A,D,w2,G,A,K,x,r3,A,U,w,Z,x2,w,A,D,K,r,w,U,Z';
    const hosts: OptionValues[] = [{}, { fwb: 'Y' }, { tlbi_range: 'Y' }, { fwb: 'Y', tlbi_range: 'Y' }];
    const memories = ['-b 512K -s anonymous', '-b 2M -s anonymous_thp', '-b 2M -s anonymous_hugetlb_2mb'];
    const verdicts = PROFILES.flatMap((kernel, i) =>
      memories.map((memory, j) => ({
        kernel,
        workload: `access_rounds -v ${1 + ((i + j) % 3)} ${memory} -M 1 -p ${rounds}`,
        host: { ...hosts[(i + j) % 4], hugetlb_dontneed: 'Y' },
      })),
    ).filter(one => ruleBroken(one) !== 'accepted');
    expect(verdicts).toEqual([]);
  });

  it('lets no more than eight broken leaves of a range wait for their invalidation', () => {
    const { text } = run({ kernel: '6.12.107', workload: 'access_rounds -v 1 -b 512K -s anonymous -p w,Z', host: { cpu: 'max' } });
    const waiting = readCasemateTrace(text).map(record =>
      record.kind === 'mem-write' ? (record.value === 0n ? 1 : 0) : record.kind === 'tlbi' ? -1 : 0,
    );
    let [now, most] = [0, 0];
    for (const step of waiting) most = Math.max(most, (now = step < 0 ? 0 : now + step));
    expect(most).toBe(8);
  });

  it('is the same text for the same run', () => {
    const one: Case = { kernel: '6.2', workload: SMALL(2) };
    expect(run(one).text === run(one).text).toBe(true);
  });

  it('sets every level of a 40-bit tree: a table of level 0 over two start tables', () => {
    const records = readCasemateTrace(run({ kernel: '6.1.176', workload: HUGE(1) }).text);
    const stores = records.flatMap(record => (record.kind === 'mem-write' ? [record] : []));
    expect(stores.slice(0, 2).map(({ address, value }) => [address, value])).toEqual([
      [0x1_0000_2000, 0x1_0000_0003n],
      [0x1_0000_2008, 0x1_0000_1003n],
    ]);
    expect(records.find(record => record.kind === 'sysreg-write')).toMatchObject({ register: 'vttbr_el2', value: 0x1_0001_0000_2000n });
  });

  it.each([
    ['EXPORT_VCPUS', { kernel: '6.1.176', workload: HUGE(4) }],
    ['EXPORT_GRANULE', { kernel: '6.1.176', workload: 'kvm_page_table_test -v 1 -b 4M -s anonymous', host: { granule: '16K' } }],
    ['EXPORT_OMISSION', { kernel: '6.1.176', workload: HUGE(1), leaveOut: 'no-lock' }],
    ['EXPORT_OMISSION', { kernel: '6.1.176', workload: HUGE(1), leaveOut: 'no-tlbi:99999' }],
  ] satisfies readonly (readonly [string, Case])[])('has no words for everything: %s', (code, one) => {
    expect(() => run(one)).toThrow(`${code}:`);
  });
});
