/**
 * What the laws of a backend are tried on: a VM, and what its vCPUs and its host do, as plain data that can be drawn, shrunk, printed and pasted into a test.
 */
import type { BackendDefinition, OptionValues } from '@mmulab/api';
import type * as FastCheck from 'fast-check';
import { defaultsOf, drawValues, hasRings } from '../conformance-sequences';
import type { SlotPlan } from '../conformance-vm';
import { literal, literalList } from '../shrinking';

/** What a vCPU does to a page. */
export type LawAccess = 'read' | 'write' | 'execute';

/** Something the host does. Pages are counted from the beginning of the slot; what lies beyond its end is left out. */
export type LawHostStep =
  | { readonly do: 'manual'; readonly initiallySet: boolean }
  | { readonly do: 'log'; readonly slot: number; readonly on: boolean }
  | { readonly do: 'get'; readonly slot: number }
  | { readonly do: 'delete'; readonly slot: number }
  /** A slot that was deleted comes back: over memory of its own, or over what it had. */
  | { readonly do: 'create'; readonly slot: number; readonly kept?: boolean }
  /** A slot moves to room behind it, or back. */
  | { readonly do: 'move'; readonly slot: number; readonly away: boolean }
  | { readonly do: 'flags'; readonly slot: number; readonly readonly: boolean }
  | ({ readonly do: 'clear' } & LawRange)
  | ({ readonly do: 'age' } & LawRange)
  | ({ readonly do: 'free' } & LawRange)
  | ({ readonly do: 'hostwrite' } & LawRange)
  /** With a stride a call for each page. */
  | ({ readonly do: 'unmap'; readonly stride?: number } & LawRange)
  | ({ readonly do: 'protect'; readonly writable: boolean } & LawRange)
  | { readonly do: 'fork'; readonly child: 'lives' | 'gone' }
  | { readonly do: 'child_exit' };

/** Pages of a slot. */
export interface LawRange {
  readonly slot: number;
  readonly page: number;
  readonly npages: number;
}

/** One access of one vCPU. */
export interface LawTouch {
  readonly vcpu: number;
  readonly slot: number;
  readonly page: number;
  readonly kind: LawAccess;
}

/** One step of a scenario. Steps that the kernel would refuse are left out when their turn comes. */
export type LawStep =
  | LawHostStep
  /** A vCPU touches `npages` pages, `stride` pages apart. */
  | (LawTouch & { readonly do: 'touch'; readonly npages: number; readonly stride: number })
  /**
   * Several vCPUs, each at one access, stage by stage: entry i of `order` says who goes on (of those that are not done); the host's step comes once
   * `hostAfter` entries are used up. When the order is, they finish one after the other.
   */
  | {
      readonly do: 'together';
      readonly touches: readonly LawTouch[];
      readonly order: readonly number[];
      readonly host?: LawHostStep | undefined;
      readonly hostAfter?: number;
    };

/** A VM and what happens to it. */
export interface LawScenario {
  readonly profile: string;
  /** Option values that differ from those of the profile. */
  readonly options?: OptionValues;
  /** Host facts that differ from their defaults. */
  readonly host?: OptionValues;
  readonly vcpus: number;
  readonly slots: readonly SlotPlan[];
  readonly steps: readonly LawStep[];
  /** Dirty rings instead of bitmaps, large enough never to be full: `get` collects them all, `clear` resets them. Absent: bitmaps. */
  readonly ring?: boolean;
}

/** How scenarios are drawn. */
export interface LawSizes {
  readonly backings: readonly string[];
  readonly steps: number;
}

const TOUCHES: readonly LawAccess[] = ['read', 'write', 'write', 'execute'];
const PAGES = [0, 0, 0, 1, 63, 64, 65, 500, 511, 512, 513, 700];
const COUNTS = [1, 1, 7, 64, 100, 512, 513, 1024, 1024];

/** Complete option values of a scenario. */
export function valuesOfScenario(
  definition: BackendDefinition,
  { profile, options, host }: LawScenario,
): { readonly options: OptionValues; readonly host: OptionValues } {
  const values = definition.profiles.find(({ name }) => name === profile)?.values ?? {};
  return { options: { ...defaultsOf(definition.options), ...values, ...options }, host: { ...defaultsOf(definition.hostOptions), ...host } };
}

