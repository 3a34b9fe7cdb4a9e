/**
 * What plugins hand over, checked before it is used: a plugin that answers nothing is named, and is no bug of ours.
 */
import type { BackendContribution, HostBacking, WorkloadContribution, WorkloadPlan } from '@mmulab/api';
import { pluginShape } from './errors';

/** Fields of a definition, and what they have to be. */
type Fields = Readonly<Record<string, 'string' | 'function' | 'list'>>;

const BACKEND: Fields = {
  name: 'string',
  arch: 'string',
  profiles: 'list',
  options: 'list',
  hostOptions: 'list',
  events: 'list',
  check: 'function',
  machine: 'function',
};
const WORKLOAD: Fields = { name: 'string', options: 'list', parseArguments: 'function' };
const BACKING: Fields = { name: 'string' };

/** @throws PLUGIN_SHAPE with the plugin and the field */
export function checkContributions(
  plugin: string,
  brought: {
    readonly backends: readonly BackendContribution[];
    readonly workloads: readonly WorkloadContribution[];
    readonly backings: readonly HostBacking[];
  },
): void {
  for (const one of brought.backends) checkContribution(plugin, 'backend', one, BACKEND);
  for (const one of brought.workloads) checkContribution(plugin, 'workload', one, WORKLOAD);
  for (const one of brought.backings) checkFields(plugin, 'backing', one, BACKING);
}

function checkContribution(plugin: string, kind: string, contribution: unknown, fields: Fields): void {
  const { definition, implementation } = (contribution ?? {}) as { readonly definition?: unknown; readonly implementation?: unknown };
  checkFields(plugin, kind, definition, fields);
  if (typeof implementation !== 'function') throw pluginShape(plugin, `the class of a ${kind}`, implementation, 'a class');
}

function checkFields(plugin: string, kind: string, definition: unknown, fields: Fields): void {
  if (typeof definition !== 'object' || definition === null) throw pluginShape(plugin, `a ${kind}`, definition, `its definition`);
  for (const [field, expected] of Object.entries(fields)) {
    const value = (definition as Readonly<Record<string, unknown>>)[field];
    if (expected === 'list' ? !Array.isArray(value) : typeof value !== expected)
      throw pluginShape(plugin, `${kind}.${field}`, value, `a ${expected}`);
  }
}

/** @throws PLUGIN_SHAPE for what is no plan */
export function checkPlan(workload: string, plan: unknown): asserts plan is WorkloadPlan {
  const { vm, phases, notes } = (plan ?? {}) as Partial<WorkloadPlan>;
  const isIterable = typeof phases === 'object' && (phases as unknown) !== null && Symbol.iterator in phases;
  if (typeof vm !== 'object' || (vm as unknown) === null || !isIterable) throw pluginShape(workload, 'the plan', plan, 'a VM and its phases');
  if (!Array.isArray(vm.memslots) || !Array.isArray(vm.spaces)) throw pluginShape(workload, 'plan.vm', vm, 'memslots and address spaces');
  if (!Array.isArray(notes)) throw pluginShape(workload, 'plan.notes', notes, 'a list of notes');
}
