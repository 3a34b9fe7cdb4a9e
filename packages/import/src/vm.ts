/**
 * What virtual machine managers say of a VM, brought to what a run wants to know: vCPUs, memory that the guest touches, the kind of host memory.
 */
import { formatSize } from '@mmulab/api';
import type { ImportedMemory, ImportedSetting, Reading, LeftOut } from './imported';

/** Host memory behind a VM. */
export interface VmBacking {
  /** Size of hugetlb pages; absent without them. */
  readonly hugeBytes?: number | undefined;
  /** Shared with other processes: memfd, files, vhost-user. */
  readonly shared: boolean;
  /** The VMM asks for transparent huge pages. */
  readonly thp: boolean;
  readonly said: string;
  readonly line?: number | undefined;
}

/** A VM, as far as it concerns a run. */
export interface VmFacts {
  readonly arch?: ImportedSetting | undefined;
  readonly vcpus?: { readonly count: number; readonly said: string; readonly line?: number | undefined } | undefined;
  readonly memory?: ImportedMemory | undefined;
  readonly backing?: VmBacking | undefined;
  readonly leftOut: readonly LeftOut[];
}

const HUGETLB: Readonly<Record<number, string>> = Object.fromEntries(
  (
    [
      ['16kb', 2 ** 14],
      ['64kb', 2 ** 16],
      ['512kb', 2 ** 19],
      ['1mb', 2 ** 20],
      ['2mb', 2 ** 21],
      ['8mb', 2 ** 23],
      ['16mb', 2 ** 24],
      ['32mb', 2 ** 25],
      ['256mb', 2 ** 28],
      ['512mb', 2 ** 29],
      ['1gb', 2 ** 30],
      ['2gb', 2 ** 31],
      ['16gb', 2 ** 34],
    ] as const
  ).map(([name, bytes]) => [bytes, `anonymous_hugetlb_${name}`]),
);
const DEFAULT_HUGE_BYTES = 2 ** 21;

/** Settings of a VM. */
export function readVm({ arch, vcpus, memory, backing, leftOut }: VmFacts): Reading {
  const notes: LeftOut[] = [];
  const settings: ImportedSetting[] = arch === undefined ? [] : [arch];
  if (vcpus !== undefined) settings.push({ key: 'vm.vcpus', value: vcpus.count, said: vcpus.said, line: vcpus.line });
  if (backing !== undefined) {
    settings.push({ key: 'workload.options.backing', value: backingName(backing, notes), said: backing.said, line: backing.line });
  }
  return { settings, memory, leftOut: [...notes, ...leftOut] };
}

function backingName({ hugeBytes, shared, thp, said, line }: VmBacking, notes: LeftOut[]): string {
  if (hugeBytes === undefined) return shared ? 'shmem' : thp ? 'anonymous_thp' : 'anonymous';
  if (shared && hugeBytes === DEFAULT_HUGE_BYTES) return 'shared_hugetlb';
  const name = HUGETLB[hugeBytes];
  if (name === undefined) notes.push({ said, why: `no host has pages of ${formatSize(hugeBytes)}: those of 2M are taken`, line, decided: true });
  else if (shared) notes.push({ said, why: 'shared: private pages of the same size are taken, which count alike', line, decided: true });
  return name ?? 'anonymous_hugetlb_2mb';
}
