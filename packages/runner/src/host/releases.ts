/**
 * What the host's own memory management does, by kernel release: the switches that no backend owns, since they concern host memory alone.
 *
 * They are host options with one table for all architectures, resolved from the same release as the backend's. A release older or newer than the
 * backend's profiles counts as the profile at that end, here as there.
 */
import { kernelValues, parseRelease, profilesOf, type BackendDefinition, type KernelSwitch, type OptionSpec, type OptionValues } from '@mmulab/api';

/** Options of host memory whose default hangs on the kernel. Defaults are those of the newest one. */
export const hostMemoryOptions: readonly OptionSpec[] = [
  {
    kind: 'choice',
    name: 'huge_zero_write',
    choices: ['split', 'huge'],
    default: 'huge',
    doc: 'What a write to the huge zero page brings: small pages, so that the block stays small, or a huge page in its place (6.13).',
  },
  {
    kind: 'flag',
    name: 'page_table_reclaim',
    default: 'Y',
    doc: 'Dropping a whole block of memory frees the table of small pages it had, so that it can be huge again (x86 6.14, others 7.0).',
  },
  {
    kind: 'flag',
    name: 'hugetlb_dontneed',
    default: 'Y',
    doc: 'MADV_DONTNEED drops hugetlb memory (5.18); before, the kernel answers EINVAL.',
  },
  {
    kind: 'choice',
    name: 'mprotect_restores',
    choices: ['none', 'small', 'huge'],
    default: 'huge',
    doc: 'Private pages that mprotect makes writable at once when it gives the right back: none, small ones (6.0), transparent huge ones, too (6.2). Others wait for a write.',
  },
  {
    kind: 'choice',
    name: 'mprotect_notify',
    choices: ['gib', 'once'],
    default: 'once',
    doc: 'Calls of the MMU notifier by one mprotect: one for each GiB that has pages, or one (6.12).',
  },
  {
    kind: 'flag',
    name: 'madvise_collapse',
    default: 'Y',
    doc: 'There is MADV_COLLAPSE (6.1); before, the kernel answers EINVAL.',
  },
];

/** In which release each of them changed. */
function hostMemorySwitches(arch: string): readonly KernelSwitch[] {
  return [
    // Between 6.12.107 and 6.16.12 by the records.
    { option: 'huge_zero_write', first: 'split', changes: [{ since: '6.13', value: 'huge', basis: 'reference' }] },
    // Others: not in 6.18.15, in 7.2.12 by the records. x86 had it first.
    { option: 'page_table_reclaim', first: 'N', changes: [{ since: arch === 'x86' ? '6.14' : '7.0', value: 'Y', basis: 'judgement' }] },
    // Not in 5.10.223, in 6.1.176 by the records.
    { option: 'hugetlb_dontneed', first: 'N', changes: [{ since: '5.18', value: 'Y', basis: 'judgement' }] },
    // Measured on arm64: none on 5.10, small pages on 6.1, huge ones on 6.12.
    {
      option: 'mprotect_restores',
      first: 'none',
      changes: [
        { since: '6.0', value: 'small', basis: 'judgement' },
        { since: '6.2', value: 'huge', basis: 'judgement' },
      ],
    },
    { option: 'mprotect_notify', first: 'gib', changes: [{ since: '6.12', value: 'once', basis: 'judgement' }] },
    { option: 'madvise_collapse', first: 'N', changes: [{ since: '6.1', value: 'Y', basis: 'reference' }] },
  ];
}

/**
 * Values of the host's switches for a kernel, as far as it is known.
 * @param kernel release as results name it
 */
export function hostMemoryValues({ arch, profiles }: BackendDefinition, kernel: string): OptionValues {
  const switches = hostMemorySwitches(arch);
  const releases = profiles.filter(({ name }) => parseRelease(name) !== undefined);
  const found = kernelValues({ profiles: profilesOf(switches, releases), switches }, kernel);
  return typeof found === 'string' ? {} : found.values;
}
