/**
 * The table format: sheets drawn for a terminal. A sheet wider than the terminal is cut into blocks of columns, each with the naming columns in
 * front, so that no line wraps. Rows whose cells fit, of characters that are one column wide, are padded; the others are cli-table3's.
 */
import type Table from 'cli-table3';
import type { TableConstructorOptions } from 'cli-table3';
import { createColors } from 'picocolors';
import { formatCount } from './quantity';
import type { Report, ReportView as View } from '@mmulab/api';
import { cellTone, cellValue, plainSheet, type Cell, type Column, type Sheet, type Tone } from './sheet';

/** Characters between two columns. */
const GAP = 2;

/** Characters that a column of sentences needs to stay readable. */
const MIN_TEXT = 30;

/** Characters that are one column wide, no space the last. */
const PLAIN = /^(?:[\x20-\x7e\u2500-\u257f]*[\x21-\x7e\u2500-\u257f])?$/;

/** The frame of cli-table3 reduced to a rule under the header: less ink, and lines that paste well. */
const FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(GAP),
};

type Paints = Readonly<Record<Tone, (text: string) => string>>;

/** @returns all sheets of the report, an empty line between them. */
export function* renderTable(report: Report, view: View): Iterable<string> {
  let between = '';
  for (const sheet of report.sheets(view)) {
    yield between + drawSheet(plainSheet(sheet), view);
    between = '\n';
  }
}

function drawSheet(sheet: Sheet, view: View): string {
  const colors = createColors(view.color);
  const paints: Paints = { strong: colors.bold, faint: colors.dim, good: colors.green, bad: colors.red, code: colors.cyan };
  const widths = fitKeys(
    sheet,
    sheet.columns.map((column, index) => columnWidth(column, index, sheet)),
    view.columns,
  );
  const head = [...(sheet.title === '' ? [] : [colors.bold(sheet.title)]), ...sheet.lines];
  const blocks = sheet.rows.length === 0 ? [] : cutIntoBlocks(sheet, widths, view.columns);
  const parts = [head.join('\n'), ...blocks.map(block => drawBlock(sheet, block, widths, paints)), sheet.notes.map(colors.dim).join('\n')];
  return parts
    .filter(part => part !== '')
    .map(part => `${part}\n`)
    .join('\n');
}

/** Narrows the widest text column, down to a readable width, when the naming columns alone are wider than the terminal; its cells wrap. */
function fitKeys(sheet: Sheet, widths: readonly number[], columns: number): readonly number[] {
  const keys = [...widths.keys()].slice(0, sheet.keys);
  const excess = spanWidth(keys, widths) - columns;
  const widest = keys.filter(key => sheet.columns[key]?.align === 'left').sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0];
  if (excess <= 0 || widest === undefined) return widths;
  return widths.map((width, index) => (index === widest ? Math.max(Math.min(width, MIN_TEXT), width - excess) : width));
}

/** The indices of the columns of each block. */
function cutIntoBlocks(sheet: Sheet, widths: readonly number[], columns: number): number[][] {
  const keys = [...widths.keys()].slice(0, sheet.keys);
  const keyWidth = spanWidth(keys, widths);
  const blocks: number[][] = [];
  let used = Infinity;
  for (const unit of gluedUnits(sheet)) {
    const unitWidth = spanWidth(unit, widths) + GAP;
    if (used + unitWidth > columns) {
      blocks.push([...keys]);
      used = keyWidth;
    }
    blocks.at(-1)?.push(...unit);
    used += unitWidth;
  }
  return blocks.length === 0 ? [keys] : blocks;
}

/** The columns after the keys, those glued together in one unit. */
function gluedUnits(sheet: Sheet): number[][] {
  const units: number[][] = [];
  for (const [index, column] of sheet.columns.entries()) {
    if (index < sheet.keys) continue;
    if (column.glued === true && units.length > 0) units.at(-1)?.push(index);
    else units.push([index]);
  }
  return units;
}

function spanWidth(columns: readonly number[], widths: readonly number[]): number {
  return columns.reduce((sum, column) => sum + (widths[column] ?? 0), 0) + GAP * Math.max(0, columns.length - 1);
}

function columnWidth(column: Column, index: number, sheet: Sheet): number {
  const texts = [column.name, ...sheet.rows.map(row => cellText(row[index] ?? ''))];
  return texts.reduce((width, text) => Math.max(width, ...text.split('\n').map(line => line.length)), 0);
}

/** A cell as it is drawn: its text, and what the text looks like. */
interface DrawnCell {
  readonly text: string;
  readonly painted: string;
}

function drawBlock(sheet: Sheet, block: readonly number[], widths: readonly number[], paints: Paints): string {
  const rows = sheet.rows.flatMap(row => intoLines(block.map(index => row[index] ?? ''))).map(cells => cells.map(cell => drawCell(cell, paints)));
  if (sheet.columns.some(column => column.name !== '')) {
    const heads = intoLines(block.map(index => sheet.columns[index]?.name ?? '')).map(cells =>
      cells.map(cell => painted(cellText(cell), paints.strong)),
    );
    const rule = block.map(index => painted('─'.repeat(widths[index] ?? 0), paints.faint));
    rows.unshift(...heads, rule);
  }
  const places = block.map(index => ({ width: widths[index] ?? 0, align: sheet.columns[index]?.align ?? 'left' }));
  return rows.map(cells => padRow(cells, places) ?? wrapRow(cells, places)).join('\n');
}

/** How a column is drawn. */
export interface ColumnPlace {
  readonly width: number;
  readonly align: 'left' | 'right';
}

/** A row whose cells have several lines, as several rows: cli-table3 takes very long to measure such cells. */
function intoLines(row: readonly Cell[]): readonly Cell[][] {
  const lines = row.map(cell => (typeof cell === 'string' ? cell.split('\n') : [cell]));
  const height = Math.max(1, ...lines.map(some => some.length));
  return Array.from({ length: height }, (_, at) => lines.map(some => some[at] ?? ''));
}

/** A row of plain cells that fit, as one line; undefined where some cell does not. */
export function padRow(cells: readonly DrawnCell[], places: readonly ColumnPlace[]): string | undefined {
  let line = '';
  for (const [at, { text, painted: shown }] of cells.entries()) {
    const { width, align } = places[at] ?? { width: 0, align: 'left' };
    if (text.length > width || !PLAIN.test(text)) return undefined;
    const padding = ' '.repeat(width - text.length);
    line += (at === 0 ? '' : ' '.repeat(GAP)) + (align === 'left' ? shown + padding : padding + shown);
  }
  return line.trimEnd();
}

/** Any row: long cells wrap, and characters are as wide as they are. */
export function wrapRow(cells: readonly DrawnCell[], places: readonly ColumnPlace[]): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
  const TableOf = require('cli-table3') as new (options: TableConstructorOptions) => Table.Table;
  const table = new TableOf({
    chars: FRAME,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: places.map(({ align }) => align),
    colWidths: places.map(({ width }) => width),
    wordWrap: true,
  });
  table.push(cells.map(cell => cell.painted));
  return table
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n');
}

function drawCell(cell: Cell, paints: Paints): DrawnCell {
  const tone = cellTone(cell) ?? (cellValue(cell) === 0 ? 'faint' : undefined);
  return painted(cellText(cell), tone === undefined ? String : paints[tone]);
}

function painted(text: string, paint: (text: string) => string): DrawnCell {
  return { text, painted: paint(text) };
}

function cellText(cell: Cell): string {
  const value = cellValue(cell);
  return typeof value === 'number' ? formatCount(value) : value;
}
