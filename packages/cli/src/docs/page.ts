/**
 * A generated page: a title, paragraphs, tables.
 */
import { renderReport, type Sheet } from '@mmulab/report';

/** The page as Markdown. Text in backticks stays code. */
export function renderPage(title: string, paragraphs: readonly string[], sheets: readonly Sheet[]): string {
  const report = { what: 'a page', document: undefined, sheets: () => sheets, csv: () => ({ header: [], rows: [] }) };
  const tables = renderReport(report, 'markdown', { all: true, color: false, columns: Infinity });
  return [`# ${title}`, 'Generated from the definitions by `npm run docs`.', ...paragraphs, tables].join('\n\n');
}
