/**
 * A config in one form, and single settings laid over it: what `--set key=value`, `vary` and `zip` change.
 *
 * A key is a dotted path (`backend.options.huge_page_fault`) or the bare name of an option, looked for among those of the config's backend,
 * host and workload (key-paths.ts). The setting replaces what the config says there under whatever name: an alias of the option, the other place of the vCPUs. A
 * command line replaces the whole workload.
 */
import { isMmulabError } from '@mmulab/api';
import { conflict, wrongType } from '../errors';
import type { Registry } from '../registry';
import { commandLineConfig, splitCommand } from './command-line';
import { Draft } from './draft';
import { isWholeWorkload, optionSpecsAt, settingPlace, WORKLOAD_VCPUS } from './key-paths';
import type { NormalConfig } from './normal-config';
import { findOption, optionNames, readOption } from './option-values';
import { checkShape, withoutEmpty } from './shape';
import type { RawConfig, RawOptions, RawWorkload } from './types';

/**
 * Brings a config into one form.
 * @throws CONFIG_UNKNOWN_KEY, CONFIG_WRONG_TYPE for a wrong shape; CONFIG_UNKNOWN_WORKLOAD and the workload's own errors for a wrong command line;
 * CONFIG_CONFLICT when the options beside a command line contradict it
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
 * @throws CONFIG_UNKNOWN_KEY, CONFIG_UNKNOWN_OPTION, CONFIG_AMBIGUOUS_OPTION, CONFIG_UNSETTABLE
 */
export function applySetting(raw: RawConfig, key: string, value: unknown, registry: Registry): RawConfig {
  const config = normaliseConfig(raw, registry);
  return applyAt(config, [{ ...settingPlace(config, key, registry), value }], registry);
}

/** The section of a config that a setting is about; undefined where only the runs of a matrix know what its name means. */
export function settingSection(raw: RawConfig, key: string, registry: Registry): string | undefined {
  try {
    return settingPlace(normaliseConfig(raw, registry), key, registry).path[0];
  } catch (error) {
    if (isMmulabError(error)) return undefined;
    throw error;
  }
}

/** A value, and where it goes. */
export interface PlacedValue {
  readonly path: readonly string[];
  /** The name an option was given, if not its own. */
  readonly name?: string;
  readonly value: unknown;
}

/** Changes settings of a config, in order, and checks the outcome once. */
export function applyAt(config: NormalConfig, values: readonly PlacedValue[], registry: Registry): NormalConfig {
  const draft = new Draft(config);
  for (const one of values) place(draft, one, registry);
  const normal = normaliseConfig(draft.config(), registry);
  const setsWorkload = values.some(({ path }) => isWholeWorkload(path));
  return setsWorkload && normal.workload.options['vcpus'] !== undefined ? withoutVm(normal) : normal;
}

function place(draft: Draft, { path, name, value }: PlacedValue, registry: Registry): void {
  const [section, key] = path;
  if (isWholeWorkload(path)) {
    draft.set(['workload'], key === 'command' ? { command: value } : value);
    return;
  }
  // vCPUs have two places; the one set last counts.
  if (section === 'vm') draft.delete(WORKLOAD_VCPUS);
  const spec = findOption(optionSpecsAt(draft.owners(), path.slice(0, -1), registry), path.at(-1) ?? '');
  if (spec === undefined) return draft.set(path, value);
  // Of an option's names one is there.
  const owner = path.slice(0, -1);
  for (const other of optionNames([spec])) draft.delete([...owner, other]);
  draft.set([...owner, name ?? spec.name], value);
}

function withoutVm(config: NormalConfig): NormalConfig {
  const { vm: _vm, ...rest } = config;
  return rest;
}

function normaliseWorkload({ name, command, options = {} }: RawWorkload, registry: Registry): NormalConfig['workload'] {
  if (command === undefined) return { ...(name === undefined ? {} : { name }), options };
  const parsed = commandLineConfig(splitCommand(command), registry).workload as Required<NormalConfig['workload']>;
  if (name !== undefined && name !== parsed.name) throw conflict('workload.name', name, 'workload.command', command);
  return { name: parsed.name, options: { ...parsed.options, ...besideCommand(options, parsed, command, registry) } };
}

/** Options beside a command line, those that it says too left out. */
function besideCommand(options: RawOptions, parsed: NormalConfig['workload'], command: string, registry: Registry): RawOptions {
  const { options: specs } = registry.workload(parsed.name ?? '');
  const own = Object.entries(options).filter(([key, value]) => {
    const spec = findOption(specs, key);
    const said = spec === undefined ? undefined : Object.keys(parsed.options).find(other => findOption([spec], other) !== undefined);
    if (spec === undefined || said === undefined) return true;
    const path = `workload.options.${key}`;
    if (readOption(spec, value, path) !== readOption(spec, parsed.options[said], 'workload.command'))
      throw conflict(path, value, 'workload.command', command);
    return false;
  });
  return Object.fromEntries(own);
}
