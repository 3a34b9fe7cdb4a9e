/**
 * Every counter of a run by phase, and one counter of all runs as a chart.
 */
import type { RunResult } from '@mmulab/api';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { alignPhases } from '../../align';
import { EMPTY_CATALOG } from '../../describe';
import { counterNames, resultSheet } from '../../results';
import { runLabels } from '../../settings';
import { barsSpec } from '../chart-spec';
import { Chart } from './chart';
import { DataTable } from './data-table';

/** More runs than this are no picture any more: then the chart shows the chosen one beside the first. */
const MAX_RUNS = 8;

const PREFERRED = ['page_fault', 'guest_abort'];

/** Counters by phase. */
export function CountersView({ runs, id }: { readonly runs: readonly RunResult[]; readonly id: string }): JSX.Element | undefined {
  const [at, setAt] = useState(0);
  const [all, setAll] = useState(false);
  const labels = useMemo(() => (runs.length === 1 ? [runs[0]?.name ?? ''] : runLabels(runs).map(lines => lines.join(', '))), [runs]);
  const charted = useMemo(() => (runs.length <= MAX_RUNS ? [...runs.keys()] : [...new Set([0, at])]), [runs, at]);
  const run = runs[at];
  if (run === undefined || run.phases.length === 0) return undefined;
  const { columns, rows, keys, notes } = resultSheet(run, '', EMPTY_CATALOG, { all, color: false, columns: Infinity });
  return (
    <section>
      <h3>Counters by phase</h3>
      {runs.length > 1 && (
        <p class="controls">
          <label for={`${id}-run`}>Run </label>
          <select id={`${id}-run`} value={String(at)} onChange={event => setAt(Number(event.currentTarget.value))}>
            {labels.map((label, index) => (
              <option value={String(index)}>{label}</option>
            ))}
          </select>
        </p>
      )}
      <CounterChart runs={charted.map(index => runs[index] ?? run)} labels={charted.map(index => labels[index] ?? '')} id={id} />
      <p class="controls">
        <label>
          <input type="checkbox" checked={all} onChange={event => setAll(event.currentTarget.checked)} /> zeros too
        </label>
      </p>
      <DataTable
        sheet={{ columns, rows, keys, notes: notes.filter(note => !note.includes('--all')) }}
        caption={`Counters by phase: ${labels[at] ?? ''}`}
      />
    </section>
  );
}

interface ChartProps {
  readonly runs: readonly RunResult[];
  readonly labels: readonly string[];
  readonly id: string;
}

function CounterChart({ runs, labels, id }: ChartProps): JSX.Element | undefined {
  const names = useMemo(() => counterNames(runs.map(run => run.totals.counters)).filter(name => runs.some(run => counted(run, name))), [runs]);
  const [name, setName] = useState(PREFERRED.find(one => names.includes(one)) ?? names[0] ?? '');
  const spec = useMemo(() => {
    const phases = alignPhases(runs.map(run => run.phases.map(phase => phase.phase))).map(({ name: phase, names: of }) => ({
      name: phase,
      of: of.map((one, index) => runs[index]?.phases.find(candidate => candidate.phase === one)),
    }));
    const counting = phases.filter(({ of }) => of.some(phase => (phase?.counters[name] ?? 0) !== 0));
    return barsSpec(`${name} by phase`, 'count', counting, labels, phase => phase.counters[name]);
  }, [runs, labels, name]);
  if (names.length === 0) return undefined;
  return (
    <>
      <p class="controls">
        <label for={`${id}-counter`}>Counter </label>
        <select id={`${id}-counter`} value={name} onChange={event => setName(event.currentTarget.value)}>
          {names.map(one => (
            <option value={one}>{one}</option>
          ))}
        </select>
      </p>
      <Chart spec={spec} />
    </>
  );
}

function counted(run: RunResult, name: string): boolean {
  return run.phases.some(phase => (phase.counters[name] ?? 0) !== 0);
}
