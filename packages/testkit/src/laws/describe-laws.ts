/**
 * The laws as jest tests: one per law, over random scenarios that are performed once for all of them. What breaks a law is shrunk to the shortest scenario that does, and
 * printed as code to paste.
 */
import { fail, ok } from 'node:assert';
import type { BackendDefinition } from '@mmulab/api';
import type * as FastCheck from 'fast-check';
import type { CreateBackend } from '../conformance-subject';
import { LawRun } from './law-run';
import { LAWS, LAW_NAMES, type Departure, type FlushCounters, type LawName, type LawSubject, type TablesHeld } from './laws';
import { lawScenarios, scenarioAsCode, valuesOfScenario, type LawScenario } from './scenario';
import { FICKLE } from './fickle-memory';
import { simplestScenario } from './simpler-scenarios';

declare const describe: (name: string, body: () => void) => void;
declare const it: (name: string, body: () => void, timeoutMs?: number) => void;

/** How a backend is held against the laws. */
export interface LawsOptions {
  readonly flushes: FlushCounters;
  /** Laws that the kernel it models breaks, with reasons. */
  readonly departures?: readonly Departure[];
  /** Small pages that are mapped according to the gauges, where one tree maps all there is. Absent: the law of gauges is not tried. */
  readonly mappedPages?: (counters: (name: string) => number) => number;
  /** Tables held according to the counters, roots left out; `untold` where no counters tell. Absent: `table.alloc` less `table.free`. */
  readonly tablesHeld?: TablesHeld;
  /** Whether a read may map its page writable under dirty logging, which sets the page's bit (x86). Absent: no. */
  readonly readsMayLog?: boolean;
  /** Scenarios; 60 by default. */
  readonly sequences?: number;
  /** Steps of a scenario at most; 40 by default. */
  readonly steps?: number;
  /** Kinds of host memory drawn. Small ones, huge ones, and one that shows stale mappings by default. */
  readonly backings?: readonly string[];
}

const BACKINGS = ['anonymous', 'anonymous_thp', 'anonymous_hugetlb', 'shmem', FICKLE, FICKLE];
const TIMEOUT_MS = 300_000;

/** A law that is broken, and by what. */
export interface BrokenLaw {
  readonly law: LawName;
  readonly message: string;
  readonly scenario: LawScenario;
}

/** Declares the laws of one backend as tests. */
export function describeLaws(definition: BackendDefinition, create: CreateBackend, options: LawsOptions): void {
  const seed = Number(process.env['MMULAB_SEED'] ?? 20261);
  const { departures = [], sequences = 60, steps = 40 } = options;
  const subject = subjectOf(definition, create, options);
  let found: ReadonlyMap<LawName, LawScenario> | undefined;
  describe(`${definition.name} keeps the law that`, () => {
    for (const law of LAW_NAMES) {
      if ((law === 'gauges' && options.mappedPages === undefined) || (law === 'tables' && options.tablesHeld === 'untold')) continue;
      const own = departures.filter(departure => departure.law === law);
      const but = own.length === 0 ? '' : `, but for ${own.map(({ because }) => because).join('; and for ')}`;
      it(
        `${LAWS[law]}${but} (${sequences} scenarios of 1 to ${steps} steps, seed ${seed})`,
        () => {
          found ??= campaign(subject, departures, { ...options, seed });
          const scenario = found.get(law);
          if (scenario !== undefined) fail(reportOf(shrink(subject, departures, law, { ...options, seed }) ?? { law, message: '', scenario }));
        },
        TIMEOUT_MS,
      );
      for (const { because, example } of own) {
        it(`${LAWS[law]}: not with ${because}, as an example shows`, () => {
          ok(
            new LawRun(subject, example).perform().some(violation => violation.law === law),
            `the example keeps the law:\n${scenarioAsCode(example)}`,
          );
        });
      }
    }
  });
}

/**
 * Holds one scenario against the laws: what a failure of `describeLaws` prints, as a test of its own.
 * @throws AssertionError with the law it breaks
 */
export function checkLaws(definition: BackendDefinition, create: CreateBackend, scenario: LawScenario, options: LawsOptions): void {
  const [first] = unexpected(subjectOf(definition, create, options), options.departures ?? [], scenario);
  if (first !== undefined) fail(reportOf(first));
}

