/**
 * A sheet as a table of the page: the same cells as in the terminal, with a scroll of its own where it is wide, and copied as Markdown or CSV.
 */
import type { JSX } from 'preact';
import { csvText } from '../../csv';
import { pipeTable } from '../../markdown';
import { formatCount } from '../../quantity';
import { cellTone, cellValue, type Cell, type Column, type Sheet } from '../../sheet';
import { CopyButton } from './copy-button';
import { CounterName, isDocumented } from './counter-doc';

interface Props {
  readonly sheet: Pick<Sheet, 'columns' | 'rows' | 'notes' | 'keys'>;
  /** What the table shows; said to readers who do not see it. */
  readonly caption: string;
}

/** The table with its notes and buttons. */
export function DataTable({ sheet, caption }: Props): JSX.Element {
  return (
    <div class="table">
      <div class="scroll" tabIndex={0} role="group" aria-label={caption}>
        <table>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {sheet.columns.map(column => (
                <th scope="col" class={column.align}>
                  {column.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sheet.rows.map(row => (
              <tr>
                {row.map((cell, at) => (
                  <TableCell cell={cell} column={sheet.columns[at]} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {sheet.notes.length > 0 && <p class="notes">{sheet.notes.join(' ')}</p>}
      <p class="buttons">
        <CopyButton label="Copy as Markdown" text={() => `${pipeTable(sheet)}\n`} />
        <CopyButton label="Copy as CSV" text={() => sheetCsv(sheet)} />
      </p>
    </div>
  );
}

function TableCell({ cell, column }: { readonly cell: Cell; readonly column: Column | undefined }): JSX.Element {
  const value = cellValue(cell);
  const tone = cellTone(cell) ?? (value === 0 ? 'faint' : '');
  const text = typeof value === 'number' ? formatCount(value) : value;
  return <td class={`${column?.align ?? 'left'} ${tone}`.trim()}>{isDocumented(text) ? <CounterName name={text} /> : text}</td>;
}

/** The cells as they are, numbers without commas; a name that stands for several rows comes in each of them. */
export function sheetCsv({ columns, rows, keys }: Pick<Sheet, 'columns' | 'rows' | 'keys'>): string {
  let before: readonly (string | number)[] = [];
  const filled = rows.map(row => {
    const values = row.map(cellValue);
    before = values.map((value, at) => (value === '' && at < keys ? (before[at] ?? '') : value));
    return before;
  });
  return csvText(
    columns.map(column => column.name.replaceAll('\n', ' ')),
    filled,
  );
}
