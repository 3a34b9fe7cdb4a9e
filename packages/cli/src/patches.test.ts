/**
 * The patches of examples/patches beside the option that says the same: equal in every counter of every phase, gauges included.
 */
import type { RunResult } from '@mmulab/api';
import { resolve } from 'node:path';
import { record } from './fixtures/recorder';

const PLUGIN = resolve(__dirname, '../../../examples/patches');

function run(args: string, test: string): readonly RunResult[] {
  const { code, out, err } = record('run', '--quiet', '--plugin', PLUGIN, '--format', 'json', ...args.split(' '), '--', ...test.split(' '));
  if (code !== 0) throw new Error(err);
  return [JSON.parse(out) as RunResult | RunResult[]].flat();
}

const counts = ({ phases, totals }: RunResult): unknown => ({ phases, totals });

/** The run with the patch, with the option, and with neither. */
function compared(base: string, patch: string, option: string, test: string): readonly unknown[] {
  return [`--set patch=${patch}`, `--set ${option}`, '--set patch=none'].map(setting => run(`${base} ${setting}`, test).map(counts)).flat();
}

describe('split-on-fault over 6.1', () => {
  it.each([
    'access_rounds -b 1G -s anonymous_hugetlb_1gb -p w262144,x8192,r512,x8192',
    'execute_perf_test -v 2 -b 16M -s anonymous_hugetlb_2mb',
    'dirty_log_perf_test -v 2 -b 8M -s anonymous_hugetlb_2mb -i 2',
    'dirty_log_perf_test -v 3 -o -b 4M -s anonymous_hugetlb_2mb -i 2',
    'access_rounds -b 8M -s anonymous_thp -p w,x512,D,w,G,r,x,U,N,Z,r',
  ])('is huge_page_fault=split in every counter, and not zap: %s', test => {
    const [patched, option, plain] = compared(
      '--backend x86-tdp --kernel 6.1 --set nx_huge_pages=Y --set eager_page_split=N',
      'split-on-fault',
      'huge_page_fault=split',
      test,
    );
    expect(patched).toEqual(option);
    expect(patched).not.toEqual(plain);
  });
});

describe('walker-cmo over 5.13', () => {
  it.each([
    'kvm_page_table_test -v 1 -b 16M -s anonymous_hugetlb_2mb',
    'kvm_page_table_test -v 3 -b 2M',
    'access_rounds -b 4M -s anonymous_thp -p r,w,x,D,w,G,x,U,Z,w',
  ])('is cmo=walker in every counter, and not abort: %s', test => {
    const [patched, option, plain] = compared('--backend arm64-stage2 --kernel 5.13', 'walker-cmo', 'cmo=walker', test);
    expect(patched).toEqual(option);
    expect(patched).not.toEqual(plain);
  });
});

it('split-to-2m executes 1 GiB in as many faults and with one table, where the kernel takes 513', () => {
  const counter = (patch: string, name: string): number | undefined =>
    run(`--kernel 6.12 --set nx_huge_pages=Y --set patch=${patch}`, 'execute_perf_test -b 1G -s anonymous_hugetlb_1gb')[0]?.phases.find(
      ({ phase }) => phase === 'execute',
    )?.counters[name];
  const names = ['page_fault', 'huge_split.1g', 'huge_split.2m', 'table.alloc', 'spte.update.2m', 'spte.update.4k'];
  expect(['none', 'split-to-2m'].map(patch => names.map(name => counter(patch, name)))).toEqual([
    [512, 1, 512, 513, 0, 512],
    [512, 1, 0, 1, 512, 0],
  ]);
});

it('two patches of one backend go together, the later one over the earlier', () => {
  const [both] = run('--kernel 6.1 --set nx_huge_pages=Y --set patch=split-on-fault+split-to-2m', 'execute_perf_test -b 1G -s anonymous_hugetlb_1gb');
  expect(both?.config['backend']).toMatchObject({ patch: 'split-on-fault+split-to-2m' });
});

it('compare --vary patch=none,NAME shows before and after under the names of the patches', () => {
  const { out, code } = record(
    'compare',
    '--plugin',
    PLUGIN,
    '--kernel',
    '6.1',
    '--set',
    'nx_huge_pages=Y',
    '--vary',
    'patch=none,split-on-fault',
    '--',
    'execute_perf_test',
    '-b',
    '4M',
    '-s',
    'anonymous_hugetlb_2mb',
  );
  expect(code).toBe(0);
  expect(out).toContain('backend.patch: none | split-on-fault');
  expect(out).toMatch(/none +split-on-fault +change/);
});

it('keep-small leaves 2048 small pages small when dirty logging stops, where the kernel maps 4 huge ones anew', () => {
  const pages = (patch: string): unknown => {
    const settings = `--backend x86-shadow --set npt=Y --set tdp_mmu=N --set patch=${patch}`;
    const [{ phases }] = run(settings, 'access_rounds -b 8M -s anonymous_hugetlb_2mb -p w,D,w,U,w') as readonly [RunResult];
    const { pages_4k, pages_2m, page_fault } = phases.find(({ phase }) => phase === '5_w')?.counters ?? {};
    return [pages_4k, pages_2m, page_fault];
  };
  expect(['none', 'keep-small'].map(pages)).toEqual([
    [29, 4, 4],
    [2077, 0, 0],
  ]);
});

it.each([
  ['split-on-fault', 'TdpRules.map: read that wants 4K finds a writable leaf of 2M: split (RWXAD) (was: zap-atomic)'],
  ['walker-cmo', 'Stage2PolicyReader: walkerCmo: true (was: false)'],
  ['keep-small', 'ShadowRules.tree: a leaf of 4K goes at log stop where 2M could be: false (was: true)'],
])('explain tells what %s has a rule answer otherwise', (patch, changed) => {
  const { out } = record('explain', '--plugin', PLUGIN, '--format', 'json', patch);
  const [{ kind, facts }] = JSON.parse(out) as readonly [{ readonly kind: string; readonly facts: readonly { label: string; value: string }[] }];
  expect(kind).toBe('patch');
  expect(facts.find(({ value }) => value === changed)?.label).toMatch(/^patched, \d/);
});
