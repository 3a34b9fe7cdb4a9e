/**
 * Brings `docs/performance.*` up to date: the data, the picture, and the table in the page between its marks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pageUnmarked } from '../errors';
import { CURVES } from './curves';
import { type MeasuredCurve, measureCurve } from './measure-curves';
import { drawCurves } from './picture';

const DOCS = join(__dirname, '..', '..', '..', '..', 'docs');
const BEGIN = '<!-- growth: written by npm run bench -- --growth -->';
const END = '<!-- end of growth -->';
const REPETITIONS = 2;

/** Measures all curves and writes them down. @param say told what is being measured; @throws BENCH_CHILD, BENCH_PAGE */
export async function writeGrowth(say: (text: string) => void): Promise<void> {
  const page = join(DOCS, 'performance.md');
  const text = readFileSync(page, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw pageUnmarked(page, BEGIN, END);
  const curves = CURVES.map(curve => {
    say(curve.name);
    return measureCurve(curve, REPETITIONS);
  });
  writeFileSync(join(DOCS, 'performance.json'), `${JSON.stringify(curves, undefined, 2)}\n`);
  writeFileSync(join(DOCS, 'performance.svg'), await drawCurves(curves));
  writeFileSync(page, `${text.slice(0, begin + BEGIN.length)}\n\n${growthTable(curves)}\n\n${text.slice(end)}`);
}

/** The curves' ends as a table in Markdown. */
export function growthTable(curves: readonly MeasuredCurve[]): string {
  const head = ['along', 'from', 'to', 'CPU s', 'MB', 'last command'];
  const rows = curves.map(({ axis, command, points }) => {
    const first = points[0];
    const last = points[points.length - 1];
    const spans = (of: (point: (typeof points)[number]) => number): string => `${of(first)} to ${of(last)}`;
    return [axis, `${first.value}`, `${last.value}`, spans(point => point.cpuSeconds), spans(point => point.rssMegabytes), `\`${command}\``];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
