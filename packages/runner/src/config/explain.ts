/**
 * What a name means: the data behind `mmulab explain NAME`.
 */
import { formatSize, suggestName, type OptionSpec } from '@mmulab/api';
import { unknownName } from '../errors';
import type { Registry } from '../registry';
import { patchFacts } from './explain-patch';
import { hostOptionSpecs } from './host-options';
import { expectedValue } from './option-values';
import { SHORT_KEYS } from './key-paths';
import { configShape } from './shape';

/** One meaning of a name; a name may have several (a counter that two backends share is one, with both as owners). */
export interface Explanation {
  readonly kind:
    'patch' | 'backend' | 'workload' | 'profile' | 'backing' | 'counter' | 'backend option' | 'host option' | 'workload option' | 'key of the config';
  readonly name: string;
  /** Whose it is: backends or workloads. */
  readonly owners: readonly string[];
  readonly doc: string;
  /** Facts in order, such as `default: Y`, `values: Y or N`. */
  readonly facts: readonly { readonly label: string; readonly value: string }[];
}

/**
 * Finds everything of this name.
 * @throws EXPLAIN_UNKNOWN_NAME with the nearest name
 */
export function explainName(name: string, registry: Registry): readonly Explanation[] {
  const all = explainAll(registry);
  const found = all.filter(one => one.name === name || aliasesOf(one).includes(name));
  if (found.length === 0) throw unknownName(name, nearest(name.replace(/=.*$/s, ''), all));
  return found.map(one => (one.kind === 'patch' ? withChanges(one, registry) : one));
}

/** Everything there is to explain: backends, workloads, their profiles, options and counters, kinds of host memory. */
export function explainAll(registry: Registry): readonly Explanation[] {
  return mergeOwners([
    ...explainBackends(registry),
    ...explainWorkloads(registry),
    ...explainBackings(registry),
    ...explainPatches(registry),
    ...explainKeys(),
  ]);
}

/** Keys of a config, those of its sections by their paths. */
function explainKeys(): readonly Explanation[] {
  const short = new Map(Object.entries(SHORT_KEYS).map(([name, path]) => [path, name]));
  return keysBelow('', configShape).map(([name, doc]) => {
    const alias = short.get(name);
    return { kind: 'key of the config', name, owners: [], doc, facts: alias === undefined ? [] : facts({ aliases: alias }) };
  });
}

interface KeyShape {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, KeyShape>>;
}

function keysBelow(path: string, shape: Readonly<Record<string, KeyShape>>): readonly (readonly [name: string, doc: string])[] {
  return Object.entries(shape).flatMap(([key, { description = '', properties = {} }]) => {
    const name = `${path}${key}`;
    return [[name, description] as const, ...keysBelow(`${name}.`, properties)];
  });
}

function explainBackends(registry: Registry): readonly Explanation[] {
  return registry.backends().flatMap((definition): readonly Explanation[] => {
    const { name, arch, models, profiles, options, events } = definition;
    const owners = [name];
    return [
      {
        kind: 'backend',
        name,
        owners: [],
        doc: `Models ${models}.`,
        facts: facts({ arch, profiles: profiles.map(profile => profile.name).join(', ') }),
      },
      ...profiles.map(profile => ({ kind: 'profile' as const, name: profile.name, owners, doc: profile.doc, facts: facts(profile.values) })),
      ...options.map(option => explainOption('backend option', option, name)),
      ...hostOptionSpecs(definition).map(option => explainOption('host option', option, name)),
      ...events.map(({ name: event, unit, gauge, doc }) => {
        const reported = gauge ? 'value at the end of the phase' : 'what happened in the phase';
        return { kind: 'counter' as const, name: event, owners, doc, facts: facts({ unit, reported }) };
      }),
    ];
  });
}

/** Patches. */
function explainPatches(registry: Registry): readonly Explanation[] {
  return registry.backends().flatMap(definition => {
    const own = registry.patches().filter(({ of }) => [of].flat().includes(definition.name));
    return own.map(({ name, doc }) => ({ kind: 'patch' as const, name, owners: [definition.name], doc, facts: [] }));
  });
}

/** A patch, with what it changes of its backends. */
function withChanges(explained: Explanation, registry: Registry): Explanation {
  const facts = explained.owners.flatMap(owner => {
    const patch = registry.patchesOf(owner, [explained.name]).find(one => one.definition.name === explained.name);
    if (patch === undefined) return [];
    const changes = patchFacts(patch, registry.backend(owner), registry);
    const of = explained.owners.length > 1 ? [{ label: 'of', value: owner }] : [];
    return [{ label: 'plugin', value: patch.plugin }, ...of, ...changes];
  });
  return { ...explained, facts };
}

function explainWorkloads(registry: Registry): readonly Explanation[] {
  return registry
    .workloads()
    .flatMap(({ name, doc, options, usage }): readonly Explanation[] => [
      { kind: 'workload', name, owners: [], doc, facts: facts({ usage, options: options.map(option => option.name).join(', ') }) },
      ...options.map(option => explainOption('workload option', option, name)),
    ]);
}

function explainBackings(registry: Registry): readonly Explanation[] {
  return registry.backings().map(({ name, doc, pageLevel, states }) => ({
    kind: 'backing',
    name,
    owners: [],
    doc,
    facts: facts({ 'page level': pageLevel, states: states.map(state => state.name).join(', ') }),
  }));
}

function explainOption(kind: 'backend option' | 'host option' | 'workload option', spec: OptionSpec, owner: string): Explanation {
  const { name, doc, aliases = [] } = spec;
  const value = spec.kind === 'size' ? formatSize(spec.default) : spec.default;
  const also = aliases.length === 0 ? {} : { aliases: aliases.join(', ') };
  return { kind, name, owners: [owner], doc, facts: facts({ values: expectedValue(spec), default: value, ...also }) };
}

function facts(values: Readonly<Record<string, string | number | boolean>>): Explanation['facts'] {
  return Object.entries(values).map(([label, value]) => ({ label, value: String(value) }));
}

/** Equal meanings of several owners become one. */
function mergeOwners(all: readonly Explanation[]): readonly Explanation[] {
  const merged = new Map<string, Explanation>();
  for (const one of all) {
    const key = JSON.stringify([one.kind, one.name, one.doc, one.facts]);
    const known = merged.get(key);
    merged.set(key, known === undefined ? one : { ...known, owners: [...known.owners, ...one.owners] });
  }
  return [...merged.values()];
}

function aliasesOf(one: Explanation): readonly string[] {
  return one.facts.find(fact => fact.label === 'aliases')?.value.split(', ') ?? [];
}

/** The list of all names would be no help: only a near one is suggested. */
function nearest(name: string, all: readonly Explanation[]): string {
  const suggestion = suggestName(
    name,
    all.flatMap(one => [one.name, ...aliasesOf(one)]),
  );
  return suggestion.startsWith(' (known') ? '' : suggestion;
}
