/**
 * The backend counts the same however it is driven, and on the oracle.
 */
import 'reflect-metadata';
import { describeConformance } from '@mmulab/testkit';
import { definition } from './definition';
import { RiscvGstage } from './riscv-gstage';

describeConformance(definition, (options, host, counters, engines) => new RiscvGstage(options, host, counters, engines), {
  keepsTables: 'no kernel frees a table of the G-stage',
  sequences: 12,
  hugeSequences: 0,
});
