/**
 * `--export NAME=FILE`: a trace of the run in a language of somebody else's tool, as far as the backend can write it.
 */
import type { TraceExport } from '@mmulab/api';
import { withOutputFile } from '@mmulab/runner';
import { exportNotThere, exportOfSeveral, unknownExport } from './errors';
import type { ExportSetting } from './options';
import type { PreparedRun } from './sources';

/**
 * Checks that the runs can be exported as asked, before anything runs.
 * @throws CLI_EXPORT_RUNS for several runs, CLI_EXPORT_BACKEND when the backend writes no traces, CLI_UNKNOWN_EXPORT when it writes others
 */
export function checkExport({ key: name }: ExportSetting, prepared: readonly PreparedRun[]): void {
  if (prepared.length !== 1) throw exportOfSeveral(prepared.length);
  for (const { run, registry } of prepared) {
    const known = registry.backend(run.backend.name).exports ?? [];
    if (known.length === 0) {
      const others = registry.backends().flatMap(backend => (backend.exports ?? []).map(one => `${one.name} (${backend.name})`));
      throw exportNotThere(name, run.backend.name, others);
    }
    if (!known.some(one => one.name === name)) {
      throw unknownExport(
        name,
        run.backend.name,
        known.map(one => one.name),
      );
    }
  }
}

/**
 * Writes a trace into a file while something runs. A run that fails leaves the file as it was.
 * @param leaveOut what the backend is to leave out of it
 * @throws FILE_UNWRITABLE, before anything runs when that can be known
 */
export function writingExport<T>({ key: name, value: path }: ExportSetting, leaveOut: string | undefined, run: (trace: TraceExport) => T): T {
  return withOutputFile(path, {}, file => run({ name, leaveOut, write: text => file.append(text) }));
}
