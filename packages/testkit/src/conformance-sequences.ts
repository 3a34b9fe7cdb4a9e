/**
 * Random sequences of operations for the conformance suite, as plain data that fast-check can shrink.
 *
 * A sequence knows slots by number and ranges by fractions of a slot, so that it stays meaningful while it shrinks; `stepsOf` turns each
 * operation into what the backend is told, leaving out what a kernel would refuse in the VM's present state.
 */
import { AccessKind, DIRTY_RING_OPERATION, changeRefusal } from '@mmulab/api';
import type { BackendDefinition, ControlWrite, HostOp, MemslotSpec, OptionSpec, OptionValue, OptionValues } from '@mmulab/api';
import type * as FastCheck from 'fast-check';
import type { SubjectStep } from './conformance-subject';
import type { SlotPlan, TestRegion, TestVm, VmPlan } from './conformance-vm';

/** One drawn operation. `slot`, `from` and `to` are reduced to what the VM has. */
export type Drawn =
  | {
      readonly do: 'run';
      readonly vcpu: number;
      readonly slot: number;
      readonly from: number;
      readonly pages: number;
      readonly stride: number;
      readonly kind: AccessKind;
      readonly writeEvery: number;
    }
  | { readonly do: 'log'; readonly slot: number; readonly on: boolean }
  | { readonly do: 'get'; readonly slot: number }
  | { readonly do: 'delete'; readonly slot: number }
  | { readonly do: 'create'; readonly slot: number; readonly kept?: boolean }
  | { readonly do: 'move'; readonly slot: number; readonly away: boolean }
  | { readonly do: 'readonly'; readonly slot: number; readonly on: boolean }
  | {
      readonly do: 'clear' | 'unmap' | 'free' | 'collapse' | 'write' | 'protect' | 'unprotect' | 'prefault';
      readonly slot: number;
      readonly from: number;
      readonly pages: number;
      /** Pages from one call to the next. Absent: one call. */
      readonly stride?: number | undefined;
    }
  | { readonly do: 'fork'; readonly child: 'lives' | 'gone' }
  | { readonly do: 'childExit' }
  | { readonly do: 'nxSwitch'; readonly on: boolean }
  | {
      readonly do: 'age';
      readonly slot: number;
      readonly from: number;
      readonly pages: number;
      readonly pageByPage: boolean;
      readonly flush: boolean;
    }
  | { readonly do: 'manual'; readonly initiallySet: boolean }
  | { readonly do: 'nx' }
  | { readonly do: 'zapAll' }
  | { readonly do: 'idle'; readonly ms: number }
  | { readonly do: 'control'; readonly vcpu: number; readonly which: number };

/** Everything one run of the property needs. */
export interface Scenario {
  readonly profile: number;
  /** Overrides as choices: number of the option, number of the value. */
  readonly overrides: readonly (readonly [number, number])[];
  readonly host: readonly (readonly [number, number])[];
  /** Option values that beat all of these, in scenarios written by hand. */
  readonly options?: OptionValues;
  readonly vm: VmPlan;
  readonly operations: readonly Drawn[];
}

/** How large scenarios get. */
export interface Sizes {
  readonly operations: number;
  /** Pages of the first slot, which is aligned and congruent. */
  readonly regularPages: readonly number[];
  /** Pages of further slots, and how many there are at most. */
  readonly oddPages: readonly number[];
  readonly oddSlots: number;
  readonly backings: readonly string[];
  readonly maxRun: number;
}

