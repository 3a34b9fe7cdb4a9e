/**
 * CR0.WP toggles, and the roots that were thrown away for it.
 */
import type { RawConfig } from '@mmulab/runner';
import type { Lesson } from './lesson';
import { many, n } from './lesson-facts';

const run = (backend: string, kernel: string, options: Readonly<Record<string, string>> = {}): RawConfig => ({
  backend: { name: backend, kernel, options },
  host: { vendor: 'amd', pml: 'N' },
  workload: 'cr_churn -m w -n 4 -p 20',
});

export const roots: Lesson = {
  id: 'roots',
  title: 'A toggle of CR0.WP rebuilds six tables',
  document: 'KVM: MMU: do not unload MMU roots on all role changes (February 2022)',
  question: 'A guest kernel lifts its write protection for a moment. Why did the hypervisor throw away its page tables for that?',
  scenes: [
    [run('x86-tdp', '5.10.262'), run('x86-tdp', '5.17', { root_reset: 'lookup' })],
    [run('x86-shadow', '5.10.262'), run('x86-tdp', '6.1.192')],
  ],
  steps: [
    {
      go: [{ endOf: 'warm' }, { page: 0 }],
      say: f =>
        `A guest under two-dimensional paging has touched ${n(f.mapped(1))} pages of its memory. Left is 5.10, right 5.17 with the series as it was posted; both have one root, keyed by a role.`,
      holds: f => f.mapped(1) === 20 && f.roots().length === 1 && f.roots(1).length === 1,
    },
    {
      go: [],
      say: f =>
        `The role of the left root reads “${f.roots()[0]?.role ?? ''}”. Of the guest’s registers it has WP and NX in it, though tables of the second stage do not depend on either.`,
      holds: f => f.roots()[0]?.role.includes('direct') === true && f.roots()[0]?.role.includes('WP') === false,
    },
    {
      go: [{ phase: 'round_1' }, { until: 'mmu.reset_context' }],
      say: f =>
        `The guest toggles CR0.WP: the role changes. 5.10 unloads its root, the last reference goes, and ${many(f.step('table.zap'), 'table')} below it ${f.step('table.zap') === 1 ? 'is' : 'are'} zapped.`,
      holds: f => f.step('mmu.reset_context') === 1 && f.step('table.zap') === 6 && f.mapped(1) === 0,
    },
    {
      go: [],
      say: f =>
        `Right, the old root is not gone but remembered: the vCPU holds ${many(f.roots(1).length, 'root')}, ${f
          .roots(1)
          .map(root => root.holder)
          .join(' and ')}. The new role is met for the first time, so the new root is empty here, too.`,
      holds: f => f.roots(1).length === 2 && f.step('table.zap', 1) === 0 && f.mapped(1, 1) === 0,
    },
    {
      go: [{ steps: 1 }],
      say: f =>
        `Back in the guest, one instruction is fetched: ${many(f.step('page_fault'), 'fault')} and ${many(f.step('table.alloc'), 'new table')} left. The guest’s own page tables have to be mapped again before the page itself.`,
      holds: f => f.step('page_fault') > 1 && f.step('table.alloc') === 3,
    },
    {
      go: [{ until: 'table.alloc' }],
      say: f =>
        `With the first page of its data ${many(f.step('table.alloc'), 'further table')}: ${n(f.phase('table.alloc'))} in all since the toggle. That is everything that the toggle had torn down.`,
      holds: f => f.phase('table.alloc') === 6,
    },
    {
      go: [{ until: 'mmu.reset_context' }],
      say: f =>
        `The second toggle, WP back. Left it all goes again (${many(f.step('table.zap'), 'table')}); right the root of the first role is found in the cache (${n(f.step('root.cache_hit', 1))} hit), and ${n(f.mapped(1, 1))} pages are there at once.`,
      holds: f => f.step('table.zap') === 6 && f.step('root.cache_hit', 1) === 1 && f.mapped(1, 1) === 20,
    },
    {
      go: [{ endOf: 'round_1' }],
      say: f =>
        `A round of four toggles: ${n(f.phase('page_fault'))} faults and ${n(f.phase('table.alloc'))} tables left, ${n(f.phase('page_fault', 1))} and ${n(f.phase('table.alloc', 1))} right, all of these at the first toggle.`,
      holds: f => f.phase('table.alloc') === 24 && f.phase('table.alloc', 1) === 7,
    },
    {
      go: [{ endOf: 'round_2' }],
      say: f =>
        `From now on every round is the same: ${n(f.phase('table.alloc'))} tables left, ${n(f.phase('table.alloc', 1))} right. Six per toggle against none.`,
      holds: f => f.phase('table.alloc') === 24 && f.phase('table.alloc', 1) === 0 && f.phase('page_fault', 1) === 0,
    },
    {
      go: [{ scene: 1 }, { endOf: 'warm' }, { page: 0 }],
      say: f =>
        `Left now is shadow paging on 5.10: ${many(f.shadowPages(), 'shadow page')}, each found by the guest’s frame and a role. Its roots shadow the guest’s own top table, and they do depend on WP.`,
      holds: f => f.shadowPages() > 4 && f.roots()[0]?.role.includes('direct') === false,
    },
    {
      go: [{ endOf: 'round_2' }],
      say: f =>
        `Shadow paging unloads its roots as well, but the pages stay in a hash: ${n(f.phase('root_or_table.hash_hit'))} look-ups found theirs in this round, and ${many(f.phase('table.alloc'), 'table')} ${f.phase('table.alloc') === 0 ? 'was' : 'were'} built. The TDP MMU of 5.10 had no such hash, and so it alone paid.`,
      holds: f => f.phase('root_or_table.hash_hit') === 4 && f.phase('table.alloc') === 0,
    },
    {
      go: [],
      say: f =>
        `Right is 6.1, what shipped: a change of WP alone asks for nothing (${many(f.phase('mmu.reset_context', 1), 'reset')} in this round). The best cache is the question whether anything changed.`,
      holds: f => f.phase('mmu.reset_context', 1) === 0 && f.phase('page_fault', 1) === 0,
    },
  ],
};
