import 'reflect-metadata';
import { describeConformance } from '@mmulab/testkit';
import { tdpDefinition } from './definition';
import { TdpBackend } from './tdp-backend';

describeConformance(tdpDefinition, (options, host, counters, world) => new TdpBackend(options, host, counters, world));
