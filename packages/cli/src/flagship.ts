/**
 * What `npm start` shows: one story per source document, as comparisons that can be typed again, and all of them as one page.
 *
 *   node packages/cli/lib/flagship.js
 */
import { readPivot, renderReport, type Catalog, type ReportStory } from '@mmulab/report';
import { loadConfigFile } from '@mmulab/runner';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FEW_SHARES, PolicyCosts } from './break-even';
import { breakEvenReport } from './break-even-report';
import { loadRegistry } from './built-in';
import { comparedReport, performComparison, prepareComparison } from './comparing';
import { ExitCode } from './exit-code';
import { writingPage } from './html';
import { ProcessTerminal } from './process-terminal';
import { STORIES, type StarterStory } from './stories';
import type { Terminal } from './terminal';

/** The checkout. */
const ROOT = join(__dirname, '..', '..', '..');

/** Where the page goes, relative to the checkout. */
const PAGE = join('mmulab-out', 'index.html');

/** What a story's command is: arguments after `mmulab`. */
export function storyCommand({ config, phases, counters, pivot }: StarterStory): readonly string[] {
  const shown = pivot === undefined ? ['--counters', (counters ?? []).join(',')] : ['--pivot', pivot];
  return ['compare', '--quiet', '--phases', phases.join(','), ...shown, `examples/seeds/${config}.yaml`];
}

interface Told {
  readonly story: ReportStory;
  readonly catalog: Catalog;
}

/** Performs a story and prints it. */
function tellStory(story: StarterStory, terminal: Terminal, seeds: string): Told {
  const { title, question, config, phases, counters, pivot } = story;
  const options = { phases, ...(counters === undefined ? {} : { counters }), ...(pivot === undefined ? {} : { pivot: readPivot(pivot) }) };
  const command = `npx mmulab ${storyCommand(story).join(' ')}`;
  const prepared = prepareComparison([join(seeds, `${config}.yaml`)], undefined, options);
  terminal.out(`\n== ${title}\n${question}\n$ ${command}\n\n`);
  const { results } = performComparison(prepared, terminal, true);
  const view = { all: false, unfolded: counters !== undefined, color: terminal.color, columns: terminal.columns };
  terminal.out(renderReport(comparedReport(results, options, prepared.catalog), 'table', view));
  const conclusions = story.conclude(results);
  terminal.out(`=> ${conclusions.join(' ')}\n`);
  return { story: { results, command, title, question, conclusions }, catalog: prepared.catalog };
}

function catalogOfAll(catalogs: readonly Catalog[]): Catalog {
  return {
    ...catalogs[0],
    backends: catalogs.flatMap(({ backends }) => backends),
    workloads: catalogs.flatMap(({ workloads }) => workloads),
  };
}

/** Tells all stories and writes their page. @param path of the page; @param seeds directory of their configs */
export function tellAll(terminal: Terminal, path: string, seeds = join(ROOT, 'examples', 'seeds')): void {
  mkdirSync(dirname(path), { recursive: true });
  writingPage(
    path,
    undefined,
    () => STORIES.map(story => tellStory(story, terminal, seeds)),
    told => ({
      title: 'mmulab: five patches, before and after',
      stories: told.map(({ story }) => story),
      catalog: catalogOfAll(told.map(({ catalog }) => catalog)),
    }),
  );
}

/** The config of the question that the first document left open. */
const LARGE_VM = join('examples', 'seeds', '416-vcpus-12tb.yaml');

/** Answers the question that the first document left open: what splitting costs a VM that nobody has. @param path of the config */
export function tellLargeVm(terminal: Terminal, path = join(ROOT, LARGE_VM)): void {
  terminal.out(`\n== The question left open: is splitting on faults good enough for 416 vCPUs and 12 TiB?\n$ npx mmulab break-even ${LARGE_VM}\n\n`);
  const config = loadConfigFile(path);
  const costs = new PolicyCosts(config, loadRegistry([]), FEW_SHARES);
  const report = breakEvenReport(config.name ?? '', costs.at(costs.vcpus), []);
  terminal.out(renderReport(report, 'table', { all: false, color: terminal.color, columns: terminal.columns }));
}

if (require.main === module) {
  const terminal = new ProcessTerminal(error => process.exit(error.code === 'EPIPE' ? ExitCode.Ok : ExitCode.Internal));
  tellAll(terminal, join(ROOT, PAGE));
  terminal.out(`\nAll of it as a page, with every counter: ${PAGE}\n`);
  tellLargeVm(terminal);
}
