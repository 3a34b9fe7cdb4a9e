/**
 * The machine a trace is replayed on: what the trace shows of its own, and over it what the user says.
 */
import { resolveMachines, type RawConfig, type Registry, type ResolvedMachine } from '@mmulab/runner';
import type { TraceSigns } from '@mmulab/traces';
import { severalMachines } from './errors';
import type { RunSettings } from './options';
import { applyOverrides } from './overrides';

/** The machines of a command line, one per combination of `--vary`. */
export function machinesFor(signs: TraceSigns, settings: RunSettings, registry: Registry): readonly ResolvedMachine[] {
  const seen = signs.machineOf(registry.backends());
  const foreign = settings.backend !== undefined && settings.backend !== seen?.backend;
  const base: RawConfig =
    seen === undefined || foreign
      ? {}
      : {
          backend: { name: seen.backend, options: seen.options, ...(settings.kernel === undefined ? { kernel: seen.kernel } : {}) },
          host: seen.host,
        };
  return resolveMachines(applyOverrides(base, settings, registry), registry);
}

/** @throws CLI_SEVERAL_MACHINES where only one can be meant */
export function onlyMachine(machines: readonly ResolvedMachine[]): ResolvedMachine {
  const [machine, ...others] = machines;
  if (machine === undefined || others.length > 0) throw severalMachines(machines.length);
  return machine;
}
