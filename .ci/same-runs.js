/**
 * Holds a refactoring to its promise that no counter moves: performs many varied runs and keeps what each returned, or compares with what was
 * kept. Every backend under every profile, private and shared memory, nested guests, control registers, exports; a result counts as equal
 * when it is so to the byte, but for the two measured figures and counters that were not there before. Run from the project's root, after `npm run build`.
 *
 *   node .ci/same-runs.js keep FILE      before
 *   node .ci/same-runs.js check FILE     after each step; exit code 1 and the first differing counter of each run that moved
 */
'use strict';
const { createHash } = require('node:crypto');
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const lib = name => require(join(__dirname, '..', 'packages', name, 'lib', 'index.js'));
const { Registry, resolveRuns, runResolved } = lib('runner');

const registry = Registry.load(['x86', 'arm64', 'workloads'].map(name => join(__dirname, '..', 'packages', name)));

/** Command lines and settings; each runs under every profile of its backend. */
const lines = {
  'x86-tdp': [
    ['dirty_log_perf_test -v 2 -b 4M -s anonymous_hugetlb_2mb -g -f 20', {}],
    ['dirty_log_perf_test -v 2 -b 8M -s anonymous_hugetlb_2mb -i 3', { eager_page_split: 'N' }],
    ['dirty_log_perf_test -v 4 -b 2M -s anonymous -o -g', {}],
    ['execute_perf_test -v 2 -b 4M -s anonymous_hugetlb_2mb', { nx_huge_pages: 'Y' }],
    ['kvm_page_table_test -v 2 -b 8M -s anonymous_thp', {}],
    ['access_rounds -v 2 -b 4M -s anonymous_hugetlb_2mb -M 1 -p w,x512,r,D,w,G,w,K,U,A,w,N,Z,r', { nx_huge_pages: 'Y' }],
    ['access_rounds -v 1 -b 1G -s anonymous_hugetlb_1gb -p w512,D,w3,G,U,r512', {}],
    ['nested_rounds -b 4M -s anonymous_hugetlb_2mb -p w,D,w,G,x5,U,r', {}],
    ['cr_churn -m w -n 5 -p 16 -r 1', {}],
    ['cr_churn -m c -n 7 -p 8 -k 5', { vendor: 'amd' }],
    ['access_tracking_perf_test -v 2 -b 2M', { ad_bits: 'N' }],
    ['demand_paging_test -v 2 -b 2M -u MISSING', {}],
  ],
  'x86-shadow': [
    ['dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb', {}],
    ['access_rounds -v 1 -b 2M -s anonymous -M 1 -p w,x3,r,D,w,G,w,K,U,A,w,Z,r', {}],
    ['cr_churn -m w -n 5 -p 16 -r 1', {}],
    ['cr_churn -m c -n 7 -p 8 -k 3', { vendor: 'amd' }],
    ['nested_rounds -b 4M -s anonymous_hugetlb_2mb -p w,D,w,G,x5,U,r', { npt: 'Y', tdp_mmu: 'N' }],
    ['kvm_page_table_test -v 2 -b 4M -s anonymous', { npt: 'Y', tdp_mmu: 'N' }],
    ['execute_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb', { nx_huge_pages: 'Y' }],
  ],
  'arm64-stage2': [
    ['kvm_page_table_test -v 4 -b 8M -s anonymous_thp', {}],
    ['kvm_page_table_test -v 2 -b 4M -s anonymous_hugetlb_2mb', { cpu: 'max' }],
    ['dirty_log_perf_test -v 2 -b 4M -s anonymous_hugetlb_2mb -g -i 3', {}],
    ['dirty_log_perf_test -v 3 -b 2M -s anonymous -o', {}],
    ['access_rounds -v 1 -b 4M -s anonymous_thp -p w,x7,r,D,w,G,w,A,U,Z,r', {}],
    ['access_rounds -v 2 -b 4M -s anonymous_thp -M 1 -p w,x7,r,D,w,G,w,K,U,A,w,Z,r', {}],
    ['access_rounds -v 1 -b 1G -s anonymous_hugetlb_1gb -p w512,D,w3,G,U,r512', {}],
    ['demand_paging_test -v 2 -b 2M', {}],
  ],
};
function cases() {
  return registry.backends().flatMap(({ name, profiles, options, exports }) =>
    profiles.flatMap(({ name: kernel }) =>
      (lines[name] ?? []).map(([command, settings]) => {
        const isOption = ([key]) => options.some(option => option.name === key);
        const entries = Object.entries(settings);
        const config = {
          backend: { name, kernel, options: Object.fromEntries(entries.filter(isOption)) },
          host: Object.fromEntries(entries.filter(entry => !isOption(entry))),
          workload: command,
        };
        const trace = command.includes(' -v 1 ') ? exports?.[0]?.name : undefined;
        return { id: `${name} ${kernel} ${JSON.stringify(settings)} ${command}`, config, trace };
      }),
    ),
  );
}

