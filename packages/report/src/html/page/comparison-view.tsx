/**
 * Runs side by side: a chart of what changed, and the table of the terminal with its two switches.
 */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Comparison } from '../../compare';
import { comparisonSheet } from '../../comparison-report';
import { EMPTY_CATALOG } from '../../describe';
import { changesSpec } from '../chart-spec';
import { Chart } from './chart';
import { DataTable } from './data-table';

const DETAILS = ['one line per story', 'every counter that differs', 'every counter'] as const;

/** A comparison. */
export function ComparisonView({ comparison, id }: { readonly comparison: Comparison; readonly id: string }): JSX.Element {
  const [detail, setDetail] = useState<(typeof DETAILS)[number]>(DETAILS[0]);
  const labels = comparison.labels.map(lines => lines.join(', '));
  const view = { all: detail === DETAILS[2], unfolded: detail === DETAILS[1], color: false, columns: Infinity };
  const { columns, rows, keys, notes } = comparisonSheet(comparison, EMPTY_CATALOG, view);
  const changes = changesSpec(comparison, labels);
  return (
    <>
      {changes !== undefined && <Chart spec={changes} />}
      <p class="controls">
        <label for={`${id}-detail`}>Show </label>
        <select id={`${id}-detail`} value={detail} onChange={event => setDetail(DETAILS[event.currentTarget.selectedIndex] ?? DETAILS[0])}>
          {DETAILS.map(one => (
            <option value={one}>{one}</option>
          ))}
        </select>
      </p>
      <DataTable sheet={{ columns, rows, keys, notes: notes.filter(note => !note.includes('--all')) }} caption="Counters side by side" />
    </>
  );
}
