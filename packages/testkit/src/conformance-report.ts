/**
 * A scenario that fails the conformance suite: taken to the simplest that does, and told step by step, as code to paste and in words.
 */
import { AccessKind, type BackendDefinition, type HostOp, type OptionSpec, type OptionValues } from '@mmulab/api';
import { defaultsOf, drawValues, type Drawn, type Scenario, type Sizes } from './conformance-sequences';
import type { SubjectStep } from './conformance-subject';
import type { SlotPlan } from './conformance-vm';
import { literal, literalList, plainerFields, shorterLists, simplerElements, simplest } from './shrinking';

const KINDS = new Map<number, string>([
  [AccessKind.Read, 'reads'],
  [AccessKind.Write, 'writes'],
  [AccessKind.Exec, 'fetches'],
]);

/** What a step does, in a few words: `unmap { slot: 1, firstPage: 0, npages: 64 }`. */
export function stepInWords(step: SubjectStep): string {
  if (step.step === 'control') return `vCPU ${step.vcpu}: ${literal(step.write)}`;
  if (step.step === 'host') return hostOpInWords(step.op);
  const { vfn, count, stride, kind, writeEvery } = step.run;
  const apart = stride === 1 ? '' : `, ${stride} pages apart`;
  const every = writeEvery === 0 ? '' : `, every ${writeEvery}. a write`;
  return `vCPU ${step.vcpu}: ${count} ${KINDS.get(kind) ?? String(kind)} from vfn 0x${vfn.toString(16)}${apart}${every}`;
}

/** A memslot by what matters: its backing's tables would fill pages. */
function hostOpInWords({ op, ...fields }: HostOp): string {
  const shown = Object.entries(fields).map(([name, value]) => {
    if (name !== 'spec') return [name, value as unknown];
    const { id, npages, baseGfn, backing } = value as Extract<HostOp, { op: 'create_memslot' }>['spec'];
    return ['spec', { id, npages, baseGfn, backing: backing.name }];
  });
  return shown.length === 0 ? op : `${op} ${literal(Object.fromEntries(shown))}`;
}

/** What is known of a scenario that fails. */
export interface FailedScenario {
  readonly definition: BackendDefinition;
  readonly scenario: Scenario;
  readonly sizes: Sizes;
  /** Tries a scenario. @throws what it fails with */
  readonly attempt: (scenario: Scenario) => void;
  /** The steps it comes to, those left out that the kernel would refuse. */
  readonly stepsOf: (scenario: Scenario) => readonly SubjectStep[];
  /** How a test of its own begins and ends; empty where there is none. */
  readonly asTest: readonly [begin: string, end: string];
}

/** The simplest scenario that fails, how it fails, and what it does. */
export function failureReport({ definition, scenario, sizes, attempt, stepsOf, asTest: [begin, end] }: FailedScenario): string {
  const failureOf = (one: Scenario): unknown => {
    try {
      attempt(one);
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const found = simplest(cut(scenario, sizes), simplerScenarios, one => failureOf(one) !== undefined);
  const failure = failureOf(found);
  const message = failure instanceof Error ? failure.message : String(failure);
  const { options, host } = drawValues(definition, found);
  const profile = definition.profiles[found.profile % definition.profiles.length];
  const differing = [
    ...differences(definition.options, { ...profile.values }, options),
    ...differences(definition.hostOptions, {}, host).map(one => `host ${one}`),
  ];
  return [
    message,
    '',
    `The simplest scenario found, of ${many(found.operations.length)} (${scenario.operations.length} at first)${begin === '' ? '' : ', as a test'}:`,
    '',
    `${begin}${scenarioAsCode(found)}${end}`,
    '',
    `It runs on profile ${profile.name}${differing.length === 0 ? '' : ` with ${differing.join(', ')}`}:`,
    ...stepsOf(found).map((step, i) => `  ${i}  ${stepInWords(step)}`),
    '',
  ].join('\n');
}

function many(operations: number): string {
  return operations === 1 ? '1 operation' : `${operations} operations`;
}

function differences(specs: readonly OptionSpec[], profile: OptionValues, values: OptionValues): readonly string[] {
  const usual: OptionValues = { ...defaultsOf(specs), ...profile };
  return specs.filter(({ name }) => values[name] !== usual[name]).map(({ name }) => `${name}=${values[name]}`);
}

/** Runs say how long they are, whatever sizes they are read with. */
function cut(scenario: Scenario, { maxRun }: Sizes): Scenario {
  const operations = scenario.operations.map(one => (one.do === 'run' ? { ...one, pages: Math.min(one.pages, maxRun) } : one));
  return { ...scenario, operations };
}

function* simplerScenarios(scenario: Scenario): Iterable<Scenario> {
  const { operations, overrides, host, vm } = scenario;
  for (const shorter of shorterLists(operations)) yield { ...scenario, operations: shorter };
  if (overrides.length > 1) yield { ...scenario, overrides: [] };
  for (const shorter of shorterLists(overrides)) yield { ...scenario, overrides: shorter };
  for (const shorter of shorterLists(host)) yield { ...scenario, host: shorter };
  for (const plainer of plainerFields(vm, { vcpus: 1, ring: 0 })) yield { ...scenario, vm: plainer };
  for (const slots of shorterLists(vm.slots)) if (slots.length > 0) yield { ...scenario, vm: { ...vm, slots } };
  for (const slots of simplerElements(vm.slots, simplerSlots)) yield { ...scenario, vm: { ...vm, slots } };
  for (const simpler of simplerElements(operations, simplerOperations)) yield { ...scenario, operations: simpler };
}

function* simplerSlots(slot: SlotPlan): Iterable<readonly SlotPlan[]> {
  for (const plainer of plainerFields(slot, { populated: false, readonly: false, congruent: true, shift: 0, backing: 'anonymous' })) yield [plainer];
}

function* simplerOperations(operation: Drawn): Iterable<readonly Drawn[]> {
  for (const plainer of plainerFields(operation, { vcpu: 0, slot: 0, from: 0, stride: 1, writeEvery: 0, pages: 1, pageByPage: false, flush: false }))
    yield [plainer];
  if (!('pages' in operation)) return;
  for (const share of [1 / 2, 7 / 8]) if (operation.pages > 1) yield [{ ...operation, pages: Math.floor(operation.pages * share) }];
}

/** A scenario as code to paste. */
export function scenarioAsCode({ operations, vm: { slots, ...vm }, ...rest }: Scenario): string {
  return [
    '{',
    ...Object.entries(rest).map(([name, value]) => `  ${name}: ${literal(value)},`),
    '  vm: {',
    ...Object.entries(vm).map(([name, value]) => `    ${name}: ${literal(value)},`),
    ...literalList('slots', slots, '    '),
    '  },',
    ...literalList('operations', operations, '  '),
    '}',
  ].join('\n');
}
