/**
 * memslot_perf_test: one vCPU writes memory that is cut into as many memslots as KVM allows, while the host unmaps parts of it, moves the last memslot away and back, or
 * writes it, too. The test asserts that what the guest writes is what the host reads, and that only accesses to memory that has been moved away come to user space.
 *
 * Guest and host work side by side and meet twice a loop, through a flag in memory: the guest never leaves for it. Here one works after the other, in the order of those meetings. Values are not modelled: where the program
 * compares one, the frame must be mapped writable, and where memory was unmapped, nothing must be.
 *
 * Models: Linux 6.1 and later, tools/testing/selftests/kvm/memslot_perf_test.c.
 */
import 'reflect-metadata';
import {
  AccessKind,
  type Gfn,
  type HostOp,
  type MemslotSpec,
  type PhaseCheck,
  type VcpuStep,
  type VmLayout,
  type Workload,
  type WorkloadPhase,
  type WorkloadPlan,
  type WorkloadRequest,
} from '@mmulab/api';
import { injectable } from 'inversify';
import { counterCheck, sumCheck } from './checks';
import { optionConflict, tooManySlots } from './errors';
import { resolveSelftest } from './generation';
import { layOutGuest, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { LazyPhases } from './lazy-phases';
import { FIRST_TEST, MEMSLOT_PERF as NAME, MEMSLOT_TESTS, type MemslotTest } from './memslot-perf-options';
import { mostMemslots, mmioCounter, slotZapCapabilities } from './memslot-limits';
import { numberValue, switchValue, textValue } from './option-values';
import { accesses, destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Where the memory begins, for guest and host; its first 64 KiB are those in which the two meet. */
const MEMORY_AT = 256 * MIB;
const EXTRA = 64 * KIB;
/** Test memory of the tests that have a size of their own; the others have the whole. */
const TEST_SIZE: Readonly<Record<MemslotTest, number>> = {
  map: 32 * MIB,
  unmap: 128 * MIB,
  unmap_chunked: 128 * MIB,
  move_active: 512 * MIB,
  move_inactive: 512 * MIB,
  rw: 512 * MIB,
};
const UNMAP_CHUNK = 2 * MIB;
/** What the moving tests write: around the beginning of the last memslot, or just below it. */
const MOVE_SIZE = 3 * 64 * KIB;

/** memslot_perf_test. */
@injectable()
export class MemslotPerf implements Workload {
  /** @throws MmulabError WORKLOAD_TOO_MANY_SLOTS, WORKLOAD_OPTION_CONFLICT */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    const test = testOf(values);
    const { generation } = resolveSelftest(NAME, values, request.kernel);
    const mode = resolveGuestMode(NAME, '', generation, request);
    const page = machine.pageSizeBytes;
    const npages = (TEST_SIZE[test] + EXTRA) / page;
    const place = MEMORY_AT / page;
    const layout = layOutGuest(request, {
      workload: NAME,
      program: 'memslots',
      isNewer: false,
      mode,
      vcpus: 1,
      npages,
      backing: request.backing('anonymous'),
      baseGfn: place,
      baseVfn: place,
      populated: true,
    });
    const { count, note } = slotCount(request, npages);
    const slots = slotsOf(layout, count);
    const capabilities = slotZapCapabilities(NAME, request, switchValue(values, 'disable_slot_zap_quirk'));
    const vm: VmLayout = { ...layout.vm, ...capabilities, memslots: [...layout.vm.memslots.filter(({ id }) => id === 0), ...slots] };
    const area = new TestArea(layout, slots, test, page, machine.arch);
    const { perLoop, loop } = loops(area, test);
    const start = phase('start', [guestStep([layout.start(0, [accesses(layout.baseVfn, 1, AccessKind.Write)])], false)]);
    const phases = new LazyPhases({
      first: [start],
      iterations: numberValue(values, 'loops'),
      perIteration: perLoop,
      iteration: loop,
      last: [destroyVmPhase()],
    });
    return { vm, guestMode: mode.name, phases, notes: [...layout.notes, ...note, IN_TURN_NOTE] };
  }
}

const IN_TURN_NOTE =
  'Guest and host of memslot_perf_test work side by side; here one after the other, as they meet. Loops are a number (-l), not what fits into so many seconds.';

function testOf(values: WorkloadRequest['options']): MemslotTest {
  const [first, last] = [numberValue(values, 'first_test'), numberValue(values, 'last_test')];
  if (first > last) throw optionConflict(NAME, 'first_test', `test ${first} comes after the last one, ${last}`);
  const named = textValue(values, 'test');
  return named === FIRST_TEST ? (MEMSLOT_TESTS[first] ?? 'map') : (named as MemslotTest);
}

/** How many memslots the memory is cut into, slot 0 not among them. @throws WORKLOAD_TOO_MANY_SLOTS for a cap that leaves a slot without a page */
function slotCount(request: WorkloadRequest, npages: number): { readonly count: number; readonly note: readonly string[] } {
  const cap = numberValue(request.options, 'slot_cap');
  const most = mostMemslots(request.machine.arch, request.kernel);
  const wanted = (cap === -1 ? most : Math.min(cap, most)) - 1;
  if (wanted < 1) throw optionConflict(NAME, 'slot_cap', `${cap} leaves no memslot beside slot 0; expected 2 or more, or -1`);
  if (wanted <= npages) return { count: wanted, note: [] };
  if (cap !== -1) throw tooManySlots(NAME, cap, npages + 1);
  return {
    count: npages,
    note: [`The program skips this test with ${wanted} memslots over ${npages} pages (max is ${npages + 1}); here there are ${npages}.`],
  };
}

/** Equal memslots; the last one has what is left over, too. */
function slotsOf({ vm, baseGfn, npages }: GuestLayout, count: number): readonly MemslotSpec[] {
  const whole = vm.memslots.find(({ id }) => id === 1);
  if (whole === undefined) return [];
  const each = Math.floor(npages / count);
  return Array.from({ length: count }, (_, index) => {
    const gfn = baseGfn + index * each;
    const pages = index === count - 1 ? npages - index * each : each;
    return { ...whole, id: index + 1, baseGfn: gfn, npages: pages, hvf: whole.hvf + index * each, populated: [{ gfn, npages: pages }] };
  });
}

/** The test memory over its memslots. */
class TestArea {
  readonly npages: number;
  /** First frame; guest pages have the same numbers. */
  readonly gfn: Gfn;
  readonly last: MemslotSpec;
  /** Pages that the moving tests write. */
  readonly movePages: number;
  readonly chunk: number;
  /** First frame behind all memory. */
  readonly behind: Gfn;

  constructor(
    readonly layout: GuestLayout,
    private readonly slots: readonly MemslotSpec[],
    test: MemslotTest,
    pageSizeBytes: number,
    readonly arch: string,
  ) {
    this.npages = TEST_SIZE[test] / pageSizeBytes;
    this.gfn = layout.baseGfn + EXTRA / pageSizeBytes;
    this.movePages = MOVE_SIZE / pageSizeBytes;
    this.chunk = UNMAP_CHUNK / pageSizeBytes;
    this.behind = layout.baseGfn + layout.npages;
    this.last = slots.at(-1) ?? layout.vm.memslots[0];
    if (test === 'move_active' && this.last.npages < this.movePages / 2)
      throw optionConflict(
        NAME,
        'slot_cap',
        `the last memslot has ${this.last.npages} pages, and the test that moves it needs ${this.movePages / 2}`,
      );
  }

  /** The guest touches pages of the test memory. */
  touch(first: number, count: number, kind: AccessKind = AccessKind.Write): VcpuStep {
    return accesses(first, count, kind);
  }

  /** One madvise per memslot that pages of the test memory lie in, and per piece. @param piece pages at once */
  unmap(page: number, npages: number, piece = npages): HostOp[] {
    const ops: HostOp[] = [];
    const end = this.gfn + page + npages;
    const each = this.slots[0]?.npages ?? 1;
    for (let gfn = this.gfn + page; gfn < end;) {
      const index = Math.min(this.slots.length - 1, Math.floor((gfn - this.layout.baseGfn) / each));
      const { id, baseGfn, npages: size } = this.slots[index] ?? this.last;
      const inPiece = piece - ((gfn - this.gfn - page) % piece);
      const count = Math.min(end - gfn, baseGfn + size - gfn, inPiece);
      ops.push({ op: 'unmap', slot: id, firstPage: gfn - baseGfn, npages: count });
      gfn += count;
    }
    return ops;
  }

  /** The guest's values are where the host looks for them: on these frames. */
  written(first: number, npages: number, what: string): PhaseCheck {
    return sumCheck(`what the guest wrote is there: ${what}`, [{ mapped: 'writable', gfn: first, npages }], npages);
  }

  gone(page: number, npages: number, what: string): PhaseCheck {
    return sumCheck(`nothing is mapped of ${what}`, [{ mapped: 'readable', gfn: this.gfn + page, npages }], 0);
  }

  /** How many accesses come to user space. */
  mmio(accessed: number, relation: '==' | '>=' = '=='): readonly PhaseCheck[] {
    const counter = mmioCounter(this.arch);
    if (counter === undefined) return [];
    return [
      counterCheck(
        accessed === 0 ? 'no access comes to user space' : 'accesses to memory moved away come to user space',
        counter,
        accessed,
        relation,
      ),
    ];
  }
}

interface Loops {
  readonly perLoop: number;
  readonly loop: (k: number) => WorkloadPhase[];
}

function loops(area: TestArea, test: MemslotTest): Loops {
  switch (test) {
    case 'map':
      return { perLoop: 4, loop: mapLoop(area) };
    case 'unmap':
      return { perLoop: 4, loop: unmapLoop(area, area.npages / 2) };
    case 'unmap_chunked':
      return { perLoop: 4, loop: unmapLoop(area, area.chunk) };
    case 'move_active':
      return { perLoop: 4, loop: moveLoop(area, true) };
    case 'move_inactive':
      return { perLoop: 4, loop: moveLoop(area, false) };
    case 'rw':
      return { perLoop: 2, loop: rwLoop(area) };
  }
}

const FIRST = 'the first half';
const SECOND = 'the second half';

/** The guest writes (maps) one half while the other is unmapped. */
function mapLoop(area: TestArea): Loops['loop'] {
  const half = area.npages / 2;
  const write = (page: number): WorkloadPhase['steps'] => [guestStep([[area.touch(area.gfn + page, half)]], false)];
  const [writeFirst, writeSecond] = [write(0), write(half)];
  const [unmapFirst, unmapSecond] = [hostSteps(area.unmap(0, half)), hostSteps(area.unmap(half, half))];
  return k => [
    { ...phase(`unmap_second_${k}`, unmapSecond), checks: [area.gone(half, half, SECOND)] },
    { ...phase(`write_first_${k}`, writeFirst), checks: [area.written(area.gfn, half, FIRST), ...area.mmio(0)] },
    { ...phase(`unmap_first_${k}`, unmapFirst), checks: [area.gone(0, half, FIRST)] },
    { ...phase(`write_second_${k}`, writeSecond), checks: [area.written(area.gfn + half, half, SECOND), ...area.mmio(0)] },
  ];
}

/** The guest writes the first page of a half, which is then unmapped, at once or in chunks. */
function unmapLoop(area: TestArea, piece: number): Loops['loop'] {
  const half = area.npages / 2;
  const write = (page: number): WorkloadPhase['steps'] => [guestStep([[area.touch(area.gfn + page, 1)]], false)];
  const [writeFirst, writeSecond] = [write(0), write(half)];
  const [unmapFirst, unmapSecond] = [hostSteps(area.unmap(0, half, piece)), hostSteps(area.unmap(half, half, piece))];
  return k => [
    { ...phase(`write_first_${k}`, writeFirst), checks: [area.written(area.gfn, 1, FIRST), ...area.mmio(0)] },
    { ...phase(`unmap_first_${k}`, unmapFirst), checks: [area.gone(0, half, FIRST)] },
    { ...phase(`write_second_${k}`, writeSecond), checks: [area.written(area.gfn + half, 1, SECOND), ...area.mmio(0)] },
    { ...phase(`unmap_second_${k}`, unmapSecond), checks: [area.gone(half, half, SECOND)] },
  ];
}

/** The last memslot moves behind all memory and back while the guest writes around its beginning (active), or just below it. */
function moveLoop(area: TestArea, isActive: boolean): Loops['loop'] {
  const { last, movePages } = area;
  const inSlot = isActive ? movePages / 2 : 0;
  const from = last.baseGfn - (movePages - inSlot);
  const write = [guestStep([[area.touch(from, movePages)]], false)];
  const move = (baseGfn: Gfn): WorkloadPhase['steps'] => hostSteps([{ op: 'move_memslot', slot: last.id, baseGfn }]);
  const [away, back] = [move(area.behind), move(last.baseGfn)];
  const below = area.written(from, movePages - inSlot, 'below the memslot');
  return k => [
    { ...phase(`write_${k}`, write), checks: [area.written(from, movePages, 'all of it'), ...area.mmio(0)] },
    phase(`move_away_${k}`, away),
    { ...phase(`write_away_${k}`, write), checks: [below, ...area.mmio(inSlot)] },
    phase(`move_back_${k}`, back),
  ];
}

/** The guest writes every page, then reads and writes every page. What the host writes between is in pages that it has already. */
function rwLoop(area: TestArea): Loops['loop'] {
  const { npages } = area;
  const write = [guestStep([[area.touch(area.gfn, npages)]], false)];
  // The write of a page follows its read at once, and finds what the first pass has made: it cannot fault.
  const both = [guestStep([[area.touch(area.gfn, npages, AccessKind.Read), area.touch(area.gfn, npages)]], false)];
  const ends = [area.written(area.gfn, 1, 'the first page'), area.written(area.gfn + npages - 1, 1, 'the last page')];
  return k => [
    { ...phase(`write_${k}`, write), checks: [...ends, ...area.mmio(0)] },
    { ...phase(`read_write_${k}`, both), checks: [...ends, ...area.mmio(0)] },
  ];
}
