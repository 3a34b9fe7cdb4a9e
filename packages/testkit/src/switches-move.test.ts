/**
 * Every option of every backend does something: flipping it in some small run moves the counter named, or is refused with the error named. What no command can
 * reach stands in a list of its own, with the reason; an option that is in no list fails the test, and so does one that has left the backends.
 */
import type { OptionValues } from '@mmulab/api';
import { Registry, run } from '@mmulab/runner';
import { flips, type Flip } from './fixtures/switch-flips';

const plugins = ['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'];
const registry = Registry.load(plugins, __dirname);

/** Values that some combination refuses: module parameters that choose the backend, and what a kernel does not have. */
const refusals: readonly (Omit<Flip, 'phase' | 'counter'> & { readonly code: string })[] = [
  { backend: 'x86-tdp', option: 'tdp_mmu', value: 'N', kernel: '7.3', workload: 'access_rounds -b 1M -p w', code: 'OPTION_BACKEND_PAIR' },
  { backend: 'x86-tdp', option: 'npt', value: 'N', kernel: '7.3', workload: 'access_rounds -b 1M -p w', code: 'OPTION_BACKEND_PAIR' },
  {
    backend: 'x86-tdp',
    option: 'shadowed_access_cache',
    value: 'N',
    kernel: '7.3',
    workload: 'nested_rounds -b 4M -s anonymous_hugetlb_2mb -p w,D,w,U',
    code: 'OPTION_NESTED_SPLIT',
  },
  {
    backend: 'arm64-stage2',
    option: 'eager_split',
    value: 'N',
    kernel: '7.3',
    options: { eager_split_chunk: 4096 },
    workload: 'access_rounds -b 1M -p w',
    code: 'EAGER_SPLIT_CHUNK',
  },
  {
    backend: 'x86-tdp',
    option: 'dirty_ring',
    value: 'N',
    kernel: '7.3',
    workload: { name: 'access_rounds', options: { bytes: '4M', dirty_ring: 4096, rounds: 'w' } },
    code: 'DIRTY_RING_UNSUPPORTED',
  },
  {
    backend: 'arm64-stage2',
    option: 'dirty_ring',
    value: 'N',
    kernel: '7.3',
    workload: { name: 'access_rounds', options: { bytes: '4M', dirty_ring: 4096, rounds: 'w' } },
    code: 'DIRTY_RING_UNSUPPORTED',
  },
  { backend: 'x86-tdp', option: 'pre_fault_memory', value: 'N', kernel: '7.3', workload: 'access_rounds -b 1M -p P', code: 'WORKLOAD_NEEDS' },
  {
    backend: 'arm64-stage2',
    option: 'lpa2',
    value: 'N',
    kernel: '7.3',
    host: { cpu: 'max', ipa_limit: 52 },
    workload: { name: 'access_rounds', options: { bytes: '4M', backing: 'anonymous', rounds: 'w', guest_mode: 'P52V48_4K' } },
    code: 'HOST_IPA_BITS',
  },
];

/** Options that no command reaches, by architecture, and what it would take. */
const unreached: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  x86: {
    nx_huge_pages_recovery_period_ms: 'a host that idles: no workload lets time pass',
    eager_split_end_exclusive: 'a bitmap word whose last dirty bit is the first page of a huge page that is not split yet',
    pml_read_order: 'entries of a ring in their order: nothing counts it',
    root_zap_granularity: 'nothing counts the passes over a dying root',
    obsolete_roots_only: 'an invalidation of all roots (zap_all, a slot that is deleted)',
    pgd_cache_any_level: 'a guest that goes from 32-bit to 64-bit paging',
    role_ignores_pg: 'a guest that switches paging off',
    wp_ignored_without_pg: 'a guest that writes CR0.WP with paging off',
    child_role_check: 'a table whose role has changed under an entry that still leads to it: a write to the entry unlinks it before',
    self_map_small: 'a guest whose large pages hold its own tables',
  },
  arm64: {
    thp_adjust: 'small-page memory with 2 MiB host leaves that are no transparent huge pages',
    perm_keeps_granule: 'a permission fault on a block whose host leaf has become smaller',
    relax_tlbi_on_eagain: 'rights added where another vCPU has just unmapped',
    attr_eagain: 'rights added where another vCPU has just unmapped',
  },
};

function counterOf({ backend, kernel, options = {}, host = {}, workload, phase, counter }: Flip, over: OptionValues): number {
  const [result] = run({ backend: { name: backend, kernel, options: { ...options, ...over } }, host, workload }, { plugins, from: __dirname });
  return result?.phases.find(one => one.phase === phase)?.counters[counter] ?? NaN;
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return String((error as { readonly code?: unknown }).code);
  }
  return 'nothing thrown';
}

it.each(flips.map(flip => [flip.backend, flip.option, flip.value, flip.counter, flip] as const))(
  '%s: %s=%s moves %s',
  (_b, option, value, _c, flip) => {
    const [before, after] = [counterOf(flip, {}), counterOf(flip, { [option]: value })];
    expect([Number.isInteger(before), Number.isInteger(after)]).toEqual([true, true]);
    expect(after).not.toBe(before);
  },
);

it.each(refusals.map(refusal => [refusal.backend, refusal.option, refusal.value, refusal.code, refusal] as const))(
  '%s: %s=%s is refused with %s where it contradicts the rest, and the run goes without it',
  (_b, option, value, code, { backend, kernel, options = {}, host = {}, workload }) => {
    const runWith = (over: OptionValues): unknown =>
      run({ backend: { name: backend, kernel, options: { ...options, ...over } }, host, workload }, { plugins, from: __dirname });
    expect([codeOf(() => runWith({})), codeOf(() => runWith({ [option]: value }))]).toEqual(['nothing thrown', code]);
  },
);

it.each(['x86', 'arm64'])('all options of the backends of %s are in exactly one of the lists', arch => {
  const backends = registry.backends().filter(backend => backend.arch === arch);
  const names = backends.map(({ name }) => name);
  const options = [...new Set(backends.flatMap(backend => backend.options.map(({ name }) => name)))];
  const reached = new Set([...flips, ...refusals].filter(({ backend }) => names.includes(backend)).map(({ option }) => option));
  const listed = Object.keys(unreached[arch] ?? {});
  expect(options.filter(name => reached.has(name) === listed.includes(name))).toEqual([]);
  expect([...reached, ...listed].filter(name => !options.includes(name))).toEqual([]);
});
