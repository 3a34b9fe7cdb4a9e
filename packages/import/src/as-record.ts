/**
 * Counts of a whole run as a record for `verify`, and as a result for `compare`.
 */
import { RECORDS_SCHEMA, RESULT_SCHEMA, TOTAL_PHASE, type RecordFile, type RunResult } from '@mmulab/api';
import type { RawConfig, Registry } from '@mmulab/runner';
import { commandLineConfig, resolveRuns, resolvedConfig } from '@mmulab/runner';
import { noCommand } from './errors';
import type { Imported } from './imported';

/** What the file does not say. */
export interface CountedRun {
  readonly backend?: string | undefined;
  readonly kernel?: string | undefined;
  /** The command line of the test, its name first; beats that of the file. */
  readonly words?: readonly string[] | undefined;
}

/**
 * A record with one phase, `total`. It is not exact: what else the host did is in its counts.
 * @throws IMPORT_NO_COMMAND when neither file nor user names the test, and what is wrong with its command line
 */
export function recordOf(imported: Imported, counted: CountedRun, registry: Registry): RecordFile {
  const { run, words } = runOf(imported, counted, registry);
  const definition = registry.backend(run.backend.name);
  const record = {
    id: imported.file,
    arch: definition.arch,
    backend: definition.name,
    kernel: run.backend.kernel,
    options: {},
    host: {},
    command: words.join(' '),
    workload_options: {},
    exact: false,
    phases: [{ phase: TOTAL_PHASE, counters: countersOf(imported) }],
  };
  return { schema: RECORDS_SCHEMA, records: [record] };
}

/** A result that has nothing but totals: a side of a comparison. */
export function resultOf(imported: Imported, counted: CountedRun, registry: Registry): RunResult {
  const { run } = runOf(imported, counted, registry);
  return {
    schema: RESULT_SCHEMA,
    name: imported.file,
    config: resolvedConfig(run),
    seed: run.seed,
    notes: [],
    phases: [],
    totals: { counters: countersOf(imported) },
    memory: { tableBytesReal: 0, simulatorBytes: 0 },
    wallMs: 0,
  };
}

function runOf(
  imported: Imported,
  { backend, kernel, words: given }: CountedRun,
  registry: Registry,
): { run: ReturnType<typeof resolveRuns>[number]; words: readonly string[] } {
  const words = given ?? imported.counts?.words;
  if (words === undefined) throw noCommand(imported.file);
  const isArm = Object.keys(countersOf(imported)).some(name => /^(guest_abort|stage2)/.test(name));
  const name = backend ?? (isArm ? 'arm64-stage2' : undefined);
  const config: RawConfig = { ...commandLineConfig(words, registry), backend: { name, kernel } };
  const [run] = resolveRuns(config, registry);
  if (run === undefined) throw noCommand(imported.file);
  return { run, words };
}

function countersOf({ counts }: Imported): Readonly<Record<string, number>> {
  return counts?.counters ?? {};
}
