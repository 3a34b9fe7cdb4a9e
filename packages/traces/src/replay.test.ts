import type { RunResult } from '@mmulab/api';
import { resolveMachines } from '@mmulab/runner';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pluginRegistry, writeTrace } from './fixtures/trace-writer';
import { replayTrace } from './replay';
import type { ReplayOutcome } from './replay';
import { readSlot } from './slot-option';

const registry = pluginRegistry();
const directory = mkdtempSync(join(tmpdir(), 'mmulab-replay-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Replays a trace under several settings. */
function replay(text: string, kernel: string, settings: readonly Readonly<Record<string, string>>[], vendor = 'amd'): ReplayOutcome {
  const file = join(directory, 'trace.txt');
  writeFileSync(file, text);
  return replayTrace(
    file,
    () => settings.flatMap(options => resolveMachines({ backend: { name: 'x86-tdp', kernel, options }, host: { vendor } }, registry)),
    registry,
    { slots: [], backingLevel: 0 },
  );
}

const total = (result: RunResult | undefined, counter: string): number | undefined => result?.totals.counters[counter];

describe('a trace under its own policy and under others', () => {
  const command = 'dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g';
  const written = writeTrace({ command, kernel: '6.1.192', vendor: 'amd', options: { eager_page_split: 'N' } });
  const { recorded, results } = replay(written.text, '6.1.192', [
    { eager_page_split: 'N' },
    { eager_page_split: 'N', huge_page_fault: 'split' },
    { eager_page_split: 'Y' },
  ]);
  const [same, split, eager] = results;

  it('its own policy gives what was recorded, phase by phase', () => {
    for (const [i, phase] of recorded.phases.entries()) {
      if (phase.phase.startsWith('after')) continue;
      for (const [counter, value] of Object.entries(phase.counters))
        expect([phase.phase, counter, same?.phases[i]?.counters[counter]]).toEqual([phase.phase, counter, value]);
    }
    expect(recorded.phases.map(({ phase }) => phase)).toEqual(['trace', 'logged', 'after_log']);
  });

  it('splitting on the fault: 2 splits, no zap, 1,022 more lockless fixes', () => {
    expect(total(same, 'spte.zap.2m')).toBe(2);
    expect([total(split, 'spte.zap.2m'), total(split, 'spte.split.2m')]).toEqual([0, 2]);
    expect((total(split, 'pf_fast') ?? 0) - (total(same, 'pf_fast') ?? 0)).toBe(1022);
  });

  it('splitting eagerly: every first write is mended without a lock', () => {
    expect([total(eager, 'spte.zap.2m'), total(eager, 'pf_fast')]).toEqual([0, 2048]);
  });
});

describe('a trace that contradicts itself', () => {
  // The leaf of line 4 lacks bit 57 (host-writable), although a write asked for it.
  const lines = (leaf: string): string =>
    `
 test-338 [000] ..... 14.094511: kvm_page_fault: vcpu 1 rip 0x407ae0 address 0x0000000000180000 error_code 0x6
 test-338 [000] ...1. 14.094520: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new
 test-338 [000] .N.1. 14.100171: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 0 new_spte e5fb827
 test-338 [000] .N.1. 14.100175: kvm_tdp_mmu_spte_changed: as id 0 gfn 180 level 1 old_spte 0 new_spte ${leaf}
`.slice(1);

  it('a write that a read-only leaf answers counts as one line not believed, and ends with one fault', () => {
    const { doubts, results } = replay(lines('8600000e5fa877'), '6.4', [{}], 'intel');
    expect(doubts.map(({ lines: count, first }) => [count, first])).toEqual([[1, 4]]);
    expect([total(results[0], 'pf_fixed'), total(results[0], 'page_fault')]).toEqual([1, 1]);
    expect(replay(lines('600000e0e5faff7'), '6.4', [{}], 'intel').doubts).toEqual([]);
  });

  it('an address beyond the 48 bits of the VM is left out as one line, not walked for ever', () => {
    const { doubts, results } = replay(lines('0').replace('0x0000000000180000', '0x0050000000180000'), '6.4', [{}], 'intel');
    expect(doubts.map(({ lines: count, first }) => [count, first])).toEqual([[1, 1]]);
    expect(total(results[0], 'page_fault')).toBe(0);
  });

  it('memory known to be read-only takes a write without end of faults', () => {
    const reader = ' test-338 [000] ..... 14.000001: kvm_page_fault: vcpu 0 rip 0x1 address 0x0000000000180000 error_code 0x1\n';
    const mapped = ' test-338 [000] .N.1. 14.000002: kvm_tdp_mmu_spte_changed: as id 0 gfn 180 level 1 old_spte 0 new_spte 8600000e5fa877\n';
    const { results, doubts } = replay(`${reader}${mapped}${lines('0').split('\n')[0] ?? ''}\n`, '6.4', [{}], 'intel');
    expect([total(results[0], 'page_fault'), total(results[0], 'page_fault.present'), doubts.length]).toEqual([2, 1, 0]);
  });
});

describe('memslots in words', () => {
  it('addresses and sizes are read, anything else is TRACE_OPTION', () => {
    expect(readSlot('0xfcff600000:4M@0x7f0000000000')).toEqual({ baseGfn: 0xfcff600, npages: 1024, hvf: 0x7f0000000 });
    expect(readSlot('4G:2G')).toEqual({ baseGfn: 0x100000, npages: 0x80000, hvf: 0x100000 });
    for (const wrong of ['', '4G', '0x1001:4K', '4G:0', '4G:x', '4G:1G@zz']) expect(() => readSlot(wrong)).toThrow(/TRACE_OPTION/);
  });
});