/** Scenarios of a backend. Drawn without fast-check's preference for extremes: here those are the dull values. */
export function scenarios(fc: typeof FastCheck, sizes: Sizes, controls: readonly ControlWrite[]): FastCheck.Arbitrary<Scenario> {
  const choice = fc.tuple(fc.nat(1000), fc.nat(1000));
  const slot = (regular: boolean): FastCheck.Arbitrary<SlotPlan> =>
    fc.record({
      backing: fc.constantFrom(...sizes.backings),
      npages: fc.constantFrom(...(regular ? sizes.regularPages : sizes.oddPages)),
      shift: regular ? fc.constant(0) : fc.constantFrom(0, 1, 64, 511, 512, 1000),
      congruent: regular ? fc.constant(true) : fc.constantFrom(true, true, false),
      readonly: regular ? fc.constant(false) : fc.constantFrom(false, false, false, true),
      populated: fc.boolean(),
    });
  const slots = fc.tuple(slot(true), fc.array(slot(false), { maxLength: sizes.oddSlots })).map(([regular, odd]) => [regular, ...odd]);
  return fc.noBias(
    fc.record({
      profile: fc.nat(1000),
      overrides: fc.array(choice, { maxLength: 10 }),
      host: fc.array(choice, { maxLength: 3 }),
      vm: fc.record({ vcpus: fc.constantFrom(1, 1, 2, 3), slots, ring: fc.constantFrom(0, 0, 0, 1024) }),
      operations: fc.array(drawn(fc, sizes, controls), { minLength: sizes.operations, maxLength: sizes.operations }),
    }),
  );
}

function drawn(fc: typeof FastCheck, sizes: Sizes, controls: readonly ControlWrite[]): FastCheck.Arbitrary<Drawn> {
  // Mostly the regular slot.
  const slot = fc.constantFrom(0, 0, 0, 0, 0, 1, 2, TABLES);
  const runSlot = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, HOLE);
  const from = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 63, 64, 500, 512, 700);
  const pages = fc.constantFrom(1 << 20, 1 << 20, 1 << 20, 1, 64, 100, 512, 513, 1024);
  const run = fc.record({
    do: fc.constant('run' as const),
    vcpu: fc.nat(5),
    slot: runSlot,
    from,
    pages: fc.oneof({ weight: 2, arbitrary: fc.constant(sizes.maxRun) }, { weight: 1, arbitrary: fc.constantFrom(1, 20, 512, 600, 1100) }),
    stride: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 8, 64, 512, 1000),
    kind: fc.constantFrom(AccessKind.Read, AccessKind.Write, AccessKind.Exec),
    writeEvery: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 16, 20, 512),
  });
  const ranged = fc.record({ do: fc.constantFrom('clear' as const, 'clear' as const, 'unmap' as const), slot, from, pages });
  const stride = fc.constantFrom(undefined, undefined, 64, 512);
  const ofMemory = fc.constantFrom(
    'unmap' as const,
    'write' as const,
    'free' as const,
    'collapse' as const,
    'protect' as const,
    'unprotect' as const,
  );
  const memory = fc.record({ do: ofMemory, slot, from, pages, stride });
  const prefault = fc.record({ do: fc.constant('prefault' as const), slot, from, pages: fc.constantFrom(1, 100, 600) });
  const age = fc.record({ do: fc.constant('age' as const), slot, from, pages, pageByPage: fc.boolean(), flush: fc.boolean() });
  const rare: FastCheck.Arbitrary<Drawn>[] = [
    fc.record({ do: fc.constant('delete' as const), slot: fc.nat(5) }),
    fc.record({ do: fc.constant('create' as const), slot: fc.nat(5), kept: fc.boolean() }),
    fc.record({ do: fc.constant('move' as const), slot: fc.nat(5), away: fc.boolean() }),
    fc.record({ do: fc.constant('readonly' as const), slot: fc.nat(5), on: fc.boolean() }),
    fc.record({ do: fc.constant('fork' as const), child: fc.constantFrom('lives' as const, 'gone' as const) }),
    fc.record({ do: fc.constant('childExit' as const) }),
    fc.record({ do: fc.constant('nxSwitch' as const), on: fc.boolean() }),
    prefault,
    fc.record({ do: fc.constant('manual' as const), initiallySet: fc.boolean() }),
    fc.record({ do: fc.constant('idle' as const), ms: fc.constantFrom(1, 60_000, 600_000) }),
    fc.record({ do: fc.constant('zapAll' as const) }),
  ];
  return fc.oneof(
    { weight: 24, arbitrary: run },
    { weight: 7, arbitrary: fc.record({ do: fc.constant('log' as const), slot, on: fc.constantFrom(true, true, false) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('get' as const), slot }) },
    { weight: 6, arbitrary: ranged },
    { weight: 3, arbitrary: age },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('nx' as const) }) },
    { weight: 5, arbitrary: fc.oneof(...rare) },
    { weight: 2, arbitrary: memory },
    ...(controls.length === 0
      ? []
      : [{ weight: 4, arbitrary: fc.record({ do: fc.constant('control' as const), vcpu: fc.nat(5), which: fc.nat(controls.length - 1) }) }]),
  );
}

