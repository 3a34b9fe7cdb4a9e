/**
 * Writes docs/fidelity-time.md: predictions held against every published table, by the shipped models, and by models that never saw the table they predict.
 *
 *   node packages/cli/lib/generate-fidelity.js
 */
import type { PredictedCell } from '@mmulab/api';
import { formatTime, type FittedParameter } from '@mmulab/report';
import { beliefOf, sameHost, TABLES_DIRECTORY } from '@mmulab/time';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadRegistry } from './built-in';
import { heldOut, heldOutFirst, type HeldOutCell, type HeldOutFits, type Prepared } from './fitting';
import { isFrom, parametersOf, predictedCell, Pricer, refusedCell, type PricedCell } from './priced-tables';
import { runTables } from './table-runs';
import { noiseOf, type Noise } from './time-noise';
import { rowTargets, shippedTargets, type Target } from './time-targets';

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

/** Everything the page says, from one count of all tables. */
interface Findings {
  readonly shipped: readonly PredictedCell[];
  readonly parameters: readonly FittedParameter[];
  readonly tables: readonly HeldOutCell[];
  readonly machines: readonly HeldOutCell[];
  readonly targets: readonly Target[];
  readonly noise: readonly Noise[];
}

async function findings(): Promise<Findings> {
  const files = readdirSync(TABLES_DIRECTORY)
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => join(TABLES_DIRECTORY, name));
  const registry = loadRegistry();
  const quiet = { columns: 200, color: false, out: () => undefined, err: () => undefined, progress: () => undefined };
  const runnables = runTables(files, quiet, { registry, mappings: [], seed: 1, quiet: true });
  const prepare = (isFitted: boolean): readonly Prepared[] => {
    const pricer = new Pricer({ registry, model: undefined, host: undefined, solver: 'mva', isFitted });
    return runnables.map(runnable => ({ runnable, priced: pricer.prepare(runnable) }));
  };
  const known = prepare(false);
  const models = [...new Set(known.flatMap(({ priced }) => (typeof priced === 'string' ? [] : [priced.model])))];
  const shipped = known.map(({ runnable, priced }) =>
    typeof priced === 'string'
      ? refusedCell(runnable, priced)
      : predictedCell(priced, beliefOf([priced.model], priced.host), isFrom(priced.model, runnable.cell.table)),
  );
  const fitted = prepare(true);
  const fits: HeldOutFits = new Map();
  return {
    shipped,
    parameters: models.flatMap(model => parametersOf(model, beliefOf([model], sameHost(model.host)))),
    tables: await heldOut(fitted, 'tables', isTime, fits),
    machines: await heldOut(fitted, 'machines', isTime, fits),
    targets: [...shippedTargets(shipped), ...(await rowTargets(fitted))],
    noise: noiseOf(shipped),
  };
}

const isTime = ({ runnable }: PricedCell): boolean => runnable.publishedS > 0;

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

function targetTable(targets: readonly Target[]): readonly string[] {
  return [
    '| figure | command | reached | wanted | |',
    '| --- | --- | ---: | ---: | --- |',
    ...targets.map(
      ({ what, command, reached, wanted, isMet }) => `| ${what} | \`${command}\` | ${reached} | ${wanted} | ${isMet ? 'met' : '**missed**'} |`,
    ),
  ];
}

/** What tables that no model has seen are to reach, as the rows of a summary. */
function unseenTargets({ tables }: Findings): readonly Target[] {
  const of = (isFirst: boolean): Row =>
    summary(
      'all',
      heldOutFirst(tables, isFirst).filter(({ predicted, fitted }) => predicted !== null && !fitted),
    );
  const [first, none] = [of(true), of(false)];
  const command = 'mmulab calibrate TABLES --hold-out tables';
  const known = `${command} --factor-from first`;
  return [
    { what: 'first cell known: median error', command: known, reached: percent(first.median, 1), wanted: '≤ 12 %', isMet: first.median <= 0.12 },
    { what: 'first cell known: within 20 %', command: known, reached: percent(first.within, 1), wanted: '≥ 65 %', isMet: first.within >= 0.65 },
    {
      what: 'first cell known: in the 90 % interval',
      command: known,
      reached: percent(first.coverage, 1),
      wanted: '80 to 97 %',
      isMet: first.coverage >= 0.8 && first.coverage <= 0.97,
    },
    {
      what: 'first cell known: half of the intervals narrower than',
      command: known,
      reached: `x/÷ ${first.width.toFixed(2)}`,
      wanted: 'x/÷ 1.6',
      isMet: first.width < 1.6,
    },
    { what: 'nothing known: median error', command, reached: percent(none.median, 1), wanted: '≤ 25 %', isMet: none.median <= 0.25 },
  ];
}

