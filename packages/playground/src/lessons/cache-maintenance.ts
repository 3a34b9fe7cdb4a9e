/**
 * Who cleans the data cache on arm64: every fault, or whoever installs the entry.
 */
import type { RawConfig } from '@mmulab/runner';
import type { Lesson } from './lesson';
import { many, n, size } from './lesson-facts';

const run = (cmo: string): RawConfig => ({
  backend: { name: 'arm64-stage2', kernel: '6.1.176', options: { cmo } },
  workload: 'access_rounds -v 4 -b 2M -s anonymous_hugetlb_2mb -o -p w',
});
const CLEAN = 'dcache_clean_inval_poc';
const BYTES = 'dcache_clean_inval_poc.bytes';
const MAPPED = 'leaf.install.2m';

export const cacheMaintenance: Lesson = {
  id: 'cache-maintenance',
  title: 'Four vCPUs clean one block',
  document: 'KVM: arm64: Improve efficiency of stage2 page table, v6 (June 2021)',
  question: 'Four vCPUs touch the same 2 MiB block at the same moment. Why was it cleaned from the cache four times?',
  scenes: [[run('abort'), run('walker')]],
  steps: [
    {
      go: [{ page: 0 }],
      say: f =>
        `A VM with ${many(f.vcpus(), 'vCPU')} that share ${n(f.pages)} pages, one block of 2 MiB. Left is the kernel in which the abort handler cleans the cache, right the one in which the page-table walker does.`,
      holds: f => f.vcpus() === 4 && f.mapped(0) === f.pages && f.mapped(0, 1) === f.pages,
    },
    {
      go: [{ endOf: 'noop' }],
      say: f =>
        `The vCPUs have started, and their code and stacks are mapped. Each page was cleaned when it was mapped, ${n(f.phase(CLEAN))} times left and ${n(f.phase(CLEAN, 1))} right: no vCPU had a rival yet.`,
      holds: f => f.phase(CLEAN) === f.phase(CLEAN, 1) && f.mapped(0) === f.pages,
    },
    {
      go: [{ phase: '1_w', steps: 1 }],
      say: () =>
        `Now all of them write the same memory, and a step is one stage of one vCPU’s fault. Their guest’s own tables come first: the hardware reads them through stage 2, and faults there too.`,
      holds: f => f.phaseName === '1_w' && f.phase(MAPPED) === 0,
    },
    {
      go: [{ until: 'stage2.map.eagain' }],
      say: f =>
        `A vCPU was too late: the entry it wanted had been made while it waited for mmu_lock (EAGAIN, ${n(f.phase('stage2.map.eagain'))} so far on the left). It had cleaned its page before it knew.`,
      holds: f => f.step('stage2.map.eagain') === 1,
    },
    {
      go: [{ until: MAPPED }],
      say: f =>
        `Left, one vCPU has installed the block. It cleaned ${size(f.phase(BYTES))} so far, nearly all of it for this block of 2 MiB, under the lock that the others wait for.`,
      holds: f => f.phase(MAPPED) === 1 && f.phase(BYTES) > 2 ** 21 && f.level() === 2,
    },
    {
      go: [{ until: BYTES }],
      say: f =>
        `The next vCPU gets the lock, and cleans the same block again: ${n(f.step(BYTES))} more bytes. The block has been mapped already, and nobody has asked.`,
      holds: f => f.step(BYTES) === 2 ** 21 && f.phase(MAPPED) === 1,
    },
    {
      go: [{ until: 'stage2.map.eagain' }],
      say: f =>
        `Only afterwards its walk finds that there is nothing to do: EAGAIN, and back into the guest. ${n(f.phase(BYTES))} bytes are cleaned by now.`,
      holds: f => f.phase(MAPPED) === 1 && f.phase(BYTES) > 2 * 2 ** 21,
    },
    {
      go: [{ until: BYTES }],
      say: f => `The third does the same: ${n(f.step(BYTES))} bytes. A fault that has lost the race pays as much as the one that won it.`,
      holds: f => f.step(BYTES) === 2 ** 21 && f.phase(MAPPED) === 1,
    },
    {
      go: [{ until: BYTES }],
      say: f => `And the fourth. In all ${size(f.phase(BYTES) - (f.phase(BYTES) % 2 ** 21))} were cleaned for a block of 2 MiB: once per vCPU.`,
      holds: f => Math.floor(f.phase(BYTES) / 2 ** 21) === f.vcpus(),
    },
    {
      go: [{ endOf: '1_w' }],
      say: f =>
        `The right side, at its end: one vCPU installed the block, and its walker cleaned it, ${n(f.phase(BYTES, 1))} bytes in all. The others came to the entry first, found it made, and went back.`,
      holds: f => f.phase(MAPPED, 1) === 1 && Math.floor(f.phase(BYTES, 1) / 2 ** 21) === 1,
    },
    {
      go: [],
      say: f =>
        `Beside each other: ${many(f.phase(CLEAN), 'clean')} against ${n(f.phase(CLEAN, 1))}, ${n(f.phase(BYTES))} bytes against ${n(f.phase(BYTES, 1))}. With V vCPUs on one block the ratio tends to V.`,
      holds: f => f.phase(BYTES) > 3.5 * f.phase(BYTES, 1) && f.phase(BYTES) < 4.5 * f.phase(BYTES, 1),
    },
    {
      go: [],
      say: f =>
        `The faults themselves are nearly as many: ${n(f.phase('guest_abort'))} and ${n(f.phase('guest_abort', 1))}. The series saves no fault; it asks the question before it does the work.`,
      holds: f => Math.abs(f.phase('guest_abort') - f.phase('guest_abort', 1)) <= 4,
    },
  ],
};