/** Scenarios of a backend. */
export function lawScenarios(fc: typeof FastCheck, definition: BackendDefinition, { backings, steps }: LawSizes): FastCheck.Arbitrary<LawScenario> {
  const choice = fc.tuple(fc.nat(1000), fc.nat(1000));
  // Without fast-check's preference for extremes: here those are the dull values.
  const drawn = fc.noBias(
    fc.record({
      profile: fc.nat(1000),
      overrides: fc.array(choice, { maxLength: 2 }),
      host: fc.array(choice, { maxLength: 2 }),
      vcpus: fc.constantFrom(1, 2, 2, 3, 4),
      slots: fc.tuple(slotPlan(fc, backings, true), fc.array(slotPlan(fc, backings, false), { maxLength: 1 })),
      steps: fc.array(lawStep(fc), { minLength: 1, maxLength: steps, size: 'max' }),
      ring: fc.constantFrom(false, false, true),
    }),
  );
  return drawn.map(({ slots: [first, others], profile: number, overrides, host, vcpus, steps: drawnSteps, ring }) => {
    const profile = definition.profiles[number % definition.profiles.length]?.name ?? '';
    const vm = { vcpus, slots: [first, ...others] };
    const values = drawValues(definition, { profile: number, overrides, host, vm, operations: [] });
    const base = valuesOfScenario(definition, { profile, ...vm, steps: [] });
    const rings = ring && hasRings(definition, values.options) ? { ring } : {};
    return { profile, options: differing(values.options, base.options), host: differing(values.host, base.host), ...vm, steps: drawnSteps, ...rings };
  });
}

function differing(values: OptionValues, base: OptionValues): OptionValues {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== base[name]));
}

function slotPlan(fc: typeof FastCheck, backings: readonly string[], isRegular: boolean): FastCheck.Arbitrary<SlotPlan> {
  return fc.record({
    backing: fc.constantFrom(...backings),
    npages: fc.constantFrom(...(isRegular ? [1024] : [1, 100, 512, 600])),
    shift: isRegular ? fc.constant(0) : fc.constantFrom(0, 1, 64, 511),
    congruent: isRegular ? fc.constant(true) : fc.constantFrom(true, true, false),
    readonly: isRegular ? fc.constant(false) : fc.constantFrom(false, false, true),
    populated: fc.boolean(),
  });
}

function lawStep(fc: typeof FastCheck): FastCheck.Arbitrary<LawStep> {
  const slot = fc.constantFrom(0, 0, 0, 0, 0, 1);
  const vcpu = fc.nat(3);
  const page = fc.constantFrom(...PAGES);
  const npages = fc.constantFrom(...COUNTS);
  const kind = fc.constantFrom(...TOUCHES);
  const touch = fc.record({ do: fc.constant('touch' as const), vcpu, slot, page, kind, npages, stride: fc.constantFrom(1, 1, 1, 1, 3, 64, 512) });
  const ranged = (what: 'clear' | 'unmap' | 'age' | 'free' | 'hostwrite'): FastCheck.Arbitrary<LawHostStep> =>
    fc.record({ do: fc.constant(what), slot, page, npages });
  const ofSlot = (what: 'get' | 'delete'): FastCheck.Arbitrary<LawHostStep> => fc.record({ do: fc.constant(what), slot });
  const isOn = fc.boolean();
  const rare = fc.oneof(
    fc.record({ do: fc.constant('move' as const), slot, away: isOn }),
    fc.record({ do: fc.constant('flags' as const), slot, readonly: fc.constantFrom(true, false, false) }),
    fc.record({ do: fc.constant('unmap' as const), slot, page, npages, stride: fc.constantFrom(3, 64, 512) }),
    fc.record({ do: fc.constant('protect' as const), slot, page, npages, writable: isOn }),
    fc.record({ do: fc.constant('fork' as const), child: fc.constantFrom('lives' as const, 'gone' as const) }),
    fc.record({ do: fc.constant('child_exit' as const) }),
    ranged('free'),
    ranged('hostwrite'),
  );
  const log = fc.record({ do: fc.constant('log' as const), slot, on: fc.constantFrom(true, true, false) });
  const host = fc.oneof(
    { weight: 6, arbitrary: log },
    { weight: 6, arbitrary: ofSlot('get') },
    { weight: 4, arbitrary: ranged('clear') },
    { weight: 4, arbitrary: ranged('unmap') },
    { weight: 2, arbitrary: ranged('age') },
    { weight: 1, arbitrary: ofSlot('delete') },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('create' as const), slot, kept: isOn }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('manual' as const), initiallySet: fc.boolean() }) },
  );
  // Races are found by the plain operations, and there are many ways to run into each.
  const anyHost = fc.oneof({ weight: 28, arbitrary: host }, { weight: 4, arbitrary: rare });
  const near = fc.constantFrom(0, 0, 1, 512);
  const together = fc.record({
    do: fc.constant('together' as const),
    touches: fc.array(fc.record({ vcpu, slot, page: near, kind }), { minLength: 2, maxLength: 4 }),
    order: fc.array(fc.nat(3), { maxLength: 16 }),
    host: fc.option(host, { nil: undefined }),
    hostAfter: fc.nat(8),
  });
  return fc.oneof({ weight: 8, arbitrary: touch }, { weight: 8, arbitrary: anyHost }, { weight: 3, arbitrary: together });
}

/** A scenario as code to paste. */
export function scenarioAsCode(scenario: LawScenario): string {
  const { steps, slots, ...rest } = scenario;
  const lines = Object.entries(rest).filter(([, value]) => typeof value !== 'object' || Object.keys(value as object).length > 0);
  return [
    '{',
    ...lines.map(([name, value]) => `  ${name}: ${literal(value)},`),
    ...literalList('slots', slots, '  '),
    ...literalList('steps', steps, '  '),
    '}',
  ].join('\n');
}
