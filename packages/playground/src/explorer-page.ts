/**
 * Writes the page with the engine inside: one file, opened from disk, that asks for nothing from anywhere.
 */
import { htmlPage } from '@mmulab/report';
import { resolveRuns, type Registry, type ResolvedRun } from '@mmulab/runner';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { notBuilt, tooManySides } from './errors';
import { labConfigOf } from './lab/lab-config';
import { Lab } from './lab/lab';
import { LESSONS } from './lessons';
import { PAGE_SCHEMA, type PageData } from './page-data';

/** Where the bundled page lies, seen from this file built or unbuilt. */
const PAGE = join(__dirname, '..', 'lib', 'page');
/** Runs that a page shows together. */
const MAX_SIDES = 2;

/** What a page is made of. */
export interface PageSpec {
  /** `mmulab 0.1.0`. */
  readonly madeBy: string;
  /** Where the packages' folders lie, seen from the page. */
  readonly sources?: string | undefined;
}

/**
 * A page that shows one run, or two in lockstep.
 * @throws LAB_TOO_MANY_RUNS, LAB_TOO_LARGE, PAGE_NOT_BUILT, and what is wrong with the runs
 */
export function explorerPage(runs: readonly ResolvedRun[], registry: Registry, spec: PageSpec): string {
  if (runs.length === 0 || runs.length > MAX_SIDES) throw tooManySides(runs.length);
  for (const run of runs) new Lab(run, registry);
  return page(`Explorer: ${runs[0]?.name ?? ''}`, { runs: runs.map(run => labConfigOf(run, registry)), lessons: false }, spec);
}

/**
 * The same page with the prepared lessons.
 * @throws PAGE_NOT_BUILT
 */
export function playgroundPage(registry: Registry, spec: PageSpec): string {
  const [first] = LESSONS;
  const runs = (first?.scenes[0] ?? []).flatMap(raw => resolveRuns(raw, registry)).map(run => labConfigOf(run, registry));
  return page('Playground', { runs, lessons: true }, spec);
}

function page(title: string, data: Pick<PageData, 'runs' | 'lessons'>, { madeBy, sources }: PageSpec): string {
  const script = join(PAGE, 'playground.js');
  if (!existsSync(script)) throw notBuilt(script);
  const whole: PageData = { schema: PAGE_SCHEMA, madeBy, ...data, ...(sources === undefined ? {} : { sources }) };
  return htmlPage({ title, asset: 'playground', assets: PAGE, data: whole });
}
