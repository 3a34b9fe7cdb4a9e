/**
 * The host option that says how vCPUs that share memory run.
 */
import type { OptionSpec, OptionValues } from '@mmulab/api';

const NAME = 'vcpu_scheduling';
const SLICED = 'sliced';

export const vcpuSchedulingOption: OptionSpec = {
  kind: 'choice',
  name: NAME,
  choices: ['parallel', SLICED],
  default: 'parallel',
  doc: 'How vCPUs that share memory run: side by side, or in turns on one CPU as under single-threaded emulation. Only races depend on it.',
};

/** Whether vCPUs take turns. @param host options of a host */
export function isSliced(host: OptionValues): boolean {
  return host[NAME] === SLICED;
}
