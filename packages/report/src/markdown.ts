/**
 * The Markdown format: a heading per sheet, its table in the pipe syntax of GitHub.
 */
import { formatCount } from './quantity';
import type { Report, ReportView as View } from '@mmulab/api';
import { cellTone, cellValue, plainSheet, type Cell, type Sheet } from './sheet';

/** @returns all sheets of the report, one under the other. */
export function* renderMarkdown(report: Report, view: View): Iterable<string> {
  let between = '';
  for (const sheet of report.sheets(view)) {
    yield between + markdownSheet(plainSheet(sheet));
    between = '\n';
  }
}

function markdownSheet(sheet: Sheet): string {
  const parts = [
    ...(sheet.title === '' ? [] : [`## ${escapeText(sheet.title)}`]),
    ...(sheet.lines.length === 0 ? [] : [sheet.lines.map(escapeText).join('  \n')]),
    ...(sheet.rows.length === 0 ? [] : [pipeTable(sheet)]),
    ...(sheet.notes.length === 0 ? [] : [sheet.notes.map(escapeText).join('  \n')]),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** The columns and rows of a sheet in the pipe syntax. */
export function pipeTable(sheet: Pick<Sheet, 'columns' | 'rows'>): string {
  const head = sheet.columns.map(column => escapeCell(column.name));
  const rule = sheet.columns.map(column => (column.align === 'right' ? '---:' : '---'));
  return [head, rule, ...sheet.rows.map(row => row.map(markdownCell))].map(cells => `| ${cells.join(' | ')} |`).join('\n');
}

function markdownCell(cell: Cell): string {
  const value = cellValue(cell);
  if (value === '') return '';
  if (cellTone(cell) === 'code') return `\`${String(value).replaceAll('|', '\\|')}\``;
  const text = escapeCell(typeof value === 'number' ? formatCount(value) : value);
  return cellTone(cell) === 'strong' ? `**${text}**` : text;
}

function escapeCell(text: string): string {
  return escapeText(text).replaceAll('|', '\\|').replaceAll('\n', '<br>');
}

/** Keeps what Markdown would take for markup; underscores inside words are none. */
function escapeText(text: string): string {
  return text.replace(/[\\`*[\]]|<(?=[a-z/!?])/gi, '\\$&');
}