/** Number of the region with no memslot behind it. */
const HOLE = 9;
/** Number of the slot that holds the guest's page tables. */
const TABLES = 8;

/** Complete option values of a scenario: a profile, then every drawn override that the backend accepts. */
export function drawValues(definition: BackendDefinition, scenario: Scenario): { readonly options: OptionValues; readonly host: OptionValues } {
  const profile = definition.profiles[scenario.profile % definition.profiles.length];
  let options: OptionValues = { ...defaultsOf(definition.options), ...profile.values };
  let host: OptionValues = defaultsOf(definition.hostOptions);
  const accepted = (nextOptions: OptionValues, nextHost: OptionValues): boolean => {
    try {
      definition.check(nextOptions, nextHost);
      return true;
    } catch {
      return false;
    }
  };
  for (const draw of scenario.overrides) {
    const next = { ...options, ...override(definition.options, draw) };
    if (accepted(next, host)) options = next;
  }
  for (const draw of scenario.host) {
    const next = { ...host, ...override(definition.hostOptions, draw) };
    if (accepted(options, next)) host = next;
  }
  return { options: { ...options, ...scenario.options }, host };
}

/** Whether VMs may have dirty rings: a backend whose kernels came to have them tells by an option of that name which do. */
export function hasRings({ operations = [] }: BackendDefinition, options: OptionValues): boolean {
  return operations.some(({ name }) => name === DIRTY_RING_OPERATION) && options[DIRTY_RING_OPERATION] !== 'N';
}

/** The default of every option. */
export function defaultsOf(specs: readonly OptionSpec[]): OptionValues {
  return Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
}

function override(specs: readonly OptionSpec[], [option, value]: readonly [number, number]): OptionValues {
  const varied = specs.filter(spec => valuesOf(spec).length > 1);
  const spec = varied[option % varied.length];
  if (spec === undefined) return {};
  const values = valuesOf(spec);
  return { [spec.name]: values[value % values.length] };
}

/** Values of an option worth trying. */
export function valuesOf(spec: OptionSpec): readonly OptionValue[] {
  switch (spec.kind) {
    case 'flag':
      return ['N', 'Y'];
    case 'switch':
      return [false, true];
    case 'choice':
      return spec.choices;
    case 'number':
      return [spec.default, ...[0, 1, 3].filter(value => value >= spec.min && value <= spec.max)];
    case 'size':
      return [spec.default, ...[0, 2 ** 21].filter(value => value >= spec.min && value <= spec.max)];
    case 'text':
      return [spec.default];
  }
}

/** What a VM's slots are at the moment, as far as a kernel's refusals depend on it. */
interface SlotState {
  spec: MemslotSpec;
  exists: boolean;
  /** Some of its memory may be PROT_READ. */
  guarded?: boolean;
  logged: boolean;
  read: boolean;
}

/** Turns drawn operations into steps, keeping track of what the kernel would refuse. */
export class StepMaker {
  private readonly slots: SlotState[];
  private manual = false;

  private readonly tables: SlotState;
  private readonly regions: readonly TestRegion[];
  private readonly vcpus: number;
  private readonly hasRings: boolean;
  private readonly room: number;

