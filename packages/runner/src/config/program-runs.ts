/**
 * The runs of a test program: one, or one for each VM that it runs after another, as axes of the matrix. Settings are laid over the command line before, so that what
 * they say of an axis counts.
 */
import type { Registry } from '../registry';
import { resolveKernel } from './kernel';
import { settingPath, settingRank } from './key-paths';
import { backendOf, type NormalConfig } from './normal-config';
import { findOption, readOptions } from './option-values';
import { normaliseConfig } from './settings';
import type { RawConfig } from './types';

/**
 * Adds the axes that a program brings along: of options that neither the command line nor a setting names.
 * @param raw the config of a command line, settings and axes laid over it
 * @throws as the options of a workload do
 */
export function programRuns(raw: RawConfig, registry: Registry): RawConfig {
  const config = normaliseConfig(raw, registry);
  const { vary = {}, zip = {} } = config;
  const { name, options } = config.workload;
  const axes = [...Object.keys(vary), ...Object.keys(zip)];
  // Where backend or workload vary, each run may have options of its own.
  if (name === undefined || axes.some(axis => settingRank(axis) < 2)) return raw;
  const definition = registry.workload(name);
  if (definition.runsOf === undefined) return raw;
  const varied = new Set(axes.map(axis => settingPath(config, axis, registry).join('.')));
  const isGiven = (option: string): boolean =>
    varied.has(`workload.options.${option}`) || Object.keys(options).some(key => findOption(definition.options, key)?.name === option);
  const values = readOptions(definition.options, {}, options, name, 'workload.options');
  const runs = Object.entries(definition.runsOf(values, machineOf(config, varied, registry))).filter(([option]) => !isGiven(option));
  if (runs.length === 0) return raw;
  return { ...config, vary: { ...Object.fromEntries(runs.map(([option, list]) => [`workload.options.${option}`, list])), ...vary } };
}

function machineOf(config: NormalConfig, varied: ReadonlySet<string>, registry: Registry): { readonly arch: string; readonly kernel?: string } {
  const definition = backendOf(config, registry);
  const { arch } = definition;
  return varied.has('backend.kernel') ? { arch } : { arch, kernel: resolveKernel(definition, config.backend.kernel, 'backend.kernel').name };
}
