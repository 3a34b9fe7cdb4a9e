/**
 * A nested guest, and the rights that its shadow pages forgot.
 */
import type { RawConfig } from '@mmulab/runner';
import type { Lesson } from './lesson';
import { many, n } from './lesson-facts';

const run = (cached: string): RawConfig => ({
  backend: { name: 'x86-tdp', kernel: '6.12.117', options: { nx_huge_pages: 'Y', shadowed_access_cache: cached, eager_page_split: cached } },
  host: { vendor: 'amd' },
  workload: 'nested_rounds -b 4M -L -s anonymous_hugetlb_2mb -p w,D,x,w',
});

export const nested: Lesson = {
  id: 'nested',
  title: 'The rights of a nested guest',
  document: 'Cache the access bits of shadowed translations: review of the patch (March 2022)',
  question: 'KVM can split the huge pages of a guest beforehand. Why not those of a guest inside the guest?',
  scenes: [[run('N'), run('Y')]],
  steps: [
    {
      go: [{ page: 0 }],
      say: () =>
        `A guest (L1) runs a guest of its own (L2). Left, KVM forgets which rights L1 gave to each translation it shadows; right it keeps them, three bits per entry, and may therefore split eagerly.`,
      holds: f => f.mapped(0) === f.pages,
    },
    {
      go: [{ until: 'mmu.load' }, { until: 'mmu.load' }],
      say: f =>
        `L1 enters L2: KVM loads a second root, ${f
          .roots()
          .map(root => root.holder)
          .join(' beside ')}. Its tables shadow L1’s own second-stage tables, combined with what the host gives L1.`,
      holds: f => f.roots().some(root => root.holder.startsWith('nested')) && f.step('mmu.load') === 1,
    },
    {
      go: [{ endOf: 'noop' }],
      say: f =>
        `L2 has fetched its first instructions. Each fault was resolved through two sets of tables; ${n(f.phase('shadow.set_spte'))} shadow entries were written, more than were asked for, as KVM fills in neighbours while it is there.`,
      holds: f => f.phase('shadow.set_spte') > f.phase('page_fault') / 4 && f.phase('shadow.set_spte') > 0,
    },
    {
      go: [{ phase: '1_w' }, { until: 'page_fault' }],
      say: f =>
        `L2 writes its memory. L1 maps it with 2 MiB entries and the host has huge pages, so one fault maps ${n(f.mapped(2))} pages at level 2, not executable, because the NX huge page workaround is on.`,
      holds: f => f.mapped(2) === 512 && !f.isExecutable() && f.isWritable(),
    },
    {
      go: [{ endOf: '1_w' }],
      say: f => `All of L2’s memory is mapped by ${many(f.phase('shadow.set_spte'), 'entry', 'entries')}. So far both sides are the same.`,
      holds: f => f.mapped(2) === f.pages && f.mapped(2, 1) === f.pages && f.phase('page_fault') === f.phase('page_fault', 1),
    },
    {
      go: [{ phase: '2_D', steps: 1 }],
      say: f =>
        `Dirty logging begins. Left the huge pages are write-protected and stay; right they are split, ${many(f.step('huge_split.2m', 1), 'split')} counted, and ${n(f.mapped(1, 1))} pages are mapped at level 1.`,
      holds: f => f.mapped(2) === f.pages && f.mapped(1, 1) === f.pages && f.step('huge_split.2m', 1) > 0 && f.step('huge_split.2m') === 0,
    },
    {
      go: [],
      say: f =>
        `Look at a page on the right: it is ${f.isExecutable(1) ? 'executable' : 'not executable'}. A part of a split page may be executed only if L1 allowed it, and that is what the cached bits tell; the huge entry itself, stripped by the workaround, could not.`,
      holds: f => f.isExecutable(1) && !f.isExecutable(),
    },
    {
      go: [{ phase: '3_x' }, { until: 'page_fault' }],
      say: f =>
        `L2 executes from its first page. Left that is ${many(f.step('page_fault'), 'fault')}: the huge page gives way to a table with a single page.`,
      holds: f => f.step('page_fault') === 1 && f.mapped(1) === 1,
    },
    {
      go: [{ steps: 1 }],
      say: f => `The next page: ${many(f.step('page_fault'), 'fault')} left, ${many(f.step('page_fault', 1), 'fault')} right.`,
      holds: f => f.step('page_fault') === 1 && f.step('page_fault', 1) === 0,
    },
    {
      go: [{ endOf: '3_x' }],
      say: f =>
        `Every page executed: ${n(f.phase('page_fault'))} faults left, ${n(f.phase('page_fault', 1))} right. Three bits per entry were worth that much.`,
      holds: f => f.phase('page_fault') === f.pages && f.phase('page_fault', 1) === 0,
    },
    {
      go: [{ endOf: '4_w' }],
      say: f =>
        `L2 writes everything once more: ${n(f.phase('page_fault'))} faults left, ${n(f.phase('page_fault', 1))} right. The right side’s pages were write-protected by the log and had not been written since; the left side’s were mapped writable by their faults.`,
      holds: f => f.phase('page_fault', 1) === f.pages && f.phase('page_fault') < f.phase('page_fault', 1),
    },
    {
      go: [],
      say: f =>
        `So in all ${n(f.all('page_fault'))} faults stand against ${n(f.all('page_fault', 1))}: here the gain is one of time, not of number. The right side’s are paid for writing, which the log has to see; the left side’s, for executing.`,
      holds: f => Math.abs(f.all('page_fault') - f.all('page_fault', 1)) < f.pages,
    },
  ],
};
