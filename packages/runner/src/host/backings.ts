/**
 * The kinds of host memory the runner brings, found by name for one machine.
 */
import { PAGE_SIZE_BYTES, formatSize, suggestName, type HostBacking } from '@mmulab/api';
import { backingNotRepresentable, unknownBacking } from '../errors';
import { anonymous } from './anonymous';
import { HUGETLB_SIZES, hugetlbLevel, levelSizeBytes, privateHugetlb, sharedHugetlb } from './hugetlb';
import { shmem } from './shmem';
import { anonymousThp, anonymousThpNever } from './thp';

/** What of the machine decides how a backing behaves. */
export interface BackingHost {
  readonly pageSizeBytes: number;
  /** Value of the host option `thp`. */
  readonly thp: string;
}

const DEFAULT_HOST: BackingHost = { pageSizeBytes: PAGE_SIZE_BYTES, thp: 'madvise' };
const HUGETLB_PREFIX = 'anonymous_hugetlb_';

/** All backings that a machine can have, hugetlb sizes without an entry of that size left out. */
export function builtInBackings(host: BackingHost = DEFAULT_HOST): readonly HostBacking[] {
  const { pageSizeBytes } = host;
  const sized = Object.entries(HUGETLB_SIZES).flatMap(([size, bytes]) => {
    const level = hugetlbLevel(bytes, pageSizeBytes);
    return level === undefined ? [] : [privateHugetlb(HUGETLB_PREFIX + size, pageSizeBytes, level)];
  });
  const thp = host.thp === 'never' ? anonymousThpNever : anonymousThp;
  return [anonymous, thp, privateHugetlb('anonymous_hugetlb', pageSizeBytes), ...sized, shmem, sharedHugetlb(pageSizeBytes)];
}

/** Names of all backings, those included that only some machines can have. */
export function builtInBackingNames(): readonly string[] {
  const names = builtInBackings().map(backing => backing.name);
  return [...new Set([...names, ...Object.keys(HUGETLB_SIZES).map(size => HUGETLB_PREFIX + size)])];
}

/**
 * Finds a backing.
 * @param contributed backings that plugins brought
 * @throws HOST_BACKING_NOT_REPRESENTABLE for a hugetlb size no table entry of the machine has; HOST_UNKNOWN_BACKING for any other name
 */
export function findBacking(name: string, contributed: readonly HostBacking[], host: BackingHost): HostBacking {
  const found = [...contributed, ...builtInBackings(host)].find(backing => backing.name === name);
  if (found !== undefined) return found;
  const names = [...contributed.map(backing => backing.name), ...builtInBackingNames()];
  if (!names.includes(name)) throw unknownBacking(name, suggestName(name, names));
  const sizes = [2, 3].map(level => formatSize(levelSizeBytes(level, host.pageSizeBytes)));
  throw backingNotRepresentable(name, formatSize(host.pageSizeBytes), sizes);
}