  /**
   * @param maxRun accesses of a run at most
   * @param accepts whether the backend has an operation
   */
  constructor(
    vm: TestVm,
    private readonly maxRun: number,
    private readonly controls: readonly ControlWrite[],
    private readonly accepts: (op: HostOp) => boolean,
  ) {
    this.room = vm.roomFrames;
    this.regions = vm.regions;
    this.vcpus = vm.layout.vcpus;
    this.hasRings = vm.layout.dirtyRing !== undefined;
    const [tables, ...slots] = vm.layout.memslots.map((spec): SlotState => ({ spec, exists: true, logged: false, read: false }));
    this.tables = tables;
    this.slots = slots;
  }

  /** The step an operation comes to, or undefined when the kernel would refuse it. */
  next(drawn: Drawn): SubjectStep | undefined {
    if (drawn.do === 'run') return this.run(drawn);
    if (drawn.do === 'control') {
      const write = this.controls[drawn.which];
      return write === undefined ? undefined : { step: 'control', vcpu: drawn.vcpu % this.vcpus, write };
    }
    const op = this.hostOp(drawn);
    return op === undefined || !this.accepts(op) ? undefined : { step: 'host', op };
  }

  private run({ vcpu, slot, from, pages, stride, kind, writeEvery }: Extract<Drawn, { do: 'run' }>): SubjectStep {
    const region = this.regions[slot === HOLE ? this.regions.length - 1 : slot % (this.regions.length - 1)];
    const first = from % region.npages;
    const count = Math.max(1, Math.min(pages, this.maxRun, Math.floor((region.npages - first - 1) / stride) + 1));
    return { step: 'run', vcpu: vcpu % this.vcpus, run: { vfn: region.vfn + first, count, stride, kind, writeEvery } };
  }

  private hostOp(drawn: Exclude<Drawn, { do: 'run' | 'control' }>): HostOp | undefined {
    if (drawn.do === 'manual') {
      this.manual = true;
      return { op: 'manual_protect', initiallySet: drawn.initiallySet };
    }
    if (drawn.do === 'nx') return { op: 'nx_recovery' };
    if (drawn.do === 'zapAll') return { op: 'zap_all' };
    if (drawn.do === 'idle') return { op: 'idle', ms: drawn.ms };
    if (drawn.do === 'fork') return { op: 'fork', child: drawn.child };
    if (drawn.do === 'childExit') return { op: 'child_exit' };
    if (drawn.do === 'nxSwitch') return { op: 'set_nx_huge_pages', on: drawn.on };
    if (drawn.do === 'create') return this.created(this.slots[drawn.slot % this.slots.length], drawn.kept === true);
    if (drawn.do === 'delete') return this.deleted(this.slots[drawn.slot % this.slots.length]);
    if (drawn.do === 'move') return this.moved(this.slots[drawn.slot % this.slots.length], drawn.away);
    if (drawn.do === 'readonly') return this.flagged(this.slots[drawn.slot % this.slots.length], drawn.on);
    return this.slotOp(drawn, drawn.slot === TABLES ? this.tables : this.slots[drawn.slot % this.slots.length]);
  }

  /** The host does not write to memory that may be protected: it would die of that. */
  private memoryOf(drawn: RangedDrawn, state: SlotState): HostOp | undefined {
    if (drawn.do === 'write' && state.guarded === true) return undefined;
    // Hugetlb memory has one protection per page: here it gets one as a whole.
    if (
      (drawn.do === 'protect' || drawn.do === 'unprotect') &&
      state.spec.backing.hugetlb &&
      (drawn.from !== 0 || drawn.stride !== undefined || drawn.pages < state.spec.npages)
    )
      return undefined;
    if (drawn.do === 'protect') state.guarded = true;
    return memoryOp(drawn, state.spec);
  }

  private created(state: SlotState, kept: boolean): HostOp | undefined {
    if (state.exists) return undefined;
    Object.assign(state, { exists: true, logged: false, read: false });
    return { op: 'create_memslot', spec: state.spec, memory: kept ? 'kept' : 'new' };
  }

  private deleted(state: SlotState): HostOp | undefined {
    if (!state.exists) return undefined;
    Object.assign(state, { exists: false, logged: false, read: false });
    return { op: 'delete_memslot', slot: state.spec.id };
  }

