/**
 * The JSON Schema of configs, for editors: the fixed shape, and for every installed backend and workload its options.
 */
import type { BackendDefinition, OptionSpec, WorkloadDefinition } from '@mmulab/api';
import type { Registry } from '../registry';
import { hostOptionSpecs } from './host-options';
import { expectedValue, isFlagLike } from './option-values';
import { configShape, type JsonSchema } from './shape';

/** @returns a JSON Schema (draft 7) of configs for what the registry holds */
export function configSchema(registry: Registry): JsonSchema {
  const backends = registry.backends();
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'mmulab config',
    type: 'object',
    additionalProperties: false,
    properties: orNull(configShape),
    allOf: [...backends.map((backend, i) => ifBackend(backend, i === 0)), ...registry.workloads().map(ifWorkload), knownNames(registry)],
  };
}

/** An empty key (`vm:` and nothing after it) is null, as good as absent, and in a config that extends others it takes away what they say. */
function orNull(known: JsonSchema): JsonSchema {
  const entries = Object.entries(known).map(([key, value]): readonly [string, JsonSchema] => {
    const { type, properties, ...rest } = value as JsonSchema & { readonly type: string | readonly string[]; readonly properties?: JsonSchema };
    return [key, { ...rest, type: [type, 'null'].flat(), ...(properties === undefined ? {} : { properties: orNull(properties) }) }];
  });
  return Object.fromEntries(entries);
}

function knownNames(registry: Registry): JsonSchema {
  const backendNames = registry.backends().map(backend => backend.name);
  const workloadNames = registry.workloads().map(workload => workload.name);
  return {
    properties: {
      backend: { anyOf: [{ enum: [...backendNames, null] }, { type: 'object', properties: { name: { enum: [...backendNames, null] } } }] },
      workload: { anyOf: [{ type: ['string', 'null'] }, { type: 'object', properties: { name: { enum: [...workloadNames, null] } } }] },
    },
  };
}

/** A config without a backend means the default one, unless it extends one that may name another. */
function ifBackend(definition: BackendDefinition, isDefault: boolean): JsonSchema {
  const { name, profiles, options } = definition;
  const named: JsonSchema = {
    required: ['backend'],
    properties: { backend: { anyOf: [{ const: name }, { type: 'object', required: ['name'], properties: { name: { const: name } } }] } },
  };
  const unnamed: JsonSchema = { not: { anyOf: [{ required: ['extends'] }, { required: ['backend'] }] } };
  const fixed: JsonSchema = { not: varies(['backend', 'backend.name']) };
  const kernel = {
    description: `Profiles of ${name}; any other release number takes each switch at its own release.`,
    anyOf: [{ enum: profiles.map(profile => profile.name) }, {}],
  };
  return {
    if: { allOf: [fixed, isDefault ? { anyOf: [named, unnamed] } : named] },
    then: { properties: { backend: { properties: { kernel, options: optionsSchema(options) } }, host: optionsSchema(hostOptionSpecs(definition)) } },
  };
}

/** A matrix has one of these keys: then the options are not those of the name that stands in the config. */
function varies(keys: readonly string[]): JsonSchema {
  const hasOne = { type: 'object', anyOf: keys.map(key => ({ required: [key] })) };
  return { anyOf: ['vary', 'zip'].map(matrix => ({ required: [matrix], properties: { [matrix]: hasOne } })) };
}

function ifWorkload({ name, options }: WorkloadDefinition): JsonSchema {
  const named = { type: 'object', required: ['name'], properties: { name: { const: name } } };
  return {
    if: { required: ['workload'], properties: { workload: named }, not: varies(['workload', 'workload.name', 'workload.command']) },
    then: { properties: { workload: { properties: { options: optionsSchema(options) } } } },
  };
}

function optionsSchema(specs: readonly OptionSpec[]): JsonSchema {
  const entries = specs.flatMap(spec => [spec.name, ...(spec.aliases ?? [])].map(name => [name, optionSchema(spec)] as const));
  return { type: ['object', 'null'], additionalProperties: false, properties: Object.fromEntries(entries) };
}

function optionSchema(spec: OptionSpec): JsonSchema {
  const description = `${spec.doc} Expected: ${expectedValue(spec)}.`;
  return { description, default: spec.default, anyOf: [...valueSchemas(spec), { type: 'null' }] };
}

const FLAG_WORDS: readonly unknown[] = ['Y', 'N', 'y', 'n', 'on', 'off', 'yes', 'no', '1', '0', 'true', 'false', 1, 0, true, false];

/** Schemas of which a value has to fit one; what none of them takes, no run takes either. */
function valueSchemas(spec: OptionSpec): readonly JsonSchema[] {
  switch (spec.kind) {
    case 'flag':
      return [{ enum: FLAG_WORDS }];
    case 'switch':
      return [{ enum: [true, false, 'true', 'false', 'Y', 'N', 'y', 'n', 'on', 'off', 'yes', 'no', '1', '0', 1, 0] }];
    case 'choice':
      return [{ enum: [...new Set([...spec.choices, ...Object.keys(spec.synonyms ?? {}), ...otherForms(spec.choices)])] }];
    case 'number':
      return [
        { type: spec.integer ? 'integer' : 'number', minimum: spec.min, maximum: spec.max },
        { type: 'string', pattern: '^\\s*-?\\d' },
      ];
    case 'size':
      return [
        { type: 'integer', minimum: spec.min, maximum: spec.max },
        { type: 'string', pattern: '^\\s*(0[xX][0-9a-fA-F]+|\\d+)([kKmMgGtT]([iI]?[bB])?|[iI]?[bB])?\\s*$' },
      ];
    case 'text':
      return [{ type: 'string', pattern: spec.pattern }, { type: 'number' }];
  }
}

/** Other forms of choices: numbers, and the words of flags where Y and N are among them. */
function otherForms(choices: readonly string[]): readonly unknown[] {
  return [...choices.filter(isNumeral).map(Number), ...(isFlagLike(choices) ? FLAG_WORDS : [])];
}

function isNumeral(word: string): boolean {
  return word.trim() !== '' && Number.isFinite(Number(word));
}
