/**
 * The formats that reports are written in. A reporter picks the face of a report that it needs, and writes it as text: it knows nothing of counters.
 */
import type { Report, Reporter, ReportView } from '@mmulab/api';
import { renderCsv } from './csv';
import { noSuchForm, unknownFormat } from './errors';
import { renderJson } from './json';
import { renderMarkdown } from './markdown';
import { plainText } from './plain-text';
import { renderTable } from './table';

/** All formats, the default first. */
export const REPORTERS: readonly Reporter[] = [
  { name: 'table', doc: 'Tables for a terminal: counters as rows, phases as columns.', render: renderTable },
  { name: 'json', doc: 'The document itself; several results make an array.', render: renderJson },
  { name: 'csv', doc: 'One value per line, for spreadsheets and scripts.', render: renderCsv },
  { name: 'markdown', doc: 'Tables for a document or an issue.', render: renderMarkdown },
  {
    name: 'selftest',
    doc: 'The lines the KVM selftests print, one per phase.',
    render: report =>
      report
        .selftestLines?.()
        .map(line => `${plainText(line)}\n`)
        .join(''),
  },
];

/**
 * The format of a name. Throws `REPORT_UNKNOWN_FORMAT`, with the nearest name, when there is none.
 * @param others formats of plugins
 */
export function reporterFor(name: string, others: readonly Reporter[] = []): Reporter {
  const all = [...REPORTERS, ...others];
  const reporter = all.find(candidate => candidate.name === name);
  if (reporter !== undefined) return reporter;
  throw unknownFormat(
    name,
    all.map(candidate => candidate.name),
  );
}

/** Writes a report in a format, as one text. Throws as `renderParts` does. */
export function renderReport(report: Report, format: string | Reporter, view: ReportView): string {
  return [...renderParts(report, format, view)].join('');
}

/**
 * Writes a report in a format, piece by piece: the whole may be longer than a string can be.
 * Throws `REPORT_UNKNOWN_FORMAT`, or `REPORT_NO_SUCH_FORM` when the report cannot be written so; nothing once there is a piece.
 */
export function renderParts(report: Report, format: string | Reporter, view: ReportView): Iterable<string> {
  const wanted = typeof format === 'string' ? reporterFor(format) : format;
  const text = wanted.render(report, view);
  if (text !== undefined) return typeof text === 'string' ? [text] : text;
  const possible = REPORTERS.filter(reporter => reporter.render(report, view) !== undefined);
  throw noSuchForm(
    wanted.name,
    report.what,
    possible.map(reporter => reporter.name),
  );
}
