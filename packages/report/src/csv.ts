/**
 * The CSV format of RFC 4180: a header line, fields quoted where they must be, numbers without thousands separators. A text
 * that a spreadsheet would take for a formula has an apostrophe in front.
 */
import { plainField } from './plain-text';
import type { Report, ReportView as View } from '@mmulab/api';

/** @returns header and rows as CSV, lines ending with `\n`. */
export function* renderCsv(report: Report, view: View): Iterable<string> {
  const { header, rows } = report.csv(view);
  yield csvLine(header);
  for (const row of rows) yield csvLine(row);
}

/** Rows under their header as CSV, in one text. */
export function csvText(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [header, ...rows].map(csvLine).join('');
}

function csvLine(row: readonly (string | number)[]): string {
  return `${row.map(csvField).join(',')}\n`;
}

function csvField(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = plainField(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
