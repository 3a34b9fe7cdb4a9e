/**
 * Which cells are fitted: `vcpus in [2,16,96]`.
 */
import { badSelection } from './errors';
import type { Cell } from './tables';

/** @param text empty or undefined: every cell @throws TABLE_BAD_SELECTION */
export function readSelection(text: string | undefined): (cell: Cell) => boolean {
  if (text === undefined) return () => true;
  const [, column, list] = /^\s*([\w-]+)\s+in\s+\[([^\]]+)\]\s*$/.exec(text) ?? [];
  if (column === undefined || list === undefined) throw badSelection(text);
  const values = list.split(',').map(value => value.trim());
  return cell => values.includes((column === 'column' ? cell.column : (cell.row[column] ?? cell.params[column])) ?? '');
}
