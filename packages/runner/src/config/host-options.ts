/**
 * Facts about the host that no backend has to declare: its memory policy and the size of the machine. A backend's own option of the same name wins.
 */
import type { BackendDefinition, OptionSpec } from '@mmulab/api';
import { hostMemoryOptions } from '../host/releases';
import { vcpuSchedulingOption } from '../sim/vcpu-scheduling';

const MAX_CPUS = 65536;

const commonHostOptions: readonly OptionSpec[] = [
  {
    kind: 'choice',
    name: 'thp',
    choices: ['always', 'madvise', 'never'],
    default: 'madvise',
    doc: 'Transparent huge pages. The tests ask for them or refuse them, so only never makes a difference: anonymous_thp then has small pages.',
  },
  ...hostMemoryOptions,
  vcpuSchedulingOption,
  { kind: 'number', name: 'sockets', default: 1, min: 1, max: 1024, integer: true, doc: 'CPU sockets of the host; counts do not depend on it.' },
  {
    kind: 'number',
    name: 'cores',
    default: 1,
    min: 1,
    max: MAX_CPUS,
    integer: true,
    doc: 'CPU cores of the host, all sockets together; counts do not depend on it.',
  },
  {
    kind: 'number',
    name: 'threads',
    default: 1,
    min: 1,
    max: MAX_CPUS,
    integer: true,
    doc: 'Hardware threads of the host, all cores together; counts do not depend on it.',
  },
];

/** Host options of a run with this backend. */
export function hostOptionSpecs(definition: BackendDefinition): readonly OptionSpec[] {
  const own = definition.hostOptions.map(option => option.name);
  return [...definition.hostOptions, ...commonHostOptions.filter(option => !own.includes(option.name))];
}
