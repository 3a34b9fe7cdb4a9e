/**
 * The JSON Schema of configs, for editors: the fixed shape, and for every installed backend and workload its options.
 */
import type { BackendDefinition, OptionSpec, WorkloadDefinition } from '@mmulab/api';
import type { Registry } from '../registry';
import { hostOptionSpecs } from './host-options';
import { expectedValue } from './option-values';
import { configShape, type JsonSchema } from './shape';

/** @returns a JSON Schema (draft 7) of configs for what the registry holds */
export function configSchema(registry: Registry): JsonSchema {
  const backends = registry.backends();
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'mmulab config',
    type: 'object',
    additionalProperties: false,
    properties: configShape,
    allOf: [...backends.map((backend, i) => ifBackend(backend, i === 0)), ...registry.workloads().map(ifWorkload), knownNames(registry)],
  };
}

function knownNames(registry: Registry): JsonSchema {
  const backendNames = registry.backends().map(backend => backend.name);
  const workloadNames = registry.workloads().map(workload => workload.name);
  return {
    properties: {
      backend: { anyOf: [{ enum: backendNames }, { type: 'object', properties: { name: { enum: backendNames } } }] },
      workload: { anyOf: [{ type: 'string' }, { type: 'object', properties: { name: { enum: workloadNames } } }] },
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
  const kernel = {
    description: `Profiles of ${name}; any other release number takes each switch at its own release.`,
    anyOf: [{ enum: profiles.map(profile => profile.name) }, {}],
  };
  return {
    if: isDefault ? { anyOf: [named, unnamed] } : named,
    then: { properties: { backend: { properties: { kernel, options: optionsSchema(options) } }, host: optionsSchema(hostOptionSpecs(definition)) } },
  };
}

function ifWorkload({ name, options }: WorkloadDefinition): JsonSchema {
  const named = { type: 'object', required: ['name'], properties: { name: { const: name } } };
  return {
    if: { required: ['workload'], properties: { workload: named } },
    then: { properties: { workload: { properties: { options: optionsSchema(options) } } } },
  };
}

function optionsSchema(specs: readonly OptionSpec[]): JsonSchema {
  const entries = specs.flatMap(spec => [spec.name, ...(spec.aliases ?? [])].map(name => [name, optionSchema(spec)] as const));
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(entries) };
}

function optionSchema(spec: OptionSpec): JsonSchema {
  return { description: `${spec.doc} Expected: ${expectedValue(spec)}.`, default: spec.default, ...valueSchema(spec) };
}

function valueSchema(spec: OptionSpec): JsonSchema {
  switch (spec.kind) {
    case 'flag':
      return { enum: ['Y', 'N', 'y', 'n', 'on', 'off', 'yes', 'no', '1', '0', 'true', 'false', 1, 0, true, false] };
    case 'switch':
      return { enum: [true, false, 'true', 'false', 'Y', 'N', 'y', 'n', 'on', 'off', 'yes', 'no', '1', '0', 1, 0] };
    case 'choice':
      return { enum: [...spec.choices, ...spec.choices.map(Number).filter(Number.isFinite)] };
    case 'number':
      return {
        anyOf: [
          { type: spec.integer ? 'integer' : 'number', minimum: spec.min, maximum: spec.max },
          { type: 'string', pattern: '^-?\\d' },
        ],
      };
    case 'size':
      return {
        anyOf: [
          { type: 'integer', minimum: spec.min, maximum: spec.max },
          { type: 'string', pattern: '^\\s*\\d+([kKmMgGtT]([iI]?[bB])?|[bB])?\\s*$' },
        ],
      };
    case 'text':
      return { anyOf: [{ type: 'string', pattern: spec.pattern }, { type: 'number' }] };
  }
}