/** What a run returned, or the code it failed with: a refusal is a result too. */
function perform({ config, trace }) {
  const hash = createHash('sha256');
  try {
    const [run] = resolveRuns(config, registry);
    const sink = trace === undefined ? undefined : { name: trace, leaveOut: undefined, write: text => void hash.update(text) };
    const { phases, totals, memory, notes } = runResolved(run, registry, { trace: sink });
    return { phases, totals, tables: memory.tableBytesReal, notes, trace: trace === undefined ? '' : hash.digest('hex') };
  } catch (error) {
    return { refused: error.code ?? String(error) };
  }
}

/** A result as text, but for counters at zero: one that is new, and counts nothing in these runs, moves none. */
const written = result => JSON.stringify(result, (_, value) => (value === 0 ? undefined : value));

function firstDifference(before, after) {
  for (const [at, phase] of (before.phases ?? []).entries()) {
    const now = after.phases?.[at];
    for (const [name, value] of Object.entries(phase.counters)) {
      if ((now?.counters[name] ?? 0) !== value) return `${phase.phase} ${name}: ${value} became ${now?.counters[name]}`;
    }
  }
  return JSON.stringify(after.refused ?? before.refused ?? 'counters by vCPU or slot, notes, memory or trace');
}

const [mode, file] = process.argv.slice(2);
if (!['keep', 'check'].includes(mode) || file === undefined) {
  console.error('usage: node .ci/same-runs.js keep|check FILE');
  process.exit(2);
}
/** Counters that were kept; those that came to the program since are left out, so that the old ones are held to what they were. */
function asKept(kept, now) {
  if (kept === null || typeof kept !== 'object' || now === null || typeof now !== 'object') return now;
  if (Array.isArray(kept)) return Array.isArray(now) ? now.map((item, i) => asKept(kept[i] ?? item, item)) : now;
  const isCounters = typeof Object.values(kept)[0] === 'number';
  return Object.fromEntries(
    Object.entries(now).flatMap(([key, value]) => (key in kept || !isCounters ? [[key, asKept(kept[key] ?? value, value)]] : [])),
  );
}

const done = Object.fromEntries(cases().map(one => [one.id, perform(one)]));
const refused = Object.values(done).filter(result => result.refused !== undefined).length;
if (mode === 'keep') {
  writeFileSync(file, JSON.stringify(done));
  console.log(`${Object.keys(done).length} runs kept (${refused} of them refusals)`);
} else {
  const kept = JSON.parse(readFileSync(file, 'utf8'));
  const ids = [...new Set([...Object.keys(kept), ...Object.keys(done)])];
  const moved = ids.filter(id => written(kept[id]) !== written(asKept(kept[id], done[id])));
  for (const id of moved)
    console.log(`${id}: ${kept[id] === undefined || done[id] === undefined ? 'not in both' : firstDifference(kept[id], done[id])}`);
  console.log(`${ids.length - moved.length} of ${ids.length} runs equal to the byte`);
  process.exitCode = moved.length === 0 ? 0 : 1;
}
