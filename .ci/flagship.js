/**
 * What `npm start` shows: the flagship comparisons, each with the counters that tell its story. No dependencies; run from the project's root.
 */
'use strict';
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');

const mmulab = join(__dirname, '..', 'packages', 'cli', 'bin', 'mmulab.js');

/** Config, phases and counters of each comparison. */
const comparisons = [
  [
    'split-huge-pages',
    'populate,enable_log,dirty_1,execute',
    'page_fault,pf_fast,remote_tlb_flush_requests,table.alloc,spte.zap.1g,huge_split.2m,spte.install.4k,dirty_bitmap.set',
  ],
  [
    'arm64-cmo',
    'create_mappings,update_mappings,adjust_mappings',
    'guest_abort,stage2.map.eagain,dcache_clean_inval_poc,dcache_clean_inval_poc.bytes,tlbi.ipa,tlbi.vmid,table.alloc',
  ],
  ['cr0-wp-churn', 'round_1,round_2', 'mmu.load,root_or_table.hash_hit,root.cache_hit,table.alloc,page_fault,tlb_flush.hw'],
];

for (const [name, phases, counters] of comparisons) {
  const command = ['compare', '--quiet', '--phases', phases, '--counters', counters, `examples/seeds/${name}.yaml`];
  process.stdout.write(`\n$ npx mmulab ${command.join(' ')}\n\n`);
  const { status, error } = spawnSync(process.execPath, [mmulab, ...command], { stdio: 'inherit', cwd: join(__dirname, '..') });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
