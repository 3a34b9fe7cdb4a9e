/**
 * The shape every config has, whatever is installed: a JSON Schema, checked by ajv, its complaints put into our words. What is in the maps
 * of options is checked against the option specs afterwards.
 */
import { suggestName } from '@mmulab/api';
import type * as AjvModule from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { missingInConfig, outOfRange, unknownKey, wrongType } from '../errors';
import { isMap } from '../plain-map';
import type { RawConfig } from './types';

/** A JSON Schema, as far as one is written here. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const text = (description: string): JsonSchema => ({ type: 'string', description });
const number = (description: string): JsonSchema => ({ type: ['number', 'string'], description });
const options = (description: string): JsonSchema => ({ type: 'object', description });
const lists = (description: string): JsonSchema => ({
  type: 'object',
  description,
  additionalProperties: { type: ['array', 'string'], minItems: 1 },
});
const closed = (type: unknown, description: string, properties: JsonSchema): JsonSchema => ({
  type,
  description,
  additionalProperties: false,
  properties,
});

/** Config keys and their types. */
export const configShape = {
  $schema: text('Where an editor finds this schema.'),
  name: text('What the run shows; it has no other effect.'),
  extends: { type: ['string', 'array'], items: { type: 'string' }, description: 'Configs this one builds on; paths relative to this file.' },
  plugins: { type: 'array', items: { type: 'string' }, description: 'Package names or paths; short names mean mmulab-plugin-*.' },
  backend: closed(['string', 'object'], 'The second-stage MMU: its name, or name, kernel and options.', {
    name: text('Name of the backend.'),
    kernel: { type: ['string', 'number'], description: 'A kernel release; without it the newest profile of the backend.' },
    options: options('Policy switches and module parameters.'),
    patch: text('Patches of plugins: none, the name of one, or several with a plus between them.'),
  }),
  host: options('The host machine.'),
  vm: closed('object', 'The virtual machine.', { vcpus: number('Number of vCPUs.') }),
  workload: closed(['string', 'object'], 'What the guest and the host do: a command line of a test, or its name and options.', {
    name: text('Name of the workload.'),
    command: text('A command line of the test program, its name first.'),
    options: options('Options of the workload.'),
  }),
  time: closed('object', 'The cost model, if times are wanted.', {
    model: text('Name of the cost model.'),
    solver: text('Name of the solver.'),
    machine: text('A machine whose costs differ from those of the model: its name, or a file.'),
    vcpus: number('Equal vCPUs with memory of their own that the run stands for: its work is priced for so many.'),
  }),
  vary: lists('Dotted path or option name → values, or a range such as 1..512 by doubling: one run per combination.'),
  zip: lists('Dotted path or option name → values or a range, of equal length, taken in step.'),
  sample: closed('object', 'Some combinations of vary and zip only, drawn with the seed.', {
    method: text('lhs, a Latin hypercube, or random; lhs without it.'),
    n: number('Number of combinations.'),
  }),
  thresholds: {
    type: 'object',
    description: 'Place in the result → condition, such as "<= 49152".',
    additionalProperties: { type: ['string', 'number', 'array'], minItems: 1, items: { type: ['string', 'number'] } },
  },
  seed: number('Seed of everything random; 1 without it.'),
  representative: { type: ['boolean', 'string'], description: 'Y: equal vCPUs with memory of their own are counted from one of them; N without it.' },
  seeds: number('Seeds that the run is performed with, from seed on: results tell mean, least and most of counts that differ; 1 without it.'),
} as const satisfies JsonSchema;

/** The schema of a whole config, and how ajv is to read it: where code may not be made at run time, the validator is made of them when the program is bundled. */
export const shapeSchema = closed('object', 'A config.', configShape);
export const AJV_OPTIONS = { verbose: true, allowUnionTypes: true, meta: false, validateSchema: false } as const;

let validator: ValidateFunction | undefined;

/**
 * A config without its empty sections: YAML reads `options:` with nothing after it as null, as good as absent. Keys that no config has stay, whatever they say.
 * @returns what is no map as it is, for `checkShape` to refuse
 */
export function withoutEmpty(config: unknown): unknown {
  return isMap(config) ? withoutNulls(config, configShape) : config;
}

function withoutNulls(map: Readonly<Record<string, unknown>>, known: JsonSchema): unknown {
  const entries = Object.entries(map).filter(([key, value]) => value !== undefined && (value !== null || !Object.hasOwn(known, key)));
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const below = Object.hasOwn(known, key) ? (known[key] as JsonSchema)['properties'] : undefined;
      return [key, below !== undefined && isMap(value) ? withoutNulls(value, below as JsonSchema) : value];
    }),
  );
}

/** Keys of a section that has no others (`vm`), undefined for the rest. */
export function keysOf(section: string): readonly string[] | undefined {
  const { properties } = (Object.hasOwn(configShape, section) ? (configShape as JsonSchema)[section] : {}) as { readonly properties?: JsonSchema };
  return properties === undefined ? undefined : Object.keys(properties);
}

/**
 * Checks the shape of a config.
 * @throws CONFIG_UNKNOWN_KEY with the nearest key, CONFIG_WRONG_TYPE, CONFIG_OUT_OF_RANGE for an empty list
 */
export function checkShape(config: unknown): asserts config is RawConfig {
  validator ??= makeValidator();
  if (validator(config)) {
    checkMaps(config as RawConfig);
    return;
  }
  const [error] = validator.errors ?? [];
  if (error !== undefined) throw shapeError(error);
}

function makeValidator(): ValidateFunction {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- not every command reads a config
  const { Ajv } = require('ajv') as typeof AjvModule;
  return new Ajv(AJV_OPTIONS).compile(shapeSchema);
}

/** To the schema a date or a set is an object, like a map. */
function checkMaps(config: RawConfig): void {
  for (const [key, value] of Object.entries(config)) {
    if (typeof value === 'object' && !Array.isArray(value) && !isMap(value)) throw wrongType(key, value, 'a map');
    if (!isMap(value)) continue;
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !isMap(inner)) throw wrongType(`${key}.${name}`, inner, 'a map');
    }
  }
}

function shapeError(error: ErrorObject): Error {
  const path = error.instancePath.slice(1).split('/').map(unescapePointer).join('.');
  const params = error.params as {
    readonly additionalProperty?: string;
    readonly type?: string | readonly string[];
    readonly missingProperty?: string;
  };
  if (params.additionalProperty !== undefined) {
    const known = Object.keys((error.parentSchema as { readonly properties?: JsonSchema } | undefined)?.properties ?? {});
    const key = path === '' ? params.additionalProperty : `${path}.${params.additionalProperty}`;
    return unknownKey(key, suggestName(params.additionalProperty, known));
  }
  if (params.type !== undefined) return wrongType(path, error.data, [params.type].flat().map(inWords).join(' or '));
  if (error.keyword === 'minItems') return outOfRange(path, error.data, 'a list of at least one value');
  return missingInConfig(path, error.message ?? 'something else');
}

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'a map',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

function inWords(type: string): string {
  return TYPES[type] ?? type;
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
