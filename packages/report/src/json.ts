/**
 * The JSON format: the document of a report, indented.
 */
import type { Report } from './reporter';

/** @returns the report's document as JSON, two spaces deep, with a final newline. */
export function renderJson(report: Report): string {
  return `${JSON.stringify(report.document, undefined, 2)}\n`;
}
