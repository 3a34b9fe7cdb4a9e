/**
 * What the tests built on the library for memory stress have in common: memory per vCPU, in parts or overlapping, and one pass over it.
 *
 * The library of 6.1 (perf_test_util) writes every n-th page of a vCPU's part and reads the others, the same in each pass. That of 6.12
 * (memstress) draws a number per page: a write where it falls below the percentage. Its generator starts from the vCPU's number, so that
 * vCPU 0 stays at 0 and always writes, and it runs on from pass to pass, also where the percentage is 0 or 100.
 *
 * Models: Linux 6.1 tools/testing/selftests/kvm/lib/perf_test_util.c; 6.12 lib/memstress.c.
 */
import { AccessKind, type BackingUse, type VcpuProgram, type WorkloadRequest } from '@mmulab/api';
import { memoryTooLarge, sizeUnaligned, slotsUneven, unsupportedMode } from './errors';
import { layOutGuest, type GuestLayout } from './guest-layout';
import { resolveGuestMode, type Generation, type GuestMode } from './guest-mode';
import { MAX_TEST_MEMORY_BYTES, numberValue, switchValue, textValue } from './option-values';
import { accesses } from './steps';

/** How the pages of a pass are touched. */
export interface PassStyle {
  /** 6.1: every n-th page is written, the first included. */
  readonly writeFraction: number;
  /** 6.12: chance of a write, in percent. */
  readonly writePercent: number;
  /** 6.12: pages are drawn, too. */
  readonly randomOrder: boolean;
}

/** Every page is written, in ascending order. */
export const WRITE_ALL: PassStyle = { writeFraction: 1, writePercent: 100, randomOrder: false };

/** A vCPU's share of the test memory, in frames relative to its start. */
export interface Share {
  readonly firstPage: number;
  readonly npages: number;
}

/** A laid-out test of this family. */
export interface Memstress {
  readonly layout: GuestLayout;
  readonly generation: Generation;
  readonly mode: GuestMode;
  readonly vcpus: number;
  /** Whether vCPUs touch the same memory. */
  readonly shared: boolean;
  share(vcpu: number): Share;
  /** Accesses of one pass of one vCPU. */
  pass(vcpu: number, style: PassStyle): VcpuProgram;
  /** Programs of all vCPUs for their first guest step. */
  start(style: PassStyle): VcpuProgram[];
  /** Programs of all vCPUs for a later guest step. */
  again(style: PassStyle): VcpuProgram[];
}

/** What differs from test to test. */
export interface MemstressOptions {
  readonly generation: Generation;
  /** Memslots of equal size. */
  readonly slots?: number;
  readonly use?: BackingUse;
}

/**
 * Lays out a test from its options `vcpus`, `bytes` (per vCPU), `backing`, `overlap`, `guest_mode`.
 * @throws MmulabError for sizes that do not fit together
 */
export function planMemstress(workload: string, request: WorkloadRequest, { generation, slots = 1, use }: MemstressOptions): Memstress {
  const { options, machine } = request;
  const mode = resolveGuestMode(workload, textValue(options, 'guest_mode'), generation, machine);
  const vcpus = numberValue(options, 'vcpus');
  const bytes = numberValue(options, 'bytes');
  if (bytes % mode.pageSizeBytes !== 0) throw sizeUnaligned(workload, 'bytes', bytes, mode.pageSizeBytes);
  if (bytes * vcpus > MAX_TEST_MEMORY_BYTES) throw memoryTooLarge(workload, bytes * vcpus, MAX_TEST_MEMORY_BYTES);
  if (generation === '6.12') rejectMixedPages(workload, mode);
  const sharePages = bytes / machine.pageSizeBytes;
  const npages = sharePages * vcpus;
  if ((npages / mode.pageFrames) % slots !== 0) throw slotsUneven(workload, npages / mode.pageFrames, slots);
  const backing = request.backing(textValue(options, 'backing'), use);
  const layout = layOutGuest(request, { workload, program: 'perf', generation, mode, vcpus, npages, backing, slots });
  const overlap = switchValue(options, 'overlap');
  return memstress({ layout, generation, mode, vcpus, sharePages, overlap });
}

/** The generator draws a guest page; its runs have no stride. */
function rejectMixedPages(workload: string, mode: GuestMode): void {
  if (mode.pageFrames > 1) throw unsupportedMode(workload, mode.name, "random accesses in pages larger than the host's are not simulated");
}

interface MemstressSpec {
  readonly layout: GuestLayout;
  readonly generation: Generation;
  readonly mode: GuestMode;
  readonly vcpus: number;
  readonly sharePages: number;
  readonly overlap: boolean;
}

function memstress({ layout, generation, mode, vcpus, sharePages, overlap }: MemstressSpec): Memstress {
  const everyone = Array.from({ length: vcpus }, (_, vcpu) => vcpu);
  const share = (vcpu: number): Share => (overlap ? { firstPage: 0, npages: layout.npages } : { firstPage: vcpu * sharePages, npages: sharePages });
  const pass = (vcpu: number, style: PassStyle): VcpuProgram => passOver(layout.baseVfn, share(vcpu), generation, mode, style);
  return {
    layout,
    generation,
    mode,
    vcpus,
    shared: overlap && vcpus > 1,
    share,
    pass,
    start: style => everyone.map(vcpu => layout.start(vcpu, pass(vcpu, style))),
    again: style => everyone.map(vcpu => layout.again(pass(vcpu, style))),
  };
}

function passOver(baseVfn: number, { firstPage, npages }: Share, generation: Generation, mode: GuestMode, style: PassStyle): VcpuProgram {
  const vfn = baseVfn + firstPage;
  if (generation === '6.12') {
    return [{ op: 'random', run: { vfn, count: npages, randomOrder: style.randomOrder, writePercent: style.writePercent } }];
  }
  const run = { stride: mode.pageFrames };
  const count = npages / mode.pageFrames;
  if (style.writeFraction === 1) return [accesses(vfn, count, AccessKind.Write, run)];
  return [accesses(vfn, count, AccessKind.Read, { ...run, writeEvery: style.writeFraction })];
}
