/**
 * Simpler scenarios than one that breaks a law: fewer steps, accesses one after the other instead of together, fewer vCPUs, slots and options, plainer values.
 */
import type { SlotPlan } from '../conformance-vm';
import { plainerFields, shorterLists, simplerElements, simplest } from '../shrinking';
import type { LawScenario, LawStep } from './scenario';

/** The simplest scenario that breaks the law as one does. @param breaks whether a scenario breaks it */
export function simplestScenario(broken: LawScenario, breaks: (scenario: LawScenario) => boolean): LawScenario {
  return simplest(broken, simplerScenarios, breaks);
}

function* simplerScenarios(scenario: LawScenario): Iterable<LawScenario> {
  const { steps, slots, options = {}, host = {}, ring: _ring, ...bitmaps } = scenario;
  for (const shorter of shorterLists(steps)) yield { ...scenario, steps: shorter };
  for (const simpler of simplerElements(steps, apart)) yield { ...scenario, steps: simpler };
  if (scenario.ring === true) yield { ...bitmaps, slots, steps, options, host };
  for (const name of Object.keys(options)) yield { ...scenario, options: without(options, name) };
  for (const name of Object.keys(host)) yield { ...scenario, host: without(host, name) };
  for (let vcpus = 1; vcpus < scenario.vcpus; vcpus++) yield { ...scenario, vcpus };
  for (const fewer of shorterLists(slots)) if (fewer.length > 0) yield { ...scenario, slots: fewer };
  for (const simpler of simplerElements(slots, simplerSlots)) yield { ...scenario, slots: simpler };
  for (const simpler of simplerElements(steps, plainer)) yield { ...scenario, steps: simpler };
}

/** A step of several accesses at a time: without some of them, without the host, in a shorter order, or one after the other. */
function* apart(step: LawStep): Iterable<readonly LawStep[]> {
  if (step.do !== 'together') return;
  const { touches, order, host, hostAfter = 0, ...rest } = step;
  const alone = touches.map((touch): LawStep => ({ do: 'touch', ...touch, npages: 1, stride: 1 }));
  const hosts = host === undefined ? [] : [host];
  for (const one of alone) yield [one];
  if (host !== undefined) yield [host];
  for (const one of alone)
    if (host !== undefined)
      yield* [
        [one, host],
        [host, one],
      ];
  yield [...alone, ...hosts];
  yield [...hosts, ...alone];
  if (host !== undefined) yield [{ ...rest, touches, order }];
  for (const fewer of shorterLists(touches)) if (fewer.length > 0) yield [{ ...step, touches: fewer }];
  for (const shorter of shorterLists(order)) yield [{ ...step, order: shorter }];
  for (let after = 0; after < hostAfter; after++) yield [{ ...step, hostAfter: after }];
}

function* plainer(step: LawStep): Iterable<readonly LawStep[]> {
  for (const one of plainerFields(step, { vcpu: 0, slot: 0, page: 0, npages: 1, stride: 1 })) yield [one];
  if ('npages' in step && step.npages > 1) yield [{ ...step, npages: Math.floor(step.npages / 2) }];
  if (step.do !== 'together') return;
  for (const touches of simplerElements(step.touches, touch => [...plainerFields(touch, { vcpu: 0, slot: 0, page: 0 })].map(one => [one])))
    yield [{ ...step, touches }];
}

function* simplerSlots(slot: SlotPlan): Iterable<readonly SlotPlan[]> {
  for (const one of plainerFields(slot, { populated: false, readonly: false, congruent: true, shift: 0, backing: 'anonymous' })) yield [one];
}

function without<Value>(values: Readonly<Record<string, Value>>, name: string): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(values).filter(([other]) => other !== name));
}
