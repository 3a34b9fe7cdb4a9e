/**
 * The kinds of host memory the runner brings, found by name for one machine.
 */
import { PAGE_SIZE_BYTES, formatSize, suggestName, type BackendDefinition, type HostBacking, type Machine, type OptionValues } from '@mmulab/api';
import { backingNotRepresentable, unknownBacking } from '../errors';
import { anonymous } from './anonymous';
import type { ChangesHost } from './host-changes';
import { HUGETLB_SIZES, hugetlbBytes, hugetlbSizes, levelSizeBytes, privateHugetlb, sharedHugetlb, type HugetlbHost } from './hugetlb';
import { privateFile } from './private-file';
import { shmem, shmemThp } from './shmem';
import { anonymousThp, anonymousThpNever, type ThpPolicy } from './thp';

/** What of the machine and its kernel decides how a backing behaves. What is left out is as on the newest kernel. */
export interface BackingHost extends HugetlbHost, Partial<ThpPolicy>, ChangesHost {
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
    mprotectRestores: RESTORES.indexOf(String(host['mprotect_restores'] ?? 'huge')),
    mprotectByGib: host['mprotect_notify'] === 'gib',
    madviseCollapse: host['madvise_collapse'] !== 'N',
  };
}

/** Values of `mprotect_restores`, by the largest level of pages that are writable again. */
const RESTORES = ['none', 'small', 'huge'];

const DEFAULT_HOST: BackingHost = { pageSizeBytes: PAGE_SIZE_BYTES, thp: 'madvise' };
const PRIVATE_HUGETLB = 'anonymous_hugetlb';
const MEMFD_HUGETLB = 'memfd_hugetlb';

/** All backings that a machine can have, hugetlb sizes that its pools cannot have left out. */
export function builtInBackings(host: BackingHost = DEFAULT_HOST): readonly HostBacking[] {
  const { thp, hugeZeroWrite = true, pageTableReclaim = true } = host;
  const huge = thp === 'never' ? anonymousThpNever : anonymousThp({ hugeZeroWrite, pageTableReclaim });
  const shared = [shmem(), sharedHugetlb('shared_hugetlb', host)];
  return [
    anonymous,
    huge,
    privateHugetlb(PRIVATE_HUGETLB, host),
    ...sized(PRIVATE_HUGETLB, host, privateHugetlb),
    ...shared,
    ...beyondSelftests(host),
  ];
}

/** Kinds of memory that VMMs use and the tests do not. */
function beyondSelftests(host: BackingHost): readonly HostBacking[] {
  const memfd = shmem('memfd', 'A memfd in small pages, writable from the first access on: as shmem. Not of the selftests.');
  return [
    ...(host.thp === 'never' ? [] : [shmemThp]),
    memfd,
    sharedHugetlb(MEMFD_HUGETLB, host),
    ...sized(MEMFD_HUGETLB, host, sharedHugetlb),
    privateFile,
  ];
}

/** One backing per size of hugetlb pages that the host has and the tests have a name for. */
function sized(prefix: string, host: BackingHost, make: typeof privateHugetlb): readonly HostBacking[] {
  const sizes = hugetlbSizes(host);
  return Object.entries(HUGETLB_SIZES).flatMap(([name, bytes]) => {
    const size = sizes.find(candidate => hugetlbBytes(candidate, host.pageSizeBytes) === bytes);
    return size === undefined ? [] : [make(`${prefix}_${name}`, host, size)];
  });
}

/** Names of all backings, those included that only some machines can have. */
export function builtInBackingNames(): readonly string[] {
  const names = builtInBackings().map(backing => backing.name);
  return [...new Set([...names, ...[PRIVATE_HUGETLB, MEMFD_HUGETLB].flatMap(prefix => Object.keys(HUGETLB_SIZES).map(size => `${prefix}_${size}`))])];
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

/** What a kind of host memory gives on one machine. */
export interface ListedBacking {
  readonly name: string;
  readonly doc: string;
  /** By machine (`x86 4K`, `arm64 16K`): its pages, and the leaves they are mapped in where those are smaller; empty where the machine has none. */
  readonly pages: Readonly<Record<string, string>>;
}

/** All kinds of host memory with what they give on the machines of some backends, one per page size of the host. */
export function listBackings(definitions: readonly BackendDefinition[], contributed: readonly HostBacking[] = []): readonly ListedBacking[] {
  const machines = new Map(definitions.flatMap(machinesOf));
  const found = [...machines].map(([machine, host]) => [machine, host.pageSizeBytes, [...builtInBackings(host), ...contributed]] as const);
  const names = [...builtInBackingNames(), ...contributed.map(({ name }) => name)];
  return names.flatMap(name => {
    const on = found.map(([machine, bytes, backings]) => [machine, bytes, backings.find(backing => backing.name === name)] as const);
    const first = on.find(([, , backing]) => backing !== undefined)?.[2];
    if (first === undefined) return [];
    const pages = on.map(([machine, bytes, backing]) => [machine, backing === undefined ? '' : pagesOf(backing, bytes)]);
    return [{ name, doc: first.doc, pages: Object.fromEntries(pages) as Readonly<Record<string, string>> }];
  });
}

/** The machines a backend can have, by architecture and page size. */
function machinesOf(definition: BackendDefinition): readonly (readonly [string, BackingHost])[] {
  const usual = Object.fromEntries(definition.hostOptions.map(option => [option.name, option.default]));
  const granule = definition.hostOptions.find(option => option.name === 'granule');
  const granules = granule?.kind === 'choice' ? granule.choices.map(choice => ({ granule: choice })) : [{}];
  return granules.map(over => {
    const machine = definition.machine({ ...usual, ...over });
    return [`${definition.arch} ${formatSize(machine.pageSizeBytes)}`, backingHost(machine, {})];
  });
}

function pagesOf({ pageLevel, contiguous }: HostBacking, pageSizeBytes: number): string {
  const leaf = levelSizeBytes(pageLevel, pageSizeBytes);
  return contiguous === undefined ? formatSize(leaf) : `${formatSize(leaf * contiguous)} in ${formatSize(leaf)}`;
}