  /** To the room behind it, or back. */
  private moved(state: SlotState, away: boolean): HostOp | undefined {
    const home = this.regions.find(({ spec }) => spec?.id === state.spec.id)?.gfn ?? 0;
    const baseGfn = away ? home + this.room : home;
    if (!state.exists || state.spec.baseGfn === baseGfn) return undefined;
    state.spec = { ...state.spec, baseGfn, populated: [] };
    return { op: 'move_memslot', slot: state.spec.id, baseGfn };
  }

  private flagged(state: SlotState, on: boolean): HostOp | undefined {
    if (!state.exists || state.spec.readonly === on) return undefined;
    state.spec = { ...state.spec, readonly: on, populated: [] };
    state.read = false;
    return { op: 'set_memslot_flags', slot: state.spec.id, readonly: on };
  }

  private slotOp(drawn: Extract<Drawn, { slot: number }> & { readonly do: SlotDo }, state: SlotState): HostOp | undefined {
    const { spec } = state;
    if (!state.exists) return undefined;
    const slot = spec.id;
    switch (drawn.do) {
      case 'log':
        if (spec.readonly || state.logged === drawn.on) return undefined;
        Object.assign(state, { logged: drawn.on, read: false });
        return { op: 'set_dirty_log', slot, on: drawn.on };
      case 'get':
        if (this.hasRings) return { op: 'collect_dirty_rings' };
        if (!state.logged) return undefined;
        state.read = true;
        return { op: 'get_dirty_log', slot };
      case 'clear':
        if (this.hasRings) return { op: 'reset_dirty_rings' };
        if (!state.logged || !this.manual || !state.read) return undefined;
        return { op: 'clear_dirty_log', slot, ...wordsOf(rangeOf(drawn.from, drawn.pages, spec.npages), spec.npages) };
      case 'age':
        return { op: 'age', slot, ...rangeOf(drawn.from, drawn.pages, spec.npages), pageByPage: drawn.pageByPage, flush: drawn.flush };
      default:
        return this.memoryOf(drawn, state);
    }
  }
}

type SlotDo = Exclude<Extract<Drawn, { slot: number }>['do'], 'run' | 'create' | 'delete' | 'move' | 'readonly'>;

/** What the host does to the memory behind a slot, unless the kernel would refuse it. */
function memoryOp({ do: what, from, pages, stride }: RangedDrawn, spec: MemslotSpec): HostOp | undefined {
  const range = { slot: spec.id, ...rangeOf(from, pages, spec.npages), ...(stride === undefined ? {} : { stride }) };
  const ops: Readonly<Record<Exclude<RangedDrawn['do'], 'clear'>, HostOp>> = {
    unmap: { op: 'unmap', ...range },
    free: { op: 'madvise', advice: 'free', ...range },
    collapse: { op: 'madvise', advice: 'collapse', ...range },
    write: { op: 'host_access', write: true, ...range },
    protect: { op: 'protect', writable: false, ...range },
    unprotect: { op: 'protect', writable: true, ...range },
    prefault: { op: 'pre_fault', ...range },
  };
  if (what === 'clear') return undefined;
  return changeRefusal(ops[what], spec.backing) === undefined ? ops[what] : undefined;
}

type RangedDrawn = Extract<Drawn, { do: 'clear' | 'unmap' | 'free' | 'collapse' | 'write' | 'protect' | 'unprotect' | 'prefault' }>;

interface PageRange {
  readonly firstPage: number;
  readonly npages: number;
}

function rangeOf(from: number, pages: number, npages: number): PageRange {
  const firstPage = from % npages;
  return { firstPage, npages: Math.min(pages, npages - firstPage) };
}

/** Clearing takes whole words of the bitmap, or the rest of the slot. */
function wordsOf({ firstPage, npages }: PageRange, slotPages: number): PageRange {
  const first = firstPage - (firstPage % 64);
  return { firstPage: first, npages: Math.min(Math.ceil((firstPage + npages - first) / 64) * 64, slotPages - first) };
}
