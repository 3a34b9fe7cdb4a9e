/**
 * What a matrix of runs shows beyond each comparison: how a measure scales along an axis, and where one policy begins to beat another.
 */
import type { RunResult } from '@mmulab/api';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { compareRuns } from '../../compare';
import { shownCounters } from '../../comparison-report';
import { axesOf, breakEvenOf, measureOf, scalingAxis, scalingOf } from '../axes';
import { hasTimes, heatSpec, linesSpec } from '../chart-spec';
import { Chart } from './chart';

/** Measures worth drawing: predicted time where there is one, then the counters that differ, each story once. */
export function measuresOf(runs: readonly RunResult[]): readonly string[] {
  const { shown } = shownCounters(compareRuns(runs).totals, undefined, { all: false });
  return [...(hasTimes(runs) ? ['time'] : []), ...shown.map(({ counter }) => counter)];
}

/** Scaling and break-even of a matrix; nothing where no axis has enough values. */
export function MatrixView({ runs, id }: { readonly runs: readonly RunResult[]; readonly id: string }): JSX.Element | undefined {
  const axes = useMemo(() => axesOf(runs), [runs]);
  const measures = useMemo(() => measuresOf(runs), [runs]);
  const [measure, setMeasure] = useState(measures.find(name => ['time', 'page_fault', 'guest_abort'].includes(name)) ?? measures[0] ?? '');
  const axis = scalingAxis(axes);
  const even = breakEvenOf(runs, axes, measureOf(measure));
  const scaling = axis === undefined ? undefined : scalingOf(runs, axes, axis, measureOf(measure));
  const specs = [...(scaling === undefined ? [] : [linesSpec(scaling, measure)]), ...(even === undefined ? [] : [heatSpec(even, measure)])];
  if (specs.length === 0 || measures.length === 0) return undefined;
  return (
    <section>
      <h3>Across the matrix</h3>
      <p class="controls">
        <label for={`${id}-measure`}>Measure </label>
        <select id={`${id}-measure`} value={measure} onChange={event => setMeasure(event.currentTarget.value)}>
          {measures.map(name => (
            <option value={name}>{name === 'time' ? 'predicted time' : name}</option>
          ))}
        </select>
      </p>
      {specs.map(spec => (
        <Chart spec={spec} />
      ))}
      {scaling !== undefined && scaling.crossings.length > 0 && <p>{scaling.crossings.join(' ')}</p>}
    </section>
  );
}
