/**
 * Which cells are fitted: `vcpus in [2,16,96]`, `phase not in [CREATE] and vcpus in [20,40]`.
 */
import { badSelection } from './errors';
import type { Cell } from './tables';

/** @param text empty or undefined: every cell; a cell without the column passes a `not in` alone @throws TABLE_BAD_SELECTION */
export function readSelection(text: string | undefined): (cell: Cell) => boolean {
  if (text === undefined) return () => true;
  const conditions = text.split(/\]\s*and\s+/).map((part, i, all) => readCondition(i === all.length - 1 ? part : `${part}]`, text));
  return cell => conditions.every(condition => condition(cell));
}

function readCondition(part: string, text: string): (cell: Cell) => boolean {
  const [, column, not, list] = /^\s*([\w-]+)\s+(not\s+)?in\s+\[([^\]]+)\]\s*$/.exec(part) ?? [];
  if (column === undefined || list === undefined) throw badSelection(text);
  const values = list.split(',').map(value => value.trim());
  const named = (cell: Cell): string =>
    (column === 'column' || column === 'table' || column === 'name' ? cell[column] : (cell.row[column] ?? cell.params[column])) ?? '';
  return cell => values.includes(named(cell)) === (not === undefined);
}
