/**
 * The CSV format of RFC 4180: a header line, fields quoted where they must be, numbers without thousands separators.
 */
import type { Report, View } from './reporter';

/** @returns header and rows as CSV, lines ending with `\n`. */
export function renderCsv(report: Report, view: View): string {
  const { header, rows } = report.csv(view);
  return [header, ...rows].map(row => `${row.map(csvField).join(',')}\n`).join('');
}

function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
