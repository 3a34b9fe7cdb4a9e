/**
 * Predicted times: each phase with its interval, and where the time goes. Only where runs have times.
 */
import type { RunResult } from '@mmulab/api';
import type { JSX } from 'preact';
import { alignPhases } from '../../align';
import { formatTime } from '../../quantity';
import { runLabels } from '../../settings';
import { barsSpec, sharesSpec } from '../chart-spec';
import { Chart } from './chart';
import { DataTable } from './data-table';

/** Times of runs. */
export function TimeView({ runs }: { readonly runs: readonly RunResult[] }): JSX.Element {
  const labels = runs.length === 1 ? [runs[0]?.name ?? ''] : runLabels(runs).map(lines => lines.join(', '));
  const phases = alignPhases(runs.map(run => run.phases.map(phase => phase.phase))).map(({ name, names }) => ({
    name,
    of: names.map((phase, run) => runs[run]?.phases.find(one => one.phase === phase)),
  }));
  const timed = phases.filter(({ of }) => of.some(phase => phase?.time !== undefined));
  const rows = timed.flatMap(({ name, of }) =>
    of.flatMap((phase, run) => {
      const time = phase?.time;
      if (time === undefined) return [];
      return [
        [
          name,
          labels[run] ?? '',
          formatTime(time.predictedNs),
          time.intervalNs.map(formatTime).join(' – '),
          `${time.basis}, ${time.model}, ${time.solver}`,
        ],
      ];
    }),
  );
  const names = ['phase', 'run', 'predicted', 'interval', 'basis'];
  const columns = names.map(name => ({ name, align: name === 'predicted' || name === 'interval' ? ('right' as const) : ('left' as const) }));
  return (
    <section>
      <h3>Time</h3>
      <Chart spec={barsSpec('Predicted time per phase, with its interval', 'time', timed, labels, phase => phase.time?.predictedNs)} />
      <Chart spec={sharesSpec(timed, labels)} />
      <DataTable sheet={{ columns, rows, keys: 2, notes: [] }} caption="Predicted times" />
    </section>
  );
}
