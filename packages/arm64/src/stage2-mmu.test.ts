import 'reflect-metadata';
import type { BackendDefinition } from '@mmulab/api';
import { describeConformance } from '@mmulab/testkit';
import { stage2Definition } from './definition';
import { Stage2Mmu } from './stage2-mmu';

/** The suite's backings are those of 4 KiB pages. */
const definition: BackendDefinition = {
  ...stage2Definition,
  hostOptions: stage2Definition.hostOptions.map(option =>
    option.kind === 'choice' && option.name === 'granule' ? { ...option, choices: ['4K'] } : option,
  ),
};

describeConformance(definition, (options, host, counters, engines) => new Stage2Mmu(options, host, counters, engines), { sequences: 150 });
