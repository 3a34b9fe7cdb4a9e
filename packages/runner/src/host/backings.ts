/**
 * The kinds of host memory the runner brings, found by name for one machine.
 */
import { PAGE_SIZE_BYTES, formatSize, suggestName, type HostBacking, type Machine, type OptionValues } from '@mmulab/api';
import { backingNotRepresentable, unknownBacking } from '../errors';
import { anonymous } from './anonymous';
import { HUGETLB_SIZES, hugetlbBytes, hugetlbSizes, privateHugetlb, sharedHugetlb, type HugetlbHost } from './hugetlb';
import { shmem } from './shmem';
import { anonymousThp, anonymousThpNever, type ThpPolicy } from './thp';

/** What of the machine and its kernel decides how a backing behaves. What is left out is as on the newest kernel. */
export interface BackingHost extends HugetlbHost, Partial<ThpPolicy> {
  /** Value of the host option `thp`. */
  readonly thp: string;
}

/** What of a run's machine and host options concerns host memory. */
export function backingHost(machine: Machine, host: OptionValues): BackingHost {
  return {
    pageSizeBytes: machine.pageSizeBytes,
    thp: String(host['thp'] ?? 'madvise'),
    contiguous: machine.contiguous,
    hugetlbDontneed: host['hugetlb_dontneed'] !== 'N',
    hugeZeroWrite: host['huge_zero_write'] !== 'split',
    pageTableReclaim: host['page_table_reclaim'] !== 'N',
  };
}

const DEFAULT_HOST: BackingHost = { pageSizeBytes: PAGE_SIZE_BYTES, thp: 'madvise' };
const PRIVATE_HUGETLB = 'anonymous_hugetlb';

/** All backings that a machine can have, hugetlb sizes that its pools cannot have left out. */
export function builtInBackings(host: BackingHost = DEFAULT_HOST): readonly HostBacking[] {
  const { thp, hugeZeroWrite = true, pageTableReclaim = true, pageSizeBytes } = host;
  const sizes = hugetlbSizes(host);
  const sized = Object.entries(HUGETLB_SIZES).flatMap(([name, bytes]) => {
    const size = sizes.find(candidate => hugetlbBytes(candidate, pageSizeBytes) === bytes);
    return size === undefined ? [] : [privateHugetlb(`${PRIVATE_HUGETLB}_${name}`, host, size)];
  });
  const huge = thp === 'never' ? anonymousThpNever : anonymousThp({ hugeZeroWrite, pageTableReclaim });
  return [anonymous, huge, privateHugetlb(PRIVATE_HUGETLB, host), ...sized, shmem, sharedHugetlb('shared_hugetlb', host)];
}

/** Names of all backings, those included that only some machines can have. */
export function builtInBackingNames(): readonly string[] {
  const names = builtInBackings().map(backing => backing.name);
  return [...new Set([...names, ...Object.keys(HUGETLB_SIZES).map(size => `${PRIVATE_HUGETLB}_${size}`)])];
}

/**
 * Finds a backing.
 * @param contributed backings that plugins brought
 * @throws HOST_BACKING_NOT_REPRESENTABLE for a hugetlb size that the machine's pools cannot have; HOST_UNKNOWN_BACKING for any other name
 */
export function findBacking(name: string, contributed: readonly HostBacking[], host: BackingHost): HostBacking {
  const found = [...contributed, ...builtInBackings(host)].find(backing => backing.name === name);
  if (found !== undefined) return found;
  const names = [...contributed.map(backing => backing.name), ...builtInBackingNames()];
  if (!names.includes(name)) throw unknownBacking(name, suggestName(name, names));
  const sizes = hugetlbSizes(host).map(size => formatSize(hugetlbBytes(size, host.pageSizeBytes)));
  throw backingNotRepresentable(name, formatSize(host.pageSizeBytes), sizes);
}
