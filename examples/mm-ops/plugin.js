/**
 * Callbacks of one's own in the world around stage-2 tables, as a plugin.
 *
 * The arm64 backend reaches the host through mm_ops. This plugin binds an object with three of the callbacks: they are called beside the kernel's own counting,
 * and say at the end how much cache and TLB maintenance they were asked for.
 *
 *   npx mmulab run --plugin ./examples/mm-ops --backend arm64-stage2 -- kvm_page_table_test -b 16M -s anonymous_hugetlb_2mb
 */
'use strict';
const { contributePatch } = require('@mmulab/api');
const { Stage2MmOps } = require('@mmulab/arm64');
const { ContainerModule } = require('inversify');

const asked = { calls: 0, bytes: 0, tlbi: 0, tables: 0 };

/** Only what is of interest: an absent callback costs nothing. */
const mmOps = {
  dcacheCleanInvalPoc(_hvf, sizeBytes, count) {
    asked.calls += count;
    asked.bytes += sizeBytes * count;
  },
  tlbi(_gfn, _level, count) {
    asked.tlbi += count;
  },
  zallocPage(_gfn, _level, count) {
    asked.tables += count;
  },
};

process.on('exit', () => {
  const mib = asked.bytes / 2 ** 20;
  process.stderr.write(`mm_ops: ${asked.calls} cleans of ${mib} MiB, ${asked.tlbi} TLB invalidations, ${asked.tables} table pages\n`);
});

module.exports.default = new ContainerModule(load => {
  // A patch that changes no count: it is there for every run of the backend.
  contributePatch(load, { name: 'mm-ops', doc: 'Says what mm_ops were asked for.', of: 'arm64-stage2', always: true }, run => {
    run.bind(Stage2MmOps).toConstantValue(mmOps);
  });
});
