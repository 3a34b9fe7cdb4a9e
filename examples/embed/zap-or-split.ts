/**
 * mmulab from code: what executing from huge pages costs when the NX workaround zaps them, and when it splits them.
 *
 *   npx tsc --strict --module node16 --target es2022 zap-or-split.ts && node zap-or-split.js
 */
import { run } from '@mmulab/cli';

const results = run({
  name: 'Executing from 2 MiB pages',
  backend: { name: 'x86-tdp', kernel: '6.1.192', options: { nx_huge_pages: 'Y' } },
  workload: { name: 'execute_perf_test', options: { vcpus: 2, bytes: '16M', backing: 'anonymous_hugetlb_2mb' } },
  vary: { huge_page_fault: ['zap', 'split'] },
});

const faults = results.map(result => result.phases.find(({ phase }) => phase === 'execute')?.counters['page_fault'] ?? 0);
const [zap = 0, split = 0] = faults;

console.log(`zap: ${zap} faults while executing 32 MiB`);
console.log(`split: ${split} faults while executing 32 MiB`);
console.log(`${zap / split}x fewer`);