function noiseTable(noise: readonly Noise[]): readonly string[] {
  return [
    '| table | times that are the same to the model | groups | scatter (one standard deviation) |',
    '| --- | ---: | ---: | ---: |',
    ...noise.map(({ table, times, groups, sigma }) => `| ${table} | ${times} | ${groups} | ${percent(sigma, 1)} |`),
  ];
}

function parameterTable(parameters: readonly FittedParameter[]): readonly string[] {
  const rows = parameters.map(
    ({ model, name, value, factor, unit, origin }) =>
      `| ${model} | ${name} | ${unit === 's' ? formatTime(Number((value * NS).toPrecision(4))) : String(Number(value.toPrecision(4)))} | ${factor.toFixed(2)} | ${origin} |`,
  );
  return ['| model | parameter | value | x/÷ | origin |', '| --- | --- | ---: | ---: | --- |', ...rows];
}

function unseenPart(found: Findings): readonly string[] {
  return [
    '## Tables that no model has seen',
    '',
    'Each table is predicted by models fitted on the other tables alone (`mmulab calibrate TABLES --hold-out tables`). What no other table says of a cost is what it is like, or its',
    'plausible range. This is what to expect of a table of somebody else; it is pessimistic where a table is the only one of its kind.',
    '',
    ...targetTable(unseenTargets(found)),
    '',
    'With the first cell of each table of a file taken for a measurement of its machine (`--factor-from first`; those cells do not count):',
    '',
    ...summaryTable(heldOutFirst(found.tables, true)),
    '',
    'With nothing known of the machine:',
    '',
    ...summaryTable(heldOutFirst(found.tables, false)),
    '',
    'All tables of a machine held out at once (`--hold-out machines`), the first cells known:',
    '',
    ...summaryTable(heldOutFirst(found.machines, true)),
    '',
    'Machines held out, nothing known:',
    '',
    ...summaryTable(heldOutFirst(found.machines, false)),
    '',
    ...RESIDUALS,
    '',
    '## How far published times scatter by themselves',
    '',
    'Times of one table that are the same to the model, because what is counted is the same: whatever they differ by, no model of these counts can tell. The five repeats of',
    'each cell of arm64-cmo-v1-raw-2021 lie 1.9 % apart (one standard deviation, 6.4 % at worst): what scatters is more than the run.',
    '',
    ...noiseTable(found.noise),
  ];
}

/** What the residuals of held-out tables say. */
const RESIDUALS: readonly string[] = [
  'Where they are off, and why:',
  '',
  '- `arm64-jing-zhang-readlock-2022` with nothing known: the Ampere Altra is twice as fast as the Kunpeng 920 that the arm64 models are of; two other machines do not tell how far arm64 machines',
  '  lie apart. Its first cell mends most of it. The start at two vCPUs is faster than one acquisition after the other allows.',
  '- `x86-disable-dirty-log-2021`: the only table of enabling, reading and clearing with the TDP MMU; `t_bitmap`, `t_copy` and `t_word` are known from it alone, and their plausible ranges are wide.',
  '- `arm64-eps-v1-2023`: the only table of the shared lock; its line is known from the read lock of another machine.',
  '- `x86-cr0wp-v3-2023`: the only table of its kind; held out, its costs are plausible ranges and nothing else.',
  '- `x86-shadow-eps-v3`: `h0` and `a` come from one cell of another machine when it is held out.',
];

async function page(): Promise<string> {
  const found = await findings();
  return [
    '# Predicted and published times',
    '',
    'Made by one command: `node packages/cli/lib/generate-fidelity.js` (seeds 1 to 3 where vCPUs race), over the tables in `packages/time/tables`.',
    '',
    ...unseenPart(found),
    '',
    '## What is to be reached',
    '',
    'Commands run in `packages/time/tables`.',
    '',
    ...targetTable(found.targets),
    '',
    '## Shipped models',
    '',
    '`mmulab predict TABLES`. `fitted` says that the table had a say in the model; [calibrating.md](calibrating.md) has the commands of the fits.',
    '',
    ...summaryTable(found.shipped, true),
    '',
    ...cellTable(found.shipped),
    '',
    '## What no prediction is made for',
    '',
    ...refusedTable(found.shipped),
    '',
    '## Parameters',
    '',
    ...parameterTable(found.parameters),
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
