/**
 * The kernel's asserting tests by name: they pass on every kernel, and a TDP MMU with a fault fails them, in every format and in the exit code.
 */
import type { RunResult } from '@mmulab/api';
import { resolve } from 'node:path';
import { record, type Recording } from './fixtures/recorder';

const FAILING = resolve(__dirname, 'fixtures/failing');

function run(settings: string, test: string): Recording {
  return record('run', '--quiet', '--plugin', FAILING, ...settings.split(' ').filter(Boolean), '--', ...test.split(' '));
}

function results(settings: string, test: string): RunResult[] {
  const { out, err } = run(`--format json ${settings}`, test);
  if (out === '') throw new Error(err);
  return [JSON.parse(out) as RunResult | RunResult[]].flat();
}

const failed = ({ checks = [] }: RunResult): string[] =>
  checks.filter(({ passed }) => !passed).map(({ phase, of, actual, expected }) => `${phase}: ${of} ${actual ?? '?'} not ${expected}`);

describe('nx_huge_pages_test', () => {
  const gauges = ({ phases }: RunResult): unknown => phases.slice(1, -1).map(({ counters }) => [counters['pages_2m'], counters['nx_lpage_splits']]);
  const ORACLE = [
    [1, 0],
    [2, 0],
    [1, 1],
    [1, 2],
    [1, 2],
    [1, 0],
    [2, 0],
  ];

  it.each([
    '--kernel 6.0',
    '--kernel 6.1',
    '--kernel 6.2',
    '--kernel 6.12.117',
    '--kernel 6.18',
    '--backend x86-shadow --set npt=N',
    '--set vendor=amd',
  ])('counts 1,0 2,0 1,1 1,2 1,2 and 1,0 2,0 after recovery: %s', settings => {
    const [result, ...others] = results(`${settings} --set nx_huge_pages=Y`, 'nx_huge_pages_test');
    expect(others).toEqual([]);
    expect(result === undefined ? [] : [gauges(result), failed(result), result.checks?.length]).toEqual([ORACLE, [], 16]);
  });

  it('runs a second VM with -r, which opts out of the workaround and maps three huge pages', () => {
    const [first, second] = results('--set nx_huge_pages=Y', 'nx_huge_pages_test -r -t 887563923 -p 60000');
    expect(first === undefined ? [] : failed(first)).toEqual([]);
    expect(second === undefined ? [] : [gauges(second), failed(second)]).toEqual([[1, 2, 2, 3, 3, 3, 3].map(pages => [pages, 0]), []]);
  });

  it('fails where nothing is recovered, with the values in every format and exit code 1', () => {
    const settings = '--set nx_huge_pages=Y --set patch=never-recovers';
    expect(results(settings, 'nx_huge_pages_test').map(failed)).toEqual([
      ['recovery: nx_lpage_splits 2 not 0', 'read_3: pages_2m 1 not 2', 'read_3: nx_lpage_splits 2 not 0'],
    ]);
    const table = run(settings, 'nx_huge_pages_test');
    expect(table.code).toBe(1);
    expect(table.out).toMatch(/CHECK FAILED in recovery: NX splits after recovery: nx_lpage_splits is 2, expected 0/);
    expect(table.out).toMatch(/3 of 16 checks failed/);
    expect(table.err).toContain('check failed: nx_huge_pages_test: read_3: 2 MiB pages after reading from huge page 3: pages_2m is 1, expected 2');
    expect(run(`${settings} --format selftest`, 'nx_huge_pages_test').out).toContain('==== Test Assertion Failure ====');
    expect(run(`${settings} --format csv`, 'nx_huge_pages_test').out).toContain('recovery,vm,check NX splits after recovery: nx_lpage_splits,2');
  });

  it('is seen to fail in a comparison of the kernel with a patch', () => {
    const argv = ['compare', '--plugin', FAILING, '--set', 'nx_huge_pages=Y', '--vary', 'patch=none,never-recovers', '--', 'nx_huge_pages_test'];
    const { code, out } = record(...argv);
    expect(code).toBe(1);
    expect(out).toMatch(/patch=never-recovers: CHECK FAILED in read_3/);
    expect(out).not.toMatch(/patch=none: CHECK FAILED/);
  });

  it.each([
    ['--kernel 5.19 --set nx_huge_pages=Y', 'nx_huge_pages_test', /WORKLOAD_TEST_NEEDS.*KVM_CAP_VM_DISABLE_NX_HUGE_PAGES/],
    ['', 'nx_huge_pages_test', /WORKLOAD_TEST_NEEDS.*nx_huge_pages=Y/],
    ['--set nx_huge_pages=Y', 'nx_huge_pages_test -t 7', /WORKLOAD_TEST_NEEDS.*887563923/],
    ['--backend arm64-stage2', 'nx_huge_pages_test', /WORKLOAD_NOT_ON_ARCH/],
    ['--backend x86-shadow --set npt=N', 'dirty_log_page_splitting_test -b 4M', /WORKLOAD_TEST_NEEDS.*tdp_mmu/],
    ['--set eager_page_split=N', 'dirty_log_page_splitting_test -b 4M', /WORKLOAD_TEST_NEEDS.*eager_page_split/],
  ])('is refused where the program would skip itself: %s %s', (settings, test, message) => {
    expect(run(settings, test).err).toMatch(message);
  });
});

