/**
 * The machine a trace is replayed on: what the trace shows of its own, and over it what the user says.
 */
import { resolveMachines, settingSection, type RawConfig, type Registry, type ResolvedMachine } from '@mmulab/runner';
import type { TraceSigns } from '@mmulab/traces';
import { settingOfNoUse, severalMachines } from './errors';
import type { PluginOptions, RunSettings } from './options';
import { applyOverrides } from './overrides';
import { withImports } from './sources';

/**
 * The machines of a command line, one per combination of `--vary`.
 * @throws CLI_SETTING_OF_NO_USE for settings of guest and workload, which are the trace's
 */
export function machinesFor(signs: TraceSigns, settings: RunSettings & PluginOptions, registry: Registry): readonly ResolvedMachine[] {
  const seen = signs.machineOf(registry.backends());
  const foreign = settings.backend !== undefined && settings.backend !== seen?.backend;
  const base: RawConfig =
    seen === undefined || foreign
      ? {}
      : {
          backend: { name: seen.backend, options: seen.options, ...(settings.kernel === undefined ? { kernel: seen.kernel } : {}) },
          host: seen.host,
        };
  const { config, notes } = withImports(base, settings, registry);
  const { backend } = settings;
  refuseOthers(backend === undefined ? config : applyOverrides(config, { backend }, registry), settings, registry);
  const machines = resolveMachines(applyOverrides(config, settings, registry), registry);
  return notes.length === 0 ? machines : machines.map(machine => ({ ...machine, notes: [...notes, ...machine.notes] }));
}

/** Who runs in the machine, and what, is the trace's to say. */
function refuseOthers(config: RawConfig, { set = [], vary = [] }: RunSettings, registry: Registry): void {
  for (const [option, list] of [
    ['--set', set],
    ['--vary', vary],
  ] as const) {
    for (const { key } of list) {
      const section = settingSection(config, key, registry);
      if (section !== undefined && section !== 'backend' && section !== 'host') throw settingOfNoUse('a replay', `${option} ${key}`, section);
    }
  }
}

/** @throws CLI_SEVERAL_MACHINES where only one can be meant */
export function onlyMachine(machines: readonly ResolvedMachine[]): ResolvedMachine {
  const [machine, ...others] = machines;
  if (machine === undefined || others.length > 0) throw severalMachines(machines.length);
  return machine;
}
