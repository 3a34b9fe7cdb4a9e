/**
 * A sheet: one table with a title, lines above and notes below, not yet in any format. The terminal table and the Markdown page are two ways to
 * draw it.
 */
import type { Cell, Sheet, Tone } from '@mmulab/api';
import { plainLine, plainText } from './plain-text';

export type { Cell, Column, Sheet, Tone, TonedCell } from '@mmulab/api';

/** A sheet whose texts do nothing to a terminal. Newlines part the lines of a column's head; elsewhere they are spelt. */
export function plainSheet(sheet: Sheet): Sheet {
  return {
    ...sheet,
    title: plainLine(sheet.title),
    lines: sheet.lines.map(plainLine),
    columns: sheet.columns.map(column => ({ ...column, name: plainText(column.name) })),
    rows: sheet.rows.map(row => row.map(plainCell)),
    notes: sheet.notes.map(plainLine),
  };
}

function plainCell(cell: Cell): Cell {
  if (typeof cell === 'number') return cell;
  if (typeof cell === 'string') return plainText(cell);
  return typeof cell.value === 'number' ? cell : { ...cell, value: plainText(cell.value) };
}

/** The value of a cell, whatever its tone. */
export function cellValue(cell: Cell): string | number {
  return typeof cell === 'object' ? cell.value : cell;
}

/** The tone of a cell, if it has one. */
export function cellTone(cell: Cell): Tone | undefined {
  return typeof cell === 'object' ? cell.tone : undefined;
}
