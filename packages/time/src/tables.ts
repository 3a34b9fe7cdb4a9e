/**
 * Published tables (`mmulab.tables.v1`) taken apart into cells: one published time or count each, with the words that say what was measured.
 */
import { tableShape } from './errors';
import { isMap } from './shape';

const TABLES_SCHEMA = 'mmulab.tables.v1';

/** One figure of a published table. */
export interface Cell {
  /** `id` of the file. */
  readonly table: string;
  /** Number of the table within the file. */
  readonly part: number;
  /** Name and metric of the table within the file. */
  readonly name: string;
  readonly metric: string;
  /** The naming values of the row by column: `{ vcpus: '16' }`. */
  readonly row: Readonly<Record<string, string>>;
  readonly column: string;
  readonly test: string;
  readonly params: Readonly<Record<string, string>>;
  readonly units: string;
  /** Title of the patch, and the machine, as published. */
  readonly patch: string;
  readonly hardware: string;
  /** Day of the message, `2022-11-09`. */
  readonly date: string;
  /** All words of the table the cell is in: other rows say what kind of run it was. */
  readonly context: string;
  /** As published; the mean of repeats. */
  readonly figure: number;
}

/** Columns that name a row rather than hold a figure, whatever is in them, by the name rules know them by. */
const KEY_COLUMNS: readonly (readonly [name: string, spelling: RegExp])[] = [
  ['vcpus', /^(?:#|nr|num|number of)?[\s_]*(?:v?cpus?|threads)(?:[\s_]*(?:count|#))?$/i],
  ['memory', /^(?:guest|vm|total)?[\s_]*mem(?:ory)?(?:[\s_]*(?:size|per[\s_]*vcpu|\(?g(?:i?b)?\)?))*$/i],
  ['percent', /^(?:(?:write|writes|dirty|percent|pct|%)[\s_]*)+(?:%|percent|fraction)?$|^%\s*writes?$/i],
  ['backing', /^(?:backing(?:[\s_]*(?:src|source|type))?|page[\s_]*size|granule)$/i],
  ['iteration', /^(?:iter(?:ation)?s?|round|pass)(?:[\s_]*(?:#|number))?$/i],
];

function keyOf(column: string): string | undefined {
  return KEY_COLUMNS.find(([, spelling]) => spelling.test(column.trim()))?.[0];
}

/**
 * The cells of a table file, in its order; null is no figure.
 * @throws TABLE_SHAPE with the place for everything that is no table, and for figures that are no numbers above 0
 */
export function readTables(document: unknown, place: string): readonly Cell[] {
  if (!isMap(document) || document['schema'] !== TABLES_SCHEMA)
    throw tableShape(`${place}: schema`, isMap(document) ? document['schema'] : document, TABLES_SCHEMA);
  const { id, tables, test = '', params = {}, units = 's', patch = '', hardware = '', date = '' } = document;
  if (typeof id !== 'string') throw tableShape(`${place}: id`, id, 'a name');
  if (!Array.isArray(tables)) throw tableShape(`${place}: tables`, tables, 'a list of tables');
  if (!isMap(params)) throw tableShape(`${place}: params`, params, 'a map');
  const common = {
    table: id,
    test: String(test),
    params: textValues(params),
    units: String(units),
    patch: String(patch),
    hardware: String(hardware),
    date: String(date),
  };
  return tables.flatMap((table: unknown, i) => readTable(table, `${place}: tables[${i}]`, { ...common, part: i }));
}

type Common = Pick<Cell, 'table' | 'part' | 'test' | 'params' | 'units' | 'patch' | 'hardware' | 'date'>;

function readTable(table: unknown, place: string, common: Common): readonly Cell[] {
  if (!isMap(table)) throw tableShape(place, table, 'a table with columns and rows');
  const { columns, rows, name = '', metric = '' } = table;
  if (!Array.isArray(columns) || columns.some(column => typeof column !== 'string')) throw tableShape(`${place}.columns`, columns, 'a list of names');
  if (!Array.isArray(rows) || !rows.every(Array.isArray)) throw tableShape(`${place}.rows`, rows, 'a list of lists');
  const keys = columns.map((column, i) => i === 0 || keyOf(String(column)) !== undefined || isNaming(rows as readonly (readonly unknown[])[], i));
  const firsts = (rows as readonly (readonly unknown[])[]).map(values => values[0]);
  const context = [name, metric, ...(columns as readonly string[]), ...firsts].map(String).join(' | ');
  const test = typeof table['test'] === 'string' ? table['test'] : common.test;
  return (rows as readonly (readonly unknown[])[]).flatMap((values, r) => {
    if (values.length !== columns.length) throw tableShape(`${place}.rows[${r}]`, values, `${columns.length} values`);
    const named = columns.flatMap((column, i) => (keys[i] === true ? [[String(column), String(values[i])] as const] : []));
    const row = Object.fromEntries([...named.flatMap(([column, value]) => synonym(column, value)), ...named]);
    return columns.flatMap((column, i) => {
      const value = values[i];
      if (keys[i] === true || value === null) return [];
      return [
        {
          ...common,
          test,
          name: String(name),
          metric: String(metric),
          row,
          context,
          column: String(column),
          figure: figureOf(value, `${place}.rows[${r}][${i}]`),
        },
      ];
    });
  });
}

function synonym(column: string, value: string): readonly (readonly [string, string])[] {
  const key = keyOf(column);
  return key === undefined || key === column ? [] : [[key, value]];
}

/** A column in which every value is text names the row. */
function isNaming(rows: readonly (readonly unknown[])[], column: number): boolean {
  return rows.length > 0 && rows.every(values => typeof values[column] === 'string');
}

function figureOf(value: unknown, place: string): number {
  const repeats = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (repeats.length === 0) throw tableShape(place, value, 'at least one figure');
  const sum = repeats.reduce<number>((total, one) => {
    if (typeof one !== 'number' || !Number.isFinite(one) || one < 0) throw tableShape(place, one, 'a number, 0 or more');
    return total + one;
  }, 0);
  return sum / repeats.length;
}

function textValues(map: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, String(value)]));
}
