/**
 * What plugins hand over, checked before it is used: a plugin that answers nothing is named, and is no bug of ours.
 */
import {
  suggestName,
  type BackendDefinition,
  type BackendContribution,
  type ContentionSolver,
  type CostModel,
  type GuestDefinition,
  type MmuBackend,
  type OptionSpec,
  type PatchContribution,
  type PatchDefinition,
  type Reporter,
  type Workload,
  type WorkloadContribution,
  type WorkloadPlan,
} from '@mmulab/api';
import { expectedValue, findOption, optionNames, readOption } from './config/option-values';
import { pluginShape } from './errors';

/** Fields of something a plugin hands over, and what they have to be. */
export type Fields = Readonly<Record<string, 'string' | 'function' | 'method' | 'list' | 'number' | 'boolean' | 'map'>>;

const BACKEND: Fields = {
  name: 'string',
  arch: 'string',
  models: 'string',
  profiles: 'list',
  options: 'list',
  hostOptions: 'list',
  events: 'list',
  check: 'function',
  machine: 'function',
};
const WORKLOAD: Fields = { name: 'string', doc: 'string', options: 'list', usage: 'string', parseArguments: 'function' };
const GUEST: Fields = {
  arch: 'string',
  modes: 'list',
  defaultMode: 'function',
  stackFirst: 'number',
  rootPages: 'number',
  systemFirst: 'number',
  systemPages: 'number',
  accessed: 'boolean',
  syncsByStore: 'boolean',
  image: 'map',
};
const EVENT: Fields = { name: 'string', unit: 'string', gauge: 'boolean', doc: 'string' };
const KINDS: readonly string[] = ['flag', 'choice', 'number', 'size', 'text', 'switch'] satisfies OptionSpec['kind'][];

/** Methods of the classes, looked for once there is an object. */
const BACKEND_METHODS: readonly (keyof MmuBackend)[] = [
  'create',
  'enter',
  'run',
  'touch',
  'begin',
  'advance',
  'control',
  'host',
  'translate',
  'memory',
];

/** @throws PLUGIN_SHAPE with the plugin, the field, what it is and what was expected */
export function checkBackend(plugin: string, contribution: BackendContribution): void {
  const definition = checkContribution(plugin, 'backend', contribution, BACKEND) as BackendDefinition;
  const { name, profiles, options, hostOptions, events, switches = [] } = definition;
  const place = `backend ${name}`;
  if (profiles.length === 0) throw pluginShape(plugin, `${place}: profiles`, profiles, 'at least one kernel profile');
  if (events.length === 0) throw pluginShape(plugin, `${place}: events`, events, 'at least one counted event');
  for (const [index, event] of events.entries()) checkFields(plugin, `${place}: events[${index}]`, event, EVENT);
  checkOptions(plugin, `${place}: options`, options);
  checkOptions(plugin, `${place}: hostOptions`, hostOptions);
  for (const [index, profile] of profiles.entries()) {
    checkFields(plugin, `${place}: profiles[${index}]`, profile, { name: 'string', values: 'map' });
    for (const [key, value] of Object.entries(profile.values)) checkValue(plugin, `${place}: profile ${profile.name}: ${key}`, key, value, options);
  }
  for (const { option, first } of switches) checkValue(plugin, `${place}: switch ${option}`, option, first, options);
}

/** @throws PLUGIN_SHAPE */
export function checkWorkload(plugin: string, contribution: WorkloadContribution): void {
  const { name, options } = checkContribution(plugin, 'workload', contribution, WORKLOAD) as WorkloadContribution['definition'];
  checkOptions(plugin, `workload ${name}: options`, options);
}

/** @throws PLUGIN_SHAPE */
export function checkGuest(plugin: string, guest: GuestDefinition): void {
  checkFields(plugin, 'a guest', guest, GUEST);
  const images = { image: guest.image, ...guest.images };
  for (const [program, image] of Object.entries(images)) {
    const place = `guest ${guest.arch}: image ${program}`;
    checkFields(plugin, place, image, { segments: 'list', entryCode: 'number', syncCode: 'number', globals: 'list', syncGlobals: 'list' });
    if (!Array.isArray(image.arguments)) throw pluginShape(plugin, `${place}: arguments`, image.arguments, 'a list of pages');
  }
}

/** @throws PLUGIN_SHAPE */
export function checkReporter(plugin: string, reporter: Reporter): void {
  checkFields(plugin, 'a reporter', reporter, { name: 'string', doc: 'string', render: 'function' });
}

const COST_MODEL: Fields = { name: 'string', doc: 'string', backends: 'list', check: 'method', price: 'method' };

/**
 * Checks a cost model. Behind a getter there may be a file to be read: it is asked once somebody wants the model.
 * @param isWanted whether somebody does
 * @throws PLUGIN_SHAPE
 */
export function checkCostModel(plugin: string, model: CostModel, isWanted: boolean): void {
  const asked = Object.entries(COST_MODEL).filter(([field]) => isWanted || !isGetter(model, field));
  checkFields(plugin, 'a cost model', model, Object.fromEntries(asked));
}

/** Whether a field is answered by a function. What is no object has none. */
function isGetter(value: unknown, field: string): boolean {
  for (let owner = value; typeof owner === 'object' && owner !== null; owner = Object.getPrototypeOf(owner)) {
    const property = Object.getOwnPropertyDescriptor(owner, field);
    if (property !== undefined) return property.get !== undefined;
  }
  return false;
}

