/**
 * The legacy MMU held against what every backend has to keep: the same counts by runs, single accesses and stages, on its own frame maps and on the oracle's, with
 * register writes mixed in; nothing left behind.
 */
import type { ControlWrite } from '@mmulab/api';
import { describeConformance } from '@mmulab/testkit';
import { shadowDefinition } from './definition';
import { ShadowBackend } from './shadow-backend';

const controls: readonly ControlWrite[] = [
  { register: 'cr0', bit: 'wp', value: 'toggle' },
  { register: 'cr4', bit: 'smep', value: 'toggle' },
  { register: 'cr4', bit: 'smap', value: 'toggle' },
  { register: 'cr4', bit: 'pge', value: 'toggle' },
  { register: 'cr4', bit: 'pcide', value: 'toggle' },
  { register: 'efer', bit: 'nx', value: 'toggle' },
  { register: 'cr3', space: 0 },
  { register: 'invlpg', vfn: 0x400 },
  { register: 'smm', value: 1 },
  { register: 'smm', value: 0 },
];

describeConformance(shadowDefinition, (options, host, counters, engines) => new ShadowBackend(options, host, counters, engines), {
  controls,
  // Shadow paging has no tables to fill ahead.
  accepts: (op, { npt }) => op.op !== 'pre_fault' || npt === 'Y',
  sequences: 12,
  hugeSequences: 1,
});
