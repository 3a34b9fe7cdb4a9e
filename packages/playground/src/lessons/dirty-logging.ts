/**
 * Logging the writes to huge pages: zapped, split on the fault, split beforehand.
 */
import type { RawConfig } from '@mmulab/runner';
import type { Lesson } from './lesson';
import { many, n } from './lesson-facts';

const WORKLOAD = 'dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g -f 4';
const run = (options: Readonly<Record<string, string>>): RawConfig => ({
  backend: { name: 'x86-tdp', kernel: '6.1.192', options },
  workload: WORKLOAD,
});
const zap = run({ huge_page_fault: 'zap', eager_page_split: 'N' });
const split = run({ huge_page_fault: 'split', eager_page_split: 'N' });
const eager = run({ huge_page_fault: 'split', eager_page_split: 'Y' });

export const dirtyLogging: Lesson = {
  id: 'dirty-logging',
  title: 'A guest is migrated',
  document: 'Split huge pages mapped by the TDP MMU on fault: the commit as merged (November 2022)',
  question: 'While a guest is migrated its writes are logged, page by page. What becomes of its huge pages, and who pays?',
  scenes: [
    [zap, split],
    [split, eager],
  ],
  steps: [
    {
      go: [{ endOf: 'populate' }, { page: 0 }],
      say: f =>
        `A guest has written its ${n(f.pages)} pages; ${many(f.all('pages_2m'), 'huge mapping')} cover them. Left is the kernel that zaps, right the one that splits on the fault.`,
      holds: f => f.mapped(2) === f.pages && f.mapped(2, 1) === f.pages,
    },
    {
      go: [{ phase: 'enable_log', steps: 1 }],
      say: f =>
        `Dirty logging is switched on: ${n(f.protected())} pages are write-protected, still at level 2. Neither side split anything, for eager splitting is off.`,
      holds: f => f.protected() === f.pages && f.protected(1) === f.pages && f.mapped(2) === f.pages && f.step('table.alloc', 1) === 0,
    },
    {
      go: [{ until: 'pages_2m' }],
      say: f =>
        `The first write. A log of 4 KiB pages needs mappings of 4 KiB, so left the huge page is zapped and one page mapped anew, right it is split and ${n(f.mapped(1, 1))} pages stay.`,
      holds: f => f.step('spte.zap.2m') === 1 && f.mapped(1) === 1 && f.mapped(1, 1) === 512,
    },
    {
      go: [],
      say: f =>
        `Right, ${n(f.protected(1))} pages are write-protected, and only the written one is writable. Left there is a hole where the others were, and ${many(f.step('remote_tlb_flush_requests'), 'request')} to flush TLBs.`,
      holds: f => f.step('remote_tlb_flush_requests') === 1 && f.step('remote_tlb_flush_requests', 1) === 0 && f.isWritable() && f.isWritable(1),
    },
    {
      go: [{ steps: 1 }],
      say: f =>
        `The guest only reads its second page. Left that is a fault (${n(f.step('page_fault'))}), right none (${n(f.step('page_fault', 1))}): reading never was forbidden there.`,
      holds: f => f.step('page_fault') === 1 && f.step('page_fault', 1) === 0 && f.isHit(1),
    },
    {
      go: [{ steps: 3 }],
      say: f =>
        `A page is written again: ${many(f.step('page_fault'), 'fault')} left, ${n(f.step('page_fault', 1))} right. The one on the right never takes mmu_lock: the lockless path gives W back (${n(f.step('pf_fast', 1))}), since KVM had only borrowed it.`,
      holds: f => f.step('pf_fast', 1) === 1 && f.step('page_fault', 1) === 1 && f.step('page_fault') === 1 && f.step('pf_fast') === 0,
    },
    {
      go: [{ endOf: 'dirty_1' }],
      say: f =>
        `The pass is over: ${n(f.phase('page_fault'))} faults against ${n(f.phase('page_fault', 1))}. Every fourth page was written; left every page faulted, written or not.`,
      holds: f => f.phase('page_fault') === f.pages && f.phase('page_fault', 1) === f.pages / 4,
    },
    {
      go: [],
      say: f =>
        `What was logged differs too: ${n(f.phase('dirty_bitmap.set'))} pages are dirty left, ${n(f.phase('dirty_bitmap.set', 1))} right. A page that is faulted in with the host’s right to write counts as written, so zapping also made the migration copy more.`,
      holds: f => f.phase('dirty_bitmap.set') > f.phase('dirty_bitmap.set', 1),
    },
    {
      go: [{ scene: 1 }, { endOf: 'populate' }, { page: 0 }],
      say: f =>
        `Another pair: left the split on the fault, right eager splitting. Both guests stand where they stood, with ${many(f.all('pages_2m', 1), 'huge mapping')}.`,
      holds: f => f.all('pages_2m') === f.all('pages_2m', 1) && f.mapped(2, 1) === f.pages,
    },
    {
      go: [{ phase: 'enable_log', steps: 1 }],
      say: f =>
        `Logging begins, and the right side has split everything at once: ${many(f.step('table.alloc', 1), 'new table')}, ${n(f.mapped(1, 1))} pages at level 1. It costs memory for every table before anybody knows which pages will be written.`,
      holds: f => f.step('table.alloc', 1) === f.pages / 512 && f.mapped(1, 1) === f.pages && f.step('table.alloc') === 0,
    },
    {
      go: [{ endOf: 'dirty_1' }],
      say: f =>
        `In return its vCPU takes ${many(f.phase('page_fault', 1), 'fault')} in the pass, where splitting on the fault takes ${n(f.phase('page_fault'))}. The hardware logs the writes by itself: D is clear in every page, and PML notes where it is set.`,
      holds: f => f.phase('page_fault', 1) === 0 && f.phase('page_fault') === f.pages / 4 && f.phase('pml.entry', 1) > 0,
    },
    {
      go: [{ phase: 'disable_log', steps: 1 }],
      say: f =>
        `Logging stops, and both sides throw away what the split left: ${n(f.mapped(0, 1))} pages of the right side are not mapped, so that the next fault can map a huge page. What comes cheap while it is on is paid here, once.`,
      holds: f => f.mapped(0, 1) === f.pages && f.mapped(0) === f.pages,
    },
  ],
};