/** @throws PLUGIN_SHAPE */
export function checkSolver(plugin: string, solver: ContentionSolver): void {
  checkFields(plugin, 'a solver', solver, { name: 'string', doc: 'string', solve: 'method' });
}

/** @throws PLUGIN_SHAPE */
export function checkPatch(plugin: string, patch: PatchContribution): void {
  const { definition } = patch;
  checkFields(plugin, 'a patch', definition, { name: 'string', doc: 'string' });
  const place = `patch ${definition.name}`;
  if (!/^[a-z0-9][a-z0-9_.-]*$/i.test(definition.name) || definition.name === 'none')
    throw pluginShape(plugin, `${place}: name`, definition.name, 'letters, digits, - and _');
  const of: unknown = definition.of;
  if (![of].flat().every(name => typeof name === 'string'))
    throw pluginShape(plugin, `${place}: of`, of, 'the name of a backend, or a list of names');
  if (definition.values !== undefined) checkFields(plugin, place, definition, { values: 'map' });
  checkFields(plugin, place, patch, { apply: 'function' });
}

/** Values that a patch gives the options of a backend. @throws PLUGIN_SHAPE */
export function checkPatchValues(plugin: string, { name, values = {} }: PatchDefinition, { name: backend, options }: BackendDefinition): void {
  for (const [key, value] of Object.entries(values)) checkValue(plugin, `patch ${name}: values of ${backend}: ${key}`, key, value, options);
}

/** A backend as the container built it. @throws PLUGIN_SHAPE for a method or the stages missing */
export function checkBuiltBackend(plugin: string, name: string, backend: MmuBackend): void {
  checkFields(plugin, `backend ${name}`, backend, Object.fromEntries(BACKEND_METHODS.map(method => [method, 'method'])));
  const stages: unknown = backend.stages;
  if (!Array.isArray(stages)) throw pluginShape(plugin, `backend ${name}: stages`, stages, 'a list of stages');
}

/** @throws PLUGIN_SHAPE */
export function checkBuiltWorkload(plugin: string, name: string, workload: Workload): void {
  checkFields(plugin, `workload ${name}`, workload, { plan: 'method' });
}

function checkContribution(plugin: string, kind: string, contribution: unknown, fields: Fields): unknown {
  const { definition, implementation } = (contribution ?? {}) as { readonly definition?: unknown; readonly implementation?: unknown };
  checkFields(plugin, `a ${kind}`, definition, fields);
  if (typeof implementation !== 'function') throw pluginShape(plugin, `the class of a ${kind}`, implementation, 'a class');
  return definition;
}

function checkOptions(plugin: string, place: string, specs: readonly OptionSpec[]): void {
  for (const [index, spec] of specs.entries()) {
    const here = `${place}[${index}]`;
    checkFields(plugin, here, spec, { name: 'string', kind: 'string', doc: 'string' });
    if (!KINDS.includes(spec.kind)) throw pluginShape(plugin, `${here} (${spec.name}): kind`, spec.kind, `one of ${KINDS.join(', ')}`);
    checkValue(plugin, `${here} (${spec.name}): default`, spec.name, spec.default, [spec]);
  }
}

/** A value that a plugin gives one of its own options. */
function checkValue(plugin: string, place: string, name: string, value: unknown, specs: readonly OptionSpec[]): void {
  const spec = findOption(specs, name);
  if (spec === undefined) throw pluginShape(plugin, place, value, `an option of its backend${suggestName(name, optionNames(specs))}`);
  try {
    readOption(spec, value, place);
  } catch {
    throw pluginShape(plugin, place, value, expectedValue(spec));
  }
}

/** @throws PLUGIN_SHAPE for a field that is not what it has to be */
export function checkFields(plugin: string, place: string, value: unknown, fields: Fields): void {
  if (typeof value !== 'object' || value === null) throw pluginShape(plugin, place, value, 'its definition');
  for (const [field, expected] of Object.entries(fields)) {
    const found = (value as Readonly<Record<string, unknown>>)[field];
    if (!isOf(found, expected)) throw pluginShape(plugin, `${place}: ${field}`, found, `a ${expected}`);
  }
}

function isOf(value: unknown, expected: Fields[string]): boolean {
  if (expected === 'list') return Array.isArray(value);
  if (expected === 'map') return typeof value === 'object' && value !== null;
  return typeof value === (expected === 'method' ? 'function' : expected);
}

/** @throws PLUGIN_SHAPE for what is no plan */
export function checkPlan(workload: string, plan: unknown): asserts plan is WorkloadPlan {
  const { vm, phases, notes } = (plan ?? {}) as Partial<WorkloadPlan>;
  const isIterable = typeof phases === 'object' && (phases as unknown) !== null && Symbol.iterator in phases;
  if (typeof vm !== 'object' || (vm as unknown) === null || !isIterable) throw pluginShape(workload, 'the plan', plan, 'a VM and its phases');
  if (!Array.isArray(vm.memslots) || !Array.isArray(vm.spaces)) throw pluginShape(workload, 'plan.vm', vm, 'memslots and address spaces');
  if (!Array.isArray(notes)) throw pluginShape(workload, 'plan.notes', notes, 'a list of notes');
}
