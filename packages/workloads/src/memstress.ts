/**
 * What the tests built on the library for memory stress have in common: memory per vCPU, in parts or overlapping, and one pass over it.
 *
 * The library of 6.1 (perf_test_util) writes every n-th page of a vCPU's part and reads the others, the same in each pass. That of 6.12
 * (memstress) draws a number per page: a write where it falls below the percentage. Its generator starts from the vCPU's number, so that
 * vCPU 0 stays at 0 and always writes, and it runs on from pass to pass, also where the percentage is 0 or 100.
 *
 * Models: Linux 6.1 tools/testing/selftests/kvm/lib/perf_test_util.c; 6.12 lib/memstress.c.
 */
import { AccessKind, type BackingUse, type GuestMode, type VcpuProgram, type WorkloadRequest } from '@mmulab/api';
import { memoryTooLarge, sizeUnaligned, slotsUneven } from './errors';
import type { Selftest } from './generation';
import { guestUnitFrames, layOutGuest, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { guestPages } from './guest-pages';
import { enterNested, memstressNested, type NestedSpec } from './nested-guest';
import { MAX_TEST_MEMORY_BYTES, checkPinning, numberValue, switchValue, textValue } from './option-values';

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
  /** Whether the newer program runs. */
  readonly isNewer: boolean;
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
  readonly selftest: Selftest;
  /** Memslots of equal size. */
  readonly slots?: number;
  /** How it uses its memory. */
  readonly use?: BackingUse;
  /** vCPUs run the test as guests of their guests. */
  readonly nested?: boolean;
}

/**
 * Lays out a test from its options `vcpus`, `bytes` (per vCPU), `backing`, `overlap`, `guest_mode`.
 * @throws MmulabError for sizes that do not fit together
 */
export function planMemstress(workload: string, request: WorkloadRequest, { selftest, slots = 1, use, nested = false }: MemstressOptions): Memstress {
  const { options, machine } = request;
  const mode = resolveGuestMode(workload, textValue(options, 'guest_mode'), selftest.generation, request);
  const vcpus = numberValue(options, 'vcpus');
  checkPinning(workload, options, vcpus);
  const bytes = numberValue(options, 'bytes');
  const unit = guestUnitFrames(mode) * machine.pageSizeBytes;
  if (bytes % unit !== 0) throw sizeUnaligned(workload, 'bytes', bytes, unit);
  if (bytes * vcpus > MAX_TEST_MEMORY_BYTES) throw memoryTooLarge(workload, bytes * vcpus, MAX_TEST_MEMORY_BYTES);
  const sharePages = bytes / machine.pageSizeBytes;
  const npages = sharePages * vcpus;
  if ((npages / mode.pageFrames) % slots !== 0) throw slotsUneven(workload, npages / mode.pageFrames, slots);
  const { isNewer } = selftest;
  const backing = request.backing(textValue(options, 'backing'), use);
  const guests = nested ? memstressNested(workload, machine, vcpus, isNewer) : undefined;
  const spec = { workload, program: 'perf', isNewer, mode, vcpus, npages, backing, slots };
  const layout = layOutGuest(request, guests === undefined ? spec : { ...spec, nested: guests });
  const overlap = switchValue(options, 'overlap');
  return memstress({ layout, isNewer, mode, vcpus, sharePages, overlap, nested: guests });
}

interface MemstressSpec {
  readonly layout: GuestLayout;
  /** Whether the newer program runs. */
  readonly isNewer: boolean;
  readonly mode: GuestMode;
  readonly vcpus: number;
  readonly sharePages: number;
  readonly overlap: boolean;
  readonly nested: NestedSpec | undefined;
}

function memstress({ layout, isNewer, mode, vcpus, sharePages, overlap, nested }: MemstressSpec): Memstress {
  const everyone = Array.from({ length: vcpus }, (_, vcpu) => vcpu);
  const share = (vcpu: number): Share => (overlap ? { firstPage: 0, npages: layout.npages } : { firstPage: vcpu * sharePages, npages: sharePages });
  const pass = (vcpu: number, style: PassStyle): VcpuProgram => passOver(layout.baseVfn, share(vcpu), isNewer, mode, style);
  const enter = (vcpu: number): VcpuProgram => (nested === undefined ? [] : enterNested(layout, vcpu, nested));
  return {
    layout,
    isNewer,
    mode,
    vcpus,
    shared: overlap && vcpus > 1,
    share,
    pass,
    start: style => everyone.map(vcpu => [...enter(vcpu), ...layout.start(vcpu, pass(vcpu, style))]),
    again: style => everyone.map(vcpu => layout.again(pass(vcpu, style))),
  };
}

function passOver(baseVfn: number, { firstPage, npages }: Share, isNewer: boolean, { pageFrames }: GuestMode, style: PassStyle): VcpuProgram {
  const vfn = baseVfn + firstPage;
  const count = npages / pageFrames;
  if (isNewer) return [{ op: 'random', run: { vfn, count, pageFrames, randomOrder: style.randomOrder, writePercent: style.writePercent } }];
  if (style.writeFraction === 1) return guestPages({ vfn, count, kind: AccessKind.Write, pageFrames });
  return guestPages({ vfn, count, kind: AccessKind.Read, pageFrames, writeEvery: style.writeFraction });
}
