/**
 * Single settings: what `--set key=value`, `vary` and `zip` change in a config.
 *
 * A key is a dotted path (`backend.options.huge_page_fault`) or the bare name of an option, looked for among those of the config's backend,
 * host and workload.
 */
import { suggestName, type OptionSpec } from '@mmulab/api';
import { ambiguousOption, conflict, unknownKey, unknownOption, wrongType } from '../errors';
import { isMap } from '../files';
import type { Registry } from '../registry';
import { commandLineConfig, splitCommand } from './command-line';
import { hostOptionSpecs } from './host-options';
import { findOption, optionNames } from './option-values';
import { checkShape, configShape } from './shape';
import type { RawBackend, RawConfig, RawOptions, RawWorkload } from './types';

/** A config in one form: backend and workload as maps, command lines read, empty sections left out. */
export interface NormalConfig extends RawConfig {
  readonly backend: RawBackend;
  readonly workload: { readonly name?: string | undefined; readonly options: RawOptions };
}

const VCPUS = 'vcpus';

/** Keys that need no path. */
const SHORT_KEYS: Readonly<Record<string, string>> = {
  backend: 'backend.name',
  kernel: 'backend.kernel',
  vcpus: 'vm.vcpus',
  model: 'time.model',
  solver: 'time.solver',
};

/**
 * Brings a config into one form.
 * @throws CONFIG_UNKNOWN_KEY, CONFIG_WRONG_TYPE for a wrong shape; CONFIG_UNKNOWN_WORKLOAD and the workload's own errors for a wrong command line
 */
export function normaliseConfig(raw: RawConfig, registry: Registry): NormalConfig {
  const config = withoutEmpty(raw);
  checkShape(config);
  if (config.extends !== undefined) throw wrongType('extends', config.extends, 'a config without it: only config files extend others');
  const { backend = {}, workload = {} } = config;
  return {
    ...config,
    backend: typeof backend === 'string' ? { name: backend } : backend,
    workload: normaliseWorkload(typeof workload === 'string' ? { command: workload } : workload, registry),
  };
}

/**
 * Changes one setting of a config.
 * @param key dotted path or bare option name
 * @throws CONFIG_UNKNOWN_KEY, CONFIG_UNKNOWN_OPTION, CONFIG_AMBIGUOUS_OPTION
 */
export function applySetting(raw: RawConfig, key: string, value: unknown, registry: Registry): RawConfig {
  const config = normaliseConfig(raw, registry);
  const path = settingPath(config, key, registry);
  // vCPUs have two places; the one set last counts.
  const cleared = path.at(-1) === VCPUS ? withoutVcpus(config) : config;
  return normaliseConfig(setPath(cleared, path, value) as RawConfig, registry);
}

/** The backend a config means: the first one installed when it names none. @throws CONFIG_UNKNOWN_BACKEND */
export function backendOf(config: NormalConfig, registry: Registry): ReturnType<Registry['backend']> {
  return registry.backend(config.backend.name ?? registry.backends()[0]?.name ?? '');
}

function normaliseWorkload({ name, command, options = {} }: RawWorkload, registry: Registry): NormalConfig['workload'] {
  if (command === undefined) return { ...(name === undefined ? {} : { name }), options };
  const parsed = commandLineConfig(splitCommand(command), registry).workload as NormalConfig['workload'];
  if (name !== undefined && name !== parsed.name) throw conflict('workload.name', name, 'workload.command', command);
  return { name: parsed.name, options: { ...parsed.options, ...options } };
}

/** YAML reads `options:` with nothing after it as null: an empty section, as good as absent. */
function withoutEmpty(config: unknown): unknown {
  if (!isMap(config)) return config;
  const sections = Object.entries(config).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    sections.map(([key, section]) => {
      if ((key !== 'backend' && key !== 'workload' && key !== 'vm' && key !== 'time') || !isMap(section)) return [key, section];
      return [key, Object.fromEntries(Object.entries(section).filter(([, value]) => value !== null && value !== undefined))];
    }),
  );
}

function settingPath(config: NormalConfig, key: string, registry: Registry): readonly string[] {
  const parts = (Object.hasOwn(SHORT_KEYS, key) ? (SHORT_KEYS[key] ?? key) : key).split('.');
  const [first = '', ...rest] = parts;
  if (Object.hasOwn(configShape, first)) return parts;
  if (rest.length > 0) throw unknownKey(key, suggestName(first, Object.keys(configShape)));
  return optionPath(config, key, registry);
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
    const owners = workload === undefined ? backend.name : `${backend.name}, its host or ${workload.name}`;
    const names = [...Object.keys(SHORT_KEYS), ...places.flatMap(({ specs }) => optionNames(specs))];
    throw unknownOption(name, owners, suggestName(name, names));
  }
  const paths = found.map(one => one.join('.'));
  if (found.length > 1) throw ambiguousOption(name, paths);
  return path;
}

function withoutVcpus(config: NormalConfig): NormalConfig {
  const { vm: _vm, ...rest } = config;
  const { [VCPUS]: _vcpus, ...options } = config.workload.options;
  return { ...rest, workload: { ...config.workload, options } };
}

function setPath(target: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const map = isMap(target) ? target : {};
  return { ...map, [key]: setPath(map[key], rest, value) };
}
