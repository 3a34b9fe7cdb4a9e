/**
 * One executed instruction, and what it costs where huge pages must not be executable.
 */
import type { RawConfig } from '@mmulab/runner';
import type { Lesson } from './lesson';
import { many, n } from './lesson-facts';

const runs = (workload: string): readonly RawConfig[] =>
  ['zap', 'split'].map(huge_page_fault => ({
    backend: { name: 'x86-tdp', kernel: '6.1.192', options: { nx_huge_pages: 'Y', huge_page_fault } },
    workload,
  }));

export const execute: Lesson = {
  id: 'execute',
  title: 'One instruction, 262,144 faults',
  document: 'Split huge pages mapped by the TDP MMU on fault, v2: cover letter (October 2022)',
  question: 'A guest executes one instruction in a huge page that must not be executable as a whole. Why did that cost it every other page of it?',
  scenes: [runs('execute_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb'), runs('execute_perf_test -v 1 -b 1G -s anonymous_hugetlb_1gb')],
  steps: [
    {
      go: [{ page: 0 }],
      say: f =>
        `Here is a VM with ${n(f.pages)} pages of memory, in huge pages of the host; nothing of it is mapped yet. Left is a kernel that zaps a huge page when a fault wants a smaller one, right one that splits it: all else is the same.`,
      holds: f => f.mapped(0) === f.pages && f.mapped(0, 1) === f.pages,
    },
    {
      go: [{ until: 'spte.install.2m' }],
      say: f =>
        `The guest writes its first page, and the fault maps all ${n(f.mapped(2))} pages around it at level 2. The NX huge page workaround is on, so the entry lacks the execute right: look at its lowest bits.`,
      holds: f => f.mapped(2) === 512 && !f.isExecutable() && f.isWritable(),
    },
    {
      go: [{ steps: 1 }],
      say: f =>
        `The next write needs no fault: the translation is there. So far there ${f.phase('spte.install.2m') === 1 ? 'is' : 'are'} ${many(f.phase('spte.install.2m'), 'huge mapping')} on either side.`,
      holds: f => f.isHit() && f.isHit(1) && f.phase('spte.install.2m') === f.phase('spte.install.2m', 1),
    },
    {
      go: [{ endOf: 'populate' }],
      say: f =>
        `All memory is written. It is covered by ${many(f.all('pages_2m'), 'huge mapping')}, made by ${many(f.all('spte.install.2m'), 'fault')}.`,
      holds: f => f.mapped(2) === f.pages && f.all('pages_2m') === f.all('pages_2m', 1),
    },
    {
      go: [{ until: 'page_fault' }, { page: 0 }],
      say: f =>
        `Now the guest executes one instruction in the first page. Left the whole huge page is gone, and ${many(f.mapped(1), 'page')} of it mapped again, at level 1; right it was split, and all ${n(f.mapped(1, 1))} are still mapped.`,
      holds: f =>
        f.step('spte.zap.2m') === 1 &&
        f.mapped(1) === 1 &&
        f.step('huge_split.2m', 1) === 1 &&
        f.mapped(1, 1) === 512 &&
        f.isExecutable() &&
        f.isExecutable(1),
    },
    {
      go: [],
      say: f =>
        `Zapping also asked every vCPU to flush its TLB: ${many(f.step('remote_tlb_flush_requests'), 'request')} left, ${many(f.step('remote_tlb_flush_requests', 1), 'request')} right. The split table is filled before it is linked, so no access ever finds a hole, and nothing has to be flushed.`,
      holds: f => f.step('remote_tlb_flush_requests') === 1 && f.step('remote_tlb_flush_requests', 1) === 0,
    },
    {
      go: [{ steps: 1 }, { page: 1 }],
      say: f =>
        `The second page: left ${many(f.step('page_fault'), 'fault')}, because nothing is mapped there any more. Right ${many(f.step('page_fault', 1), 'fault')}: parts of 4 KiB may be executed.`,
      holds: f => f.step('page_fault') === 1 && f.step('page_fault', 1) === 0 && f.isHit(1),
    },
    {
      go: [{ steps: 100 }],
      say: f =>
        `A hundred pages on, the left side has taken ${many(f.phase('page_fault'), 'fault')} in this phase and the right side ${n(f.phase('page_fault', 1))}. The map on the left fills page by page, as if the memory had never been touched.`,
      holds: f => f.phase('page_fault') === 102 && f.phase('page_fault', 1) === 1,
    },
    {
      go: [{ phase: 'execute', steps: 513 }],
      say: f =>
        `The first 2 MiB are done: ${many(f.phase('page_fault'), 'fault')} against ${n(f.phase('page_fault', 1))}. The second huge page will tell the same story.`,
      holds: f => f.phase('page_fault') === 512 && f.phase('page_fault', 1) === 1,
    },
    {
      go: [{ endOf: 'execute' }],
      say: f =>
        `In the end ${n(f.phase('page_fault'))} faults stand against ${n(f.phase('page_fault', 1))}, one per page against one per huge page. Both sides map the same pages with the same rights; only the way there differs.`,
      holds: f => f.phase('page_fault') === f.pages && f.phase('page_fault', 1) === f.pages / 512 && f.mapped(1) === f.mapped(1, 1),
    },
    {
      go: [{ scene: 1 }, { endOf: 'populate' }],
      say: f =>
        `The same with 1 GiB in a single page of the host: a run so large that a step is now a whole program. Everything is mapped by ${many(f.all('pages_1g'), 'entry', 'entries')} at level 3.`,
      holds: f => f.all('pages_1g') === 1 && f.level() === 3 && f.level(1) === 3,
    },
    {
      go: [{ endOf: 'execute' }],
      say: f =>
        `One call into every page: ${n(f.phase('page_fault'))} faults left, after a single zap; ${n(f.phase('page_fault', 1))} right, because a split 1 GiB page has 2 MiB parts, which are not executable either. That is the gap that the posting set out to close.`,
      holds: f => f.phase('spte.zap.1g') === 1 && f.phase('page_fault') === 262_144 && f.phase('page_fault', 1) === 512,
    },
  ],
};
