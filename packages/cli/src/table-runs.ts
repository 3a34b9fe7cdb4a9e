/**
 * Cells of published tables with the work that they stand for: what a cell means is looked up, run, and counted. Tests whose vCPUs have memory of their own are run
 * with one vCPU, whatever the table says: equal private programs count the same, so that one of them stands for all; cells that differ in the number of vCPUs
 * alone share a run.
 */
import { type PhaseWork, isMmulabError } from '@mmulab/api';
import {
  applySetting,
  commandLineConfig,
  inPlace,
  parseJson,
  readTextFile,
  resolveRuns,
  runResolved,
  scaledWork,
  type RawConfig,
  type Registry,
} from '@mmulab/runner';
import {
  carriedWork,
  MAPPING_FILE,
  meaningOf,
  meanWork,
  readMapping,
  repeatedWork,
  readTables,
  type Cell,
  type Meaning,
  type PricedWork,
} from '@mmulab/time';
import { basename } from 'node:path';
import { tablesNotJson } from './errors';
import type { Terminal } from './terminal';

/** A cell, and what is to be priced for it or why nothing is. */
export interface RunnableCell {
  readonly cell: Cell;
  readonly publishedS: number;
  readonly meaning: Meaning | undefined;
  readonly work: PricedWork | undefined;
  /** The phase under each seed, where chance has a say in its counts: `work` is their mean. */
  readonly seeds: readonly PricedWork[];
  readonly refused: string | undefined;
}

/** How tables are read and run. */
export interface TableOptions {
  readonly registry: Registry;
  /** Further mappings, beside the one that comes with mmulab; their rules come after its own. */
  readonly mappings: readonly string[];
  readonly seed: number;
  readonly quiet: boolean;
}

/** Phases by seed, or why there are none. */
type Counted = readonly (readonly PhaseWork[])[] | string;

/** vCPUs that stand for any number of equal ones. */
const REPRESENTATIVES = 1;
/** Tests whose vCPUs share all memory: races decide what they count, so that they are run with several seeds. */
const SHARED_TESTS = ['kvm_page_table_test', 'cr0_wp_churn'];
const SEEDS_OF_RACES = 3;

/** Reads tables and runs what their cells mean. @throws typed errors for tables and mappings; a cell that cannot be run is refused */
export function runTables(files: readonly string[], terminal: Terminal, options: TableOptions): readonly RunnableCell[] {
  const rules = [MAPPING_FILE, ...options.mappings].flatMap(path => readMapping(readTextFile(path, 'a mapping of tables'), basename(path)));
  const cells = files.flatMap(file => readTables(parsed(file), file));
  const meanings = cells.map(cell => ({ cell, mapped: meaningOf(cell, rules) }));
  const runs = new Map<string, Counted>();
  return meanings.map(({ cell, mapped }, index) => {
    if (!options.quiet) terminal.progress({ done: index, total: cells.length, label: `${cell.table}: ${cell.column}` });
    if ('refused' in mapped) return refusal(cell, mapped.refused, undefined);
    return runCell(cell, mapped.meaning, runs, options);
  });
}

function parsed(file: string): unknown {
  const document = parseJson(readTextFile(file, 'a table of published times'));
  if ('problem' in document) throw tablesNotJson(file, document.problem);
  return document.value;
}

function refusal(cell: Cell, refused: string, meaning: Meaning | undefined): RunnableCell {
  return { cell, publishedS: cell.figure * (meaning?.unitS ?? 1), meaning, work: undefined, seeds: [], refused };
}

function runCell(cell: Cell, meaning: Meaning, runs: Map<string, Counted>, options: TableOptions): RunnableCell {
  const shared = meaning.command.some(word => SHARED_TESTS.includes(word) || word === '-o');
  const vcpus = shared ? meaning.vcpus : Math.min(meaning.vcpus, REPRESENTATIVES);
  const { command, backend, kernel, set } = meaning;
  const key = JSON.stringify([command, backend, kernel, set, vcpus]);
  const known = runs.get(key) ?? performAll({ ...meaning, vcpus }, shared && vcpus > 1 ? SEEDS_OF_RACES : 1, options);
  runs.set(key, known);
  if (typeof known === 'string') return refusal(cell, known, meaning);
  const found = known.flatMap(phases => carriedWork(scaledWork(phases, meaning.vcpus / vcpus)).find(one => one.phase === meaning.phase) ?? []);
  const [first, ...others] = found.map(work => repeatedWork(work, meaning.times));
  if (first === undefined) return refusal(cell, `the test has no phase ${meaning.phase}`, meaning);
  return {
    cell,
    publishedS: cell.figure * meaning.unitS,
    meaning,
    work: meanWork([first, ...others]),
    seeds: [first, ...others],
    refused: undefined,
  };
}

/** The phases under each of several seeds, or why there are none. */
function performAll(meaning: Meaning, seeds: number, options: TableOptions): Counted {
  const all: (readonly PhaseWork[])[] = [];
  for (let i = 0; i < seeds; i++) {
    const phases = perform(meaning, { ...options, seed: options.seed + i });
    if (typeof phases === 'string') return phases;
    all.push(phases);
  }
  return all;
}

/** @returns why not, where the config that a cell means is none */
function perform(meaning: Meaning, { registry, seed }: TableOptions): readonly PhaseWork[] | string {
  let phases: readonly PhaseWork[] = [];
  try {
    const raw = configOf(meaning, registry, seed);
    const [run] = inPlace(meaning.command.join(' '), () => resolveRuns(raw, registry));
    if (run !== undefined) runResolved(run, registry, { vcpuCounters: false, onWork: work => (phases = work) });
  } catch (error) {
    if (isMmulabError(error) && error.errorClass === 'usage') return error.message;
    throw error;
  }
  return phases;
}

function configOf({ command, vcpus, backend, kernel, set }: Meaning, registry: Registry, seed: number): RawConfig {
  const base: RawConfig = { ...commandLineConfig([...command, '-v', String(vcpus)], registry), backend: { name: backend, kernel }, seed };
  return Object.entries(set).reduce<RawConfig>((config, [path, value]) => applySetting(config, path, value, registry), base);
}
