/**
 * Writes docs/fidelity-time.md: predictions held against every published table, by the shipped models, and by models that never saw the table they predict.
 *
 *   node packages/cli/lib/generate-fidelity.js
 */
import type { PredictedCell } from '@mmulab/api';
import { formatTime, type PredictionDocument } from '@mmulab/report';
import { TABLES_DIRECTORY } from '@mmulab/time';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runAnyCommand } from './program';

const PAGE = join(__dirname, '..', '..', '..', 'docs', 'fidelity-time.md');
const NS = 1e9;

/** How predictions of a table did. */
interface Row {
  readonly table: string;
  readonly cells: number;
  readonly median: number;
  readonly within: number;
  readonly coverage: number;
  readonly width: number;
}

async function documentOf(...argv: readonly string[]): Promise<PredictionDocument> {
  let text = '';
  const terminal = {
    columns: 200,
    color: false,
    out: (written: string) => void (text += written),
    err: (written: string) => void process.stderr.write(written),
    progress: () => undefined,
  };
  const code = await runAnyCommand([...argv, '--format', 'json', '--quiet'], terminal);
  if (code !== 0) throw new Error(`mmulab ${argv[0] ?? ''} ended with ${String(code)}`);
  return JSON.parse(text) as PredictionDocument;
}

/** @param all cells that were fitted count too */
function rowsOf(cells: readonly PredictedCell[], all: boolean): readonly Row[] {
  const priced = cells.filter(({ predicted, fitted }) => predicted !== null && (all || !fitted));
  return [...new Set(priced.map(({ table }) => table)), 'all'].map(table =>
    summary(table, table === 'all' ? priced : priced.filter(cell => cell.table === table)),
  );
}

function summary(table: string, cells: readonly PredictedCell[]): Row {
  const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const errors = cells.map(({ predicted, published }) => Math.abs((predicted ?? 0) / published - 1));
  const inside = cells.filter(({ lo, hi, published }) => (lo ?? 0) <= published && published <= (hi ?? 0));
  return {
    table,
    cells: cells.length,
    median: median(errors),
    within: errors.filter(error => error <= 0.2).length / cells.length,
    coverage: inside.length / cells.length,
    width: median(cells.map(({ hi, predicted }) => (hi ?? 0) / (predicted ?? 1))),
  };
}

const percent = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`;

function summaryTable(cells: readonly PredictedCell[], all = false): readonly string[] {
  const rows = rowsOf(cells, all).map(
    ({ table, cells: count, median, within, coverage, width }) =>
      `| ${table} | ${String(count)} | ${percent(median, 1)} | ${percent(within)} | ${percent(coverage)} | x/÷ ${width.toFixed(2)} |`,
  );
  return [
    '| table | cells | median error | within 20 % | in the 90 % interval | half of the intervals narrower than |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ];
}

function cellTable(cells: readonly PredictedCell[]): readonly string[] {
  const time = (s: number | null): string => (s === null ? '-' : formatTime(s * NS));
  const rows = cells
    .filter(({ predicted }) => predicted !== null)
    .map(({ table, name, row, column, published, predicted, lo, hi, fitted, basis, bottleneck }) => {
      const error = (predicted ?? 0) / published - 1;
      const place = [name === '' ? table : `${table}: ${name}`, row, column];
      return `| ${[...place, time(published), time(predicted), `${error < 0 ? '' : '+'}${percent(error, 1)}`, `${time(lo)} - ${time(hi)}`, fitted ? 'yes' : 'no', basis, bottleneck].join(' | ')} |`;
    });
  return [
    '| table | row | column | published | predicted | error | interval | fitted | basis | bottleneck |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- |',
    ...rows,
  ];
}

/** Refused cells by table and reason. */
function refusedTable(cells: readonly PredictedCell[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { table, refused } of cells) if (refused !== null) counts.set(`${table} | ${refused}`, (counts.get(`${table} | ${refused}`) ?? 0) + 1);
  return ['| table | refused because | cells |', '| --- | --- | ---: |', ...[...counts].map(([key, count]) => `| ${key} | ${String(count)} |`)];
}

async function page(): Promise<string> {
  const tables = readdirSync(TABLES_DIRECTORY)
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => join(TABLES_DIRECTORY, name));
  const shipped = await documentOf('predict', ...tables);
  const first = await documentOf('calibrate', ...tables, '--hold-out', 'tables', '--factor-from', 'first');
  const parameters = shipped.parameters.map(
    ({ model, name, value, factor, unit, origin }) =>
      `| ${model} | ${name} | ${unit === 's' ? formatTime(Number((value * NS).toPrecision(4))) : String(Number(value.toPrecision(4)))} | ${factor.toFixed(2)} | ${origin} |`,
  );
  return [
    '# Predicted and published times',
    '',
    'Made by one command: `node packages/cli/lib/generate-fidelity.js` (seed 1), over the tables in `packages/time/tables`.',
    '',
    '## Tables that no model has seen',
    '',
    'Each table is predicted by models fitted on the other tables alone (`mmulab calibrate TABLES --hold-out tables`). What no other table says of a cost is its prior. This is what to',
    "expect of a table of somebody else; it is pessimistic where a table is the only one of its kind, and optimistic where a prior was taken from it (the host's operations on x86).",
    '',
    'With the first cell of each table taken for a measurement of its machine (`--factor-from first`; that cell does not count):',
    '',
    ...summaryTable(first.cells),
    '',
    '## Shipped models',
    '',
    '`mmulab predict TABLES`. `fitted` says that the table had a say in the model; [calibrating.md](calibrating.md) has the commands of the fits.',
    '',
    ...summaryTable(shipped.cells, true),
    '',
    ...cellTable(shipped.cells),
    '',
    '## What no prediction is made for',
    '',
    ...refusedTable(shipped.cells),
    '',
    '## Parameters',
    '',
    '| model | parameter | value | x/÷ | origin |',
    '| --- | --- | ---: | ---: | --- |',
    ...parameters,
    '',
  ].join('\n');
}

if (require.main === module) {
  page().then(
    text => {
      writeFileSync(PAGE, text);
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
    },
  );
}
