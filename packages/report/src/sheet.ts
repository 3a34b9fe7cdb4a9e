/**
 * A sheet: one table with a title, lines above and notes below, not yet in any format. The terminal table and the Markdown page are two ways to
 * draw it.
 */
import { plainLine, plainText } from './plain-text';

/** How a cell is set off from others, where the format can. `code` is text to be typed as it stands. */
export type Tone = 'strong' | 'faint' | 'good' | 'bad' | 'code';

/** A cell with a tone. */
export interface TonedCell {
  readonly value: string | number;
  readonly tone: Tone;
}

/** Text, or a number to be written with its thousands set apart. */
export type Cell = string | number | TonedCell;

export interface Column {
  readonly name: string;
  readonly align: 'left' | 'right';
  /** True when the column makes sense only beside the one before it: the two are never parted. */
  readonly glued?: boolean;
}

export interface Sheet {
  readonly title: string;
  /** Above the table, one line each. */
  readonly lines: readonly string[];
  /** Number of leading columns that name a row; they come again in every block when the sheet is cut to a width. */
  readonly keys: number;
  readonly columns: readonly Column[];
  /** One array per row, as long as `columns`. */
  readonly rows: readonly (readonly Cell[])[];
  /** Below the table, one line each. */
  readonly notes: readonly string[];
}

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
