/**
 * Where a setting of a config lies: from the keys of `--set`, `vary` and `zip` to one path for each thing that can be set, whatever name it is called by.
 */
import { suggestName, type OptionSpec } from '@mmulab/api';
import { ambiguousOption, notASetting, unknownKey, unknownOption } from '../errors';
import type { Registry } from '../registry';
import { hostOptionSpecs } from './host-options';
import { backendOf, type NormalConfig } from './normal-config';
import { findOption, optionNames } from './option-values';
import { configShape, keysOf } from './shape';
import type { RawConfig } from './types';

/** Keys that need no path. */
export const SHORT_KEYS: Readonly<Record<string, string>> = {
  backend: 'backend.name',
  kernel: 'backend.kernel',
  patch: 'backend.patch',
  vcpus: 'vm.vcpus',
  model: 'time.model',
  solver: 'time.solver',
};

/** What is read before a config has one meaning: the matrix itself, and what brings plugins and other configs. */
const NO_SETTINGS = ['$schema', 'extends', 'plugins', 'vary', 'zip', 'sample'];
const SETTABLE = Object.keys(configShape).filter(key => !NO_SETTINGS.includes(key));

/** The workload's own place of the vCPUs, another name of `vm.vcpus`. */
export const WORKLOAD_VCPUS: readonly string[] = ['workload', 'options', 'vcpus'];
const VM_VCPUS: readonly string[] = ['vm', 'vcpus'];

/** Whether a setting says everything of a workload. */
export function isWholeWorkload([section, key]: readonly string[]): boolean {
  return section === 'workload' && (key === undefined || key === 'command');
}

/** Where a setting lies, and the name it was given there: an alias of the option, for messages. */
export interface SettingPlace {
  readonly path: readonly string[];
  readonly name: string;
}

/**
 * The path of a key, `['backend', 'options', 'npt']`: options by their own names, not by aliases; vCPUs as `['vm', 'vcpus']`.
 * @throws CONFIG_UNKNOWN_KEY, CONFIG_UNKNOWN_OPTION, CONFIG_AMBIGUOUS_OPTION; CONFIG_UNSETTABLE for keys that are read before any setting
 */
export function settingPath(config: NormalConfig, key: string, registry: Registry): readonly string[] {
  return settingPlace(config, key, registry).path;
}

/** As `settingPath`, with the name in the key. */
export function settingPlace(config: NormalConfig, key: string, registry: Registry): SettingPlace {
  const path = dottedPath(key) ?? optionPath(config, key, registry);
  const name = path.at(-1) ?? '';
  const spec = findOption(optionSpecsAt(config, path.slice(0, -1), registry), name);
  const named = spec === undefined ? path : [...path.slice(0, -1), spec.name];
  return { path: named.join('.') === WORKLOAD_VCPUS.join('.') ? VM_VCPUS : named, name };
}

/** The option that a path means; undefined where it is none. */
export function optionAt(config: RawConfig, path: readonly string[], registry: Registry): OptionSpec | undefined {
  const place = path.join('.') === VM_VCPUS.join('.') ? WORKLOAD_VCPUS : path;
  return findOption(optionSpecsAt(config, place.slice(0, -1), registry), place.at(-1) ?? '');
}

/**
 * Order in which settings are laid over a config: what decides whose options there are comes first, then whole sections, then the rest.
 * @param key as written
 */
export function settingRank(key: string): number {
  const [section, second, third] = dottedPath(key) ?? [];
  if (section === 'backend' && second === 'name') return 0;
  if (section === 'workload' && second !== 'options') return 1;
  if (second === undefined && section !== undefined) return 2;
  return second === 'options' && third === undefined ? 2 : 3;
}

/** The specs of the options that a place of a config holds; none where no options are, or nobody knows yet whose they are. */
export function optionSpecsAt({ backend, workload }: RawConfig, [section, second]: readonly string[], registry: Registry): readonly OptionSpec[] {
  if (section === 'workload' && second === 'options') {
    const name = typeof workload === 'object' ? workload.name : undefined;
    return registry.workloads().find(one => one.name === name)?.options ?? [];
  }
  if (section !== 'host' && (section !== 'backend' || second !== 'options')) return [];
  const name = typeof backend === 'object' ? backend.name : backend;
  const definition = registry.backends().find((one, i) => (name === undefined ? i === 0 : one.name === name));
  if (definition === undefined) return [];
  return section === 'host' ? hostOptionSpecs(definition) : definition.options;
}

/** The parts of a key that is a path; undefined for the name of an option, which may have a dot as well: `kvm_intel.ept`. */
function dottedPath(key: string): readonly string[] | undefined {
  const path = Object.hasOwn(SHORT_KEYS, key) ? (SHORT_KEYS[key] ?? key) : key;
  const [section, rest] = cut(path);
  if (!Object.hasOwn(configShape, section)) return undefined;
  if (!SETTABLE.includes(section)) throw notASetting('', key, SETTABLE);
  if (rest === undefined) return [section];
  if (section === 'host' || section === 'thresholds') return [section, rest];
  return [section, ...below(key, section, rest)];
}

function below(key: string, section: string, path: string): readonly string[] {
  const [second, rest] = cut(path);
  const known = keysOf(section) ?? [];
  if (!known.includes(second)) throw unknownKey(key, known.length === 0 ? '' : suggestName(second, known));
  if (rest === undefined) return [second];
  if (second !== 'options') throw unknownKey(key, suggestName(path, known));
  return [second, rest];
}

/** Cuts a path at its first dot. */
function cut(path: string): readonly [first: string, rest: string | undefined] {
  const at = path.indexOf('.');
  return at < 0 ? [path, undefined] : [path.slice(0, at), path.slice(at + 1)];
}

function optionPath(config: NormalConfig, name: string, registry: Registry): readonly string[] {
  const backend = backendOf(config, registry);
  const workload = config.workload.name === undefined ? undefined : registry.workload(config.workload.name);
  const places: readonly { readonly path: readonly string[]; readonly specs: readonly OptionSpec[] }[] = [
    { path: ['backend', 'options'], specs: backend.options },
    { path: ['host'], specs: hostOptionSpecs(backend) },
    { path: ['workload', 'options'], specs: workload?.options ?? [] },
  ];
  const found = places.filter(({ specs }) => findOption(specs, name) !== undefined).map(({ path }) => [...path, name]);
  const [path] = found;
  if (path === undefined) {
    const [section, rest] = cut(name);
    const parameters = places.flatMap(({ specs }) => optionNames(specs)).filter(one => one.startsWith(`${section}.`));
    if (rest !== undefined) throw unknownKey(name, parameters.length > 0 ? suggestName(name, parameters) : suggestName(section, SETTABLE));
    const owners = workload === undefined ? backend.name : `${backend.name}, its host or ${workload.name}`;
    const names = [...Object.keys(SHORT_KEYS), ...SETTABLE, ...places.flatMap(({ specs }) => optionNames(specs))];
    throw unknownOption(name, owners, suggestName(name, names));
  }
  const paths = found.map(one => one.join('.'));
  if (found.length > 1) throw ambiguousOption(name, paths);
  return path;
}