describe('dirty_log_page_splitting_test', () => {
  const TEST = 'dirty_log_page_splitting_test -b 4M';

  it.each(['5.18', '6.5', '7.3'])('passes in both of its VMs on %s: split as logging starts, or as the log is cleared', kernel => {
    const [plain, manual] = results(`--kernel ${kernel}`, TEST);
    const huge = (result: RunResult | undefined, phase: string): number | undefined =>
      result?.phases.find(one => one.phase === phase)?.counters['pages_2m'];
    expect([plain, manual].map(result => (result === undefined ? ['absent'] : failed(result)))).toEqual([[], []]);
    expect(['populate', 'enable_log', 'repopulate'].map(phase => huge(plain, phase))).toEqual([4, 0, 4]);
    expect(['populate', 'enable_log', 'clear_log_1', 'repopulate'].map(phase => huge(manual, phase))).toEqual([4, 4, 0, 4]);
  });

  it('runs the one VM that a setting names, and both beside what varies', () => {
    expect(results('--set manual_protect=Y', TEST).map(({ checks }) => checks?.length)).toEqual([6]);
    expect(results('--vary kernel=6.1,7.3', TEST)).toHaveLength(4);
  });

  it('fails where huge pages are not split eagerly', () => {
    expect(results('--kernel 6.12 --set patch=never-splits', TEST).map(failed)).toEqual([
      ['enable_log: pages_2m + pages_1g 4 not 0', expect.stringMatching(/^enable_log: pages_4k \d+ not 2048$/)],
      ['clear_log_1: pages_2m + pages_1g 4 not 0', expect.stringMatching(/^clear_log_1: pages_4k \d+ not 2048$/)],
    ]);
  });

  it('fails on memory that is not in huge pages', () => {
    const [plain] = results('--kernel 6.12', `${TEST} -s anonymous`);
    expect(plain === undefined ? [] : failed(plain)).toEqual(['populate: 512 * pages_2m + 262144 * pages_1g 0 not 2048']);
  });

  it.each([
    [
      '--kernel 6.12',
      '-b 4M -s anonymous',
      /backing=anonymous \(-s\): on this host it has no huge pages.* fails \(expected hugetlb memory, or anonymous_thp/,
    ],
    ['--kernel 6.12 --set thp=never', '-b 4M -s anonymous_thp', /backing=anonymous_thp \(-s\).*thp=always or madvise/],
    ['--kernel 6.12', '-b 3M', /bytes=3M \(-b\): each of 2 memslots ends within a huge page.* fails \(expected a multiple of 2M\)/],
    ['--kernel 6.5', '-b 3M', /bytes=3M \(-b\).* finds little or nothing to split, and passes \(expected a multiple of 2M\)/],
    ['--kernel 6.12', '-b 4M', /^$/],
    ['--kernel 6.12', '-b 512M -s anonymous_hugetlb_1gb', /^$/],
  ])('says beforehand that memory does not suit it: %s -- %s', (settings, argv, message) => {
    const [plain] = results(settings, `dirty_log_page_splitting_test ${argv}`);
    expect(plain?.notes.filter(note => note.startsWith('dirty_log_')).join()).toMatch(message);
  });
});

describe('dirty_log_test', () => {
  const TEST = 'dirty_log_test -i 4 -I 1';
  const SMALL = '--set bytes=4M';

  it.each([
    '--kernel 5.10.262',
    '--kernel 6.1 --set vendor=amd',
    '--backend x86-shadow --set npt=N',
    '--backend arm64-stage2 --set granule=16K --set bytes=32M',
  ])('finds every written page in the log and no other, in two log modes and the rings of kernels that have them: %s', settings => {
    const all = results(`${SMALL} ${settings}`, TEST);
    const [ring] = all.slice(2);
    expect(all.map(one => [failed(one), one.checks?.length])).toEqual([[[], 6], [[], 6], ...(ring === undefined ? [] : [[[], 9]])]);
    expect(ring !== undefined).toBe(!settings.includes('5.10'));
  });

  it.each(['amd', 'intel'])('fails from the second harvest on where harvesting leaves pages writable and dirty: %s', vendor => {
    const all = results(`${SMALL} --set vendor=${vendor} --set patch=forgets-to-protect`, TEST);
    const places = ['get_log_2', 'get_log_3'].map((phase): unknown => expect.stringMatching(`^${phase}: dirty.missing of memslot 1 [1-9]`));
    const rings = ['collect_rings_2', 'collect_rings_3'].map((phase): unknown =>
      expect.stringMatching(`^${phase}: dirty.missing of memslot 1 [1-9]`),
    );
    expect(all.map(failed)).toEqual([places, places, rings]);
  });
});

describe('memslot_perf_test', () => {
  const NAMES = ['map', 'unmap', 'unmap_chunked', 'move_active', 'move_inactive', 'rw'];
  const COUNTS = [6, 6, 6, 4, 4, 6];

  it('passes in all six tests over 509 memslots', () => {
    const all = results('--kernel 6.1', 'memslot_perf_test -s 510 -l 1');
    expect(all.map(({ config }) => (config['workload'] as { options: Record<string, unknown> }).options['test'])).toEqual(NAMES);
    expect(all.map(one => [failed(one), one.checks?.length])).toEqual(COUNTS.map(count => [[], count]));
  });

  it.each(['--backend x86-shadow --set npt=N', '--backend arm64-stage2'])('passes where memory is moved while the guest writes: %s', settings => {
    const all = results(settings, 'memslot_perf_test -f 3 -e 3 -s 510 -l 1');
    expect(all.map(one => [failed(one), one.checks?.length])).toEqual(COUNTS.slice(3, 4).map(count => [[], count]));
  });

  it('fails where unmapped memory stays mapped', () => {
    const [map, unmap] = results('--set patch=forgets-to-unmap', 'memslot_perf_test -e 1 -s 510 -l 2');
    expect(map === undefined ? [] : failed(map)).toEqual([
      'unmap_first_1: readable frames of 4096 from gfn 0x10010 on 4096 not 0',
      'unmap_second_2: readable frames of 4096 from gfn 0x11010 on 4096 not 0',
      'unmap_first_2: readable frames of 4096 from gfn 0x10010 on 4096 not 0',
    ]);
    expect(unmap === undefined ? 0 : failed(unmap).length).toBe(4);
  });

  it('asserts that 24 of 48 accesses come to user space while the memslot is away, and takes a cap that is too high for what it is', () => {
    const [active] = results('', 'memslot_perf_test -f 3 -e 3 -s 510 -l 1');
    expect(active?.checks?.find(({ phase, of }) => phase === 'write_away_1' && of === 'pf_emulate')).toMatchObject({ actual: 24, passed: true });
    expect(run('', 'memslot_perf_test -e 0 -s 9000').err).toMatch(/WORKLOAD_TOO_MANY_SLOTS.*max is 8209/);
  });
});

describe('memslot_modification_stress_test', () => {
  const TEST = 'memslot_modification_stress_test -b 4M -v 2 -i 2';

  it.each(['--kernel 5.10.262', '--kernel 7.3', '--backend x86-shadow --set npt=N', '--backend arm64-stage2'])(
    'passes while a memslot comes and goes: %s',
    settings => {
      const [result] = results(settings, TEST);
      expect(result === undefined ? ['absent'] : failed(result)).toEqual([]);
      expect(result?.checks).toHaveLength(6);
    },
  );

  it('faults everything in again on x86 after each deletion: 2048 pages, the 5 guest tables that map them, the 2 above', () => {
    const [result] = results('--kernel 6.1', TEST);
    const faults = ['access_1', 'access_2'].map(name => result?.phases.find(({ phase }) => phase === name)?.counters['page_fault']);
    expect(faults).toEqual([2048 + 5 + 10, 2048 + 5 + 2]);
  });

  it('leaves the mappings of other memslots alone on x86 with -q, from 6.12 on', () => {
    const [result] = results('--kernel 6.12.117', `${TEST} -q`);
    expect(result?.phases.find(({ phase }) => phase === 'access_2')?.counters['page_fault']).toBe(0);
    expect(run('--kernel 6.11', `${TEST} -q`).err).toMatch(/WORKLOAD_TEST_NEEDS.*KVM_X86_QUIRK_SLOT_ZAP_ALL/);
  });

  it('fails where faults come to user space', () => {
    const [result] = results('--set patch=emulates', TEST);
    expect(result === undefined ? [] : failed(result)).toEqual(
      [1, 2].map((k): unknown => expect.stringMatching(`^access_${k}: pf_emulate 2\\d+ not 0$`)),
    );
  });
});