/**
 * The first law, if any, that some scenario breaks.
 * @param shortest whether to look for the shortest scenario that does, which takes longer
 */
export function findBrokenLaw(
  definition: BackendDefinition,
  create: CreateBackend,
  options: LawsOptions & { readonly seed: number },
  shortest = true,
): BrokenLaw | undefined {
  return shrink(subjectOf(definition, create, options), options.departures ?? [], undefined, options, shortest);
}

function subjectOf(definition: BackendDefinition, create: CreateBackend, { flushes, mappedPages, tablesHeld, readsMayLog }: LawsOptions): LawSubject {
  return { definition, create, flushes, mappedPages, tablesHeld, readsMayLog };
}

/** Loaded where it is used: the command line loads this package without running any suite. */
function fastCheck(): typeof FastCheck {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
  return require('fast-check') as typeof FastCheck;
}

type Drawing = LawsOptions & { readonly seed: number };

function arbitraryOf(definition: BackendDefinition, { backings = BACKINGS, steps = 40 }: LawsOptions): FastCheck.Arbitrary<LawScenario> {
  return lawScenarios(fastCheck(), definition, { backings, steps });
}

/** Laws that a scenario breaks and that no departure lets it break. */
function unexpected(subject: LawSubject, departures: readonly Departure[], scenario: LawScenario): readonly BrokenLaw[] {
  const { options, host } = valuesOfScenario(subject.definition, scenario);
  const allowed = departures.filter(departure => departure.when?.(options, host) ?? true).map(({ law }) => law);
  const violations = new LawRun(subject, scenario).perform();
  return violations
    .filter(({ law }) => !allowed.includes(law))
    .map(({ law, message, step }) => ({ law, message: `${message} (step ${step + 1})`, scenario: upTo(scenario, step) }));
}

/** A scenario without the steps after one. */
function upTo(scenario: LawScenario, step: number): LawScenario {
  return { ...scenario, steps: scenario.steps.slice(0, step + 1) };
}

/** Performs all scenarios. @returns the first that breaks each law */
function campaign(subject: LawSubject, departures: readonly Departure[], options: Drawing): ReadonlyMap<LawName, LawScenario> {
  const fc = fastCheck();
  const found = new Map<LawName, LawScenario>();
  // Drawn as `shrink` draws them, so that it meets what was found here.
  const note = (scenario: LawScenario): void => {
    for (const { law } of unexpected(subject, departures, scenario)) if (!found.has(law)) found.set(law, scenario);
  };
  const { failed, errorInstance, counterexample } = fc.check(fc.property(arbitraryOf(subject.definition, options), note), drawn(options));
  if (failed && counterexample !== null) throw brokeDown(errorInstance, counterexample[0]);
  return found;
}

/** The shortest scenario that breaks a law; any law without one. */
function shrink(
  subject: LawSubject,
  departures: readonly Departure[],
  law: LawName | undefined,
  options: Drawing,
  shortest = true,
): BrokenLaw | undefined {
  const fc = fastCheck();
  const broken = (scenario: LawScenario): BrokenLaw | undefined =>
    unexpected(subject, departures, scenario).find(one => one.law === (law ?? one.law));
  const property = fc.property(arbitraryOf(subject.definition, options), scenario => broken(scenario) === undefined);
  const { counterexample } = fc.check(property, { ...drawn(options), endOnFailure: true });
  if (counterexample === null) return undefined;
  const found = broken(counterexample[0]);
  if (!shortest || found === undefined) return found;
  const breaking = (scenario: LawScenario): BrokenLaw | undefined => unexpected(subject, departures, scenario).find(one => one.law === found.law);
  return breaking(simplestScenario(found.scenario, scenario => breaking(scenario) !== undefined)) ?? found;
}

function drawn({ sequences = 60, seed }: Drawing): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: sequences, seed };
}

/** A backend that throws something else than a failed KVM_RUN has a bug that is no law's business: the scenario that shows it is said. */
function brokeDown(error: unknown, scenario: LawScenario): Error {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Error(`the backend threw: ${what}\n\nwith the scenario ${scenarioAsCode(scenario)}`);
}

function reportOf({ law, message, scenario }: BrokenLaw): string {
  return `${LAWS[law]}: ${message}\n\nThe shortest scenario found, as a test:\n\ncheckLaws(definition, create, ${scenarioAsCode(scenario)}, options);\n`;
}
