/**
 * What every backend has to keep, as a suite of jest tests: it documents its options and events, it is deterministic, it counts the same however
 * it is driven (whole runs, single accesses, stages of accesses) and whichever engine it runs on (its own, or the oracle), and it leaves nothing
 * behind.
 *
 * The suite knows a backend through its definition and the MmuBackend interface alone. Random sequences come from one seed, named in the title
 * of the test; MMULAB_SEED sets another one. A failure prints the simplest sequence that still fails, step by step, as code to paste.
 */
import { deepStrictEqual, fail, ok } from 'node:assert';
import { COMMON_OPERATIONS, isMmulabError, parseRelease } from '@mmulab/api';
import type { BackendDefinition, ControlWrite, HostOp, OptionSpec, OptionValue, OptionValues } from '@mmulab/api';
import { Registry } from '@mmulab/runner';
import type * as FastCheck from 'fast-check';
import { failureReport, stepInWords } from './conformance-report';
import { StepMaker, defaultsOf, drawValues, hasRings, scenarios, valuesOf } from './conformance-sequences';
import type { Scenario, Sizes } from './conformance-sequences';
import { Subject } from './conformance-subject';
import type { CreateBackend, Manner, SubjectStep } from './conformance-subject';
import { layOutVm } from './conformance-vm';
import type { TestVm } from './conformance-vm';
import { checkNothingLeft } from './invariants';
import { oracleEngines } from './oracle';

declare const describe: (name: string, body: () => void) => void;
declare const it: (name: string, body: () => void, timeoutMs?: number) => void;

/** What of the suite a backend may adjust. */
export interface ConformanceOptions {
  /** Register writes to mix into the sequences. */
  readonly controls?: readonly ControlWrite[];
  /** Sequences of 25 operations on slots of some MiB; 200 by default. */
  readonly sequences?: number;
  /** Sequences on slots of more than 1 GiB; 4 by default. */
  readonly hugeSequences?: number;
  /** Backings drawn; all small and 2 MiB ones by default. */
  readonly backings?: readonly string[];
  /** Scenarios beside the random ones, by what they show: those that failed once, and those that chance hardly finds. */
  readonly scenarios?: Readonly<Record<string, Scenario>>;
  /** Small pages that are mapped according to the gauges, where one tree maps all there is: held against what frames translate to. */
  readonly mappedPages?: (counters: Readonly<Record<string, number>>) => number;
  /** Whether the backend performs an operation under these options. Absent: all that it declares. */
  readonly accepts?: (op: HostOp, options: OptionValues) => boolean;
  /** Why tables are left once the VM is gone, where the kernel that is modelled leaves some: shown in the title. Absent: none may be. */
  readonly keepsTables?: string;
}

const SMALL: Sizes = {
  operations: 25,
  regularPages: [1024, 1536, 2048],
  oddPages: [1, 100, 512, 1100, 1536],
  oddSlots: 2,
  backings: ['anonymous', 'anonymous_thp', 'anonymous_hugetlb', 'anonymous_hugetlb', 'shmem', 'shared_hugetlb'],
  maxRun: 2200,
};

const HUGE: Sizes = {
  operations: 12,
  regularPages: [2 ** 18],
  oddPages: [2 ** 18 + 512],
  oddSlots: 1,
  backings: ['anonymous_hugetlb_1gb', 'anonymous_hugetlb_1gb', 'anonymous_hugetlb'],
  maxRun: 3000,
};

const TIMEOUT_MS = 300_000;
/** Counters that are told of those that differ. */
const MOST_DIFFERENCES = 12;

/** Declares the suite for one backend. */
export function describeConformance(definition: BackendDefinition, create: CreateBackend, options: ConformanceOptions = {}): void {
  const seed = Number(process.env['MMULAB_SEED'] ?? 20221);
  const controls = options.controls ?? [];
  describe(`${definition.name} as a backend`, () => {
    describeDefinition(definition);
    describeKernels(definition);
    const { sequences = 200, hugeSequences = 4 } = options;
    const small = options.backings === undefined ? SMALL : { ...SMALL, backings: options.backings };
    const suite = { definition, sizes: small, controls, accepts: options.accepts };
    const { keepsTables } = options;
    const but = keepsTables === undefined ? '' : `, and leaves nothing but tables (${keepsTables})`;
    it(
      `counts the same by run, touch, stages and on the oracle over ${sequences} sequences of ${small.operations} operations${but} (seed ${seed})`,
      () => checkProperty({ ...suite, runs: sequences, seed }, AS_TEST, scenario => compareManners(definition, create, scenario, small, options)),
      TIMEOUT_MS,
    );
    it(
      `counts the same over ${hugeSequences} sequences of ${HUGE.operations} operations on slots of 1 GiB${but} (seed ${seed})`,
      () =>
        checkProperty({ ...suite, runs: hugeSequences, seed, sizes: HUGE }, AS_TEST, scenario =>
          compareManners(definition, create, scenario, HUGE, options),
        ),
      TIMEOUT_MS,
    );
    const { mappedPages } = options;
    if (mappedPages !== undefined) {
      it(`has as many pages mapped as its gauges say over 20 sequences (seed ${seed})`, () =>
        checkProperty({ ...suite, runs: 20, seed: seed + 2, controls: [] }, NO_TEST, scenario =>
          compareGauges(definition, create, scenario, small, mappedPages, options.accepts),
        ));
    }
    for (const [what, scenario] of Object.entries(options.scenarios ?? {})) {
      it(`counts the same ${what}`, () => compareManners(definition, create, scenario, small, options));
    }
    it(`is deterministic over 10 sequences (seed ${seed})`, () =>
      checkProperty({ ...suite, runs: 10, seed: seed + 1 }, NO_TEST, scenario => {
        const vm = vmOf(definition, scenario);
        const [once, again] = ['once', 'again'].map(name => new Subject(name, definition, create, drawValues(definition, scenario), vm, 'run'));
        replay(maker(definition, drawValues(definition, scenario), vm, small, controls, options.accepts), scenario, vm, [once, again]);
      }));
  });
}

/**
 * Compares the ways of driving a backend on one scenario: what the suite does with each it draws, without jest.
 * @throws AssertionError that names the operation on which they differ, and the counters
 */
export function checkScenario(definition: BackendDefinition, create: CreateBackend, scenario: Scenario, options: ConformanceOptions = {}): void {
  // What a failure prints says how long its runs are.
  compareManners(definition, create, scenario, { ...SMALL, maxRun: HUGE.maxRun }, options);
}

function describeDefinition(definition: BackendDefinition): void {
  it('documents every option in a sentence, under a name of its own', () => {
    const specs = [...definition.options, ...definition.hostOptions];
    for (const { name, doc, aliases = [] } of specs) {
      ok(isSentence(doc), `${name}: "${doc}" is no sentence`);
      ok(/^[a-z][a-z0-9_]*$/.test(name), `${name} is not in snake_case`);
      // An alias may be a module's parameter: kvm_intel.ept.
      for (const alias of aliases) ok(/^([a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*$/.test(alias), `${alias} is not in snake_case`);
    }
    deepStrictEqual(repeated(specs.flatMap(({ name, aliases = [] }) => [name, ...aliases])), []);
  });

  it('documents every event in a sentence, under a name of its own', () => {
    for (const { name, doc } of definition.events) ok(isSentence(doc), `${name}: "${doc}" is no sentence`);
    deepStrictEqual(repeated(definition.events.map(event => event.name)), []);
  });
}

/** What a backend says of kernels: its profiles, its switches, and what it refuses. */
function describeKernels(definition: BackendDefinition): void {
  it('has profiles that set known options to values they can have', () => {
    ok(definition.profiles.length > 0, 'a backend has one profile at least');
    deepStrictEqual(repeated(definition.profiles.map(profile => profile.name)), []);
    for (const profile of definition.profiles) {
      ok(isSentence(profile.doc), `${profile.name}: "${profile.doc}" is no sentence`);
      for (const [name, value] of Object.entries(profile.values)) {
        const spec = definition.options.find(option => option.name === name);
        ok(spec !== undefined, `profile ${profile.name} sets ${name}, which is no option`);
        ok(isValueOf(spec, value), `profile ${profile.name} sets ${name} to ${value}`);
      }
      definition.check({ ...defaultsOf(definition.options), ...profile.values }, defaultsOf(definition.hostOptions));
    }
  });

  it('has switches of known options, each changing at releases to values it can have', () => {
    const { switches = [] } = definition;
    deepStrictEqual(repeated(switches.map(({ option }) => option)), []);
    for (const { option, first, changes } of switches) {
      const spec = definition.options.find(({ name }) => name === option);
      ok(spec !== undefined, `a switch of ${option}, which is no option`);
      for (const value of [first, ...changes.map(change => change.value)]) ok(isValueOf(spec, value), `${option} becomes ${value}`);
      const releases = changes.flatMap(({ since, backports = [] }) => [...(since === undefined ? [] : [since]), ...backports]);
      for (const release of releases) ok(parseRelease(release) !== undefined, `${option} changes in ${release}, which is no release`);
    }
  });

  it('refuses combinations by typed errors only', () => {
    const base = { options: defaultsOf(definition.options), host: defaultsOf(definition.hostOptions) };
    for (const part of ['options', 'host'] as const) {
      for (const spec of part === 'options' ? definition.options : definition.hostOptions) {
        for (const value of valuesOf(spec)) checkTyped(definition, { ...base, [part]: { ...base[part], [spec.name]: value } });
      }
    }
  });
}

function checkTyped(definition: BackendDefinition, { options, host }: { readonly options: OptionValues; readonly host: OptionValues }): void {
  try {
    definition.check(options, host);
  } catch (error) {
    ok(isMmulabError(error) && error.errorClass === 'usage', `check throws ${String(error)}`);
  }
}

/** What scenarios of a property are drawn from, and how many. */
interface Drawing {
  readonly definition: BackendDefinition;
  readonly runs: number;
  readonly seed: number;
  readonly sizes: Sizes;
  readonly controls: readonly ControlWrite[];
  readonly accepts: ConformanceOptions['accepts'];
}

/** How a scenario is tried again in a test of its own. */
const AS_TEST = ['checkScenario(definition, create, ', ', options);'] as const;
const NO_TEST = ['', ''] as const;

/** Holds random scenarios against a property. @throws AssertionError with the simplest that fails it */
function checkProperty(
  { definition, runs, seed, sizes, controls, accepts }: Drawing,
  asTest: readonly [string, string],
  property: (scenario: Scenario) => void,
): void {
  // Loaded where it is used: the command line loads this package without running the suite.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
  const fc = require('fast-check') as typeof FastCheck;
  const { counterexample } = fc.check(fc.property(scenarios(fc, sizes, controls), property), { numRuns: runs, seed, endOnFailure: true });
  if (counterexample === null) return;
  const stepsOf = (scenario: Scenario): readonly SubjectStep[] => {
    const steps = maker(definition, drawValues(definition, scenario), vmOf(definition, scenario), sizes, controls, accepts);
    return scenario.operations.flatMap(drawn => steps.next(drawn) ?? []);
  };
  fail(failureReport({ definition, scenario: counterexample[0], sizes, attempt: property, stepsOf, asTest }));
}

function vmOf(definition: BackendDefinition, scenario: Scenario): TestVm {
  const { options, host } = drawValues(definition, scenario);
  const machine = definition.machine(host);
  const registry = Registry.load([]);
  const backingHost = { pageSizeBytes: machine.pageSizeBytes, thp: String(host['thp'] ?? 'madvise') };
  // 1 GiB pages exist with 4 KiB granules only.
  const known = registry.backings().map(backing => backing.name);
  const isThere = (name: string): boolean => machine.pageSizeBytes === 4096 || !/_\d+[mg]b$/.test(name) || !known.includes(name);
  return layOutVm({ ...scenario.vm, ring: hasRings(definition, options) ? (scenario.vm.ring ?? 0) : 0 }, machine, name =>
    registry.backing(isThere(name) ? name : 'anonymous_hugetlb', backingHost),
  );
}

/** Turns what is drawn into steps, but for operations that the backend does not have. */
function maker(
  { operations = [] }: BackendDefinition,
  { options }: { readonly options: OptionValues },
  vm: TestVm,
  { maxRun }: Sizes,
  controls: readonly ControlWrite[],
  accepts: ConformanceOptions['accepts'] = () => true,
): StepMaker {
  const has = new Set(COMMON_OPERATIONS);
  for (const { name, needs } of operations) if (needs === undefined || options[needs.option] === needs.value) has.add(name);
  // These two every backend takes: where it has no such thing, nothing happens.
  for (const name of ['nx_recovery', 'zap_all']) has.add(name);
  return new StepMaker(vm, maxRun, controls, op => has.has(op.op) && accepts(op, options));
}

/** Drives one scenario in every way and compares all counters and sampled translations after each operation. */
function compareManners(
  definition: BackendDefinition,
  create: CreateBackend,
  scenario: Scenario,
  sizes: Sizes,
  { controls = [], keepsTables, accepts }: ConformanceOptions,
): void {
  const vm = vmOf(definition, scenario);
  const values = drawValues(definition, scenario);
  const subject = (name: string, manner: Manner, oracle = false): Subject =>
    new Subject(name, definition, create, values, vm, manner, oracle ? oracleEngines : undefined);
  const subjects = [subject('runs', 'run'), subject('runs on the oracle', 'run', true), subject('touches', 'touch'), subject('stages', 'stages')];
  // A run that has failed is over.
  if (!replay(maker(definition, values, vm, sizes, controls, accepts), scenario, vm, subjects)) return;
  for (const one of subjects) {
    one.perform({ step: 'host', op: { op: 'destroy_vm' } }, 'destroy_vm');
    checkNothingLeft(definition.events, one.sums, keepsTables === undefined ? one.backend.memory().tableBytesReal : 0);
  }
}

/** Counts the frames that translate to something after each operation, and compares with the gauges. */
function compareGauges(
  definition: BackendDefinition,
  create: CreateBackend,
  scenario: Scenario,
  sizes: Sizes,
  mappedPages: NonNullable<ConformanceOptions['mappedPages']>,
  accepts: ConformanceOptions['accepts'],
): void {
  const vm = vmOf(definition, scenario);
  const subject = new Subject('runs', definition, create, drawValues(definition, scenario), vm, 'run');
  const steps = maker(definition, drawValues(definition, scenario), vm, sizes, [], accepts);
  scenario.operations.every((drawn, number) => {
    const step = steps.next(drawn);
    if (step === undefined) return true;
    const what = `operation ${number} (${stepInWords(step)})`;
    if (outcomeOf(subject, step, [], what).failure !== undefined) return false;
    // Whoever enters loads a valid root, and lets go of one that is not.
    const [counted = {}] = subject.enterAll(`${what}, then everybody enters`);
    let mapped = 0;
    for (const { baseGfn, npages } of vm.layout.memslots) {
      for (let gfn = baseGfn; gfn < baseGfn + npages; gfn++) if (subject.backend.translate(gfn) !== undefined) mapped++;
    }
    deepStrictEqual(mapped, mappedPages(counted), `${what}: frames that translate to something, against the gauges`);
    return true;
  });
}

/** Performs a scenario's operations on all subjects alike; the first one says what is right. @returns false when a KVM_RUN failed, of all of them alike */
function replay(steps: StepMaker, scenario: Scenario, vm: TestVm, subjects: readonly Subject[]): boolean {
  const sampled = sampleFrames(vm);
  return scenario.operations.every((drawn, number) => {
    const step = steps.next(drawn);
    if (step === undefined) return true;
    const what = `operation ${number} (${stepInWords(step)})`;
    const [first, ...others] = subjects.map(subject => outcomeOf(subject, step, sampled, what));
    for (const other of others) compare(first, other, sampled, `${what}: ${other.name} against ${first.name}`);
    return first.failure === undefined;
  });
}

/** Performs one operation on one subject. */
function outcomeOf(subject: Subject, step: SubjectStep, sampled: readonly number[], what: string): Outcome {
  let failure: string | undefined;
  try {
    subject.attempt(step);
  } catch (error) {
    if (!isMmulabError(error) || error.errorClass !== 'failed') throw error;
    failure = error.message;
  }
  const counted = subject.counted(what);
  return {
    name: subject.name,
    failure,
    answer: subject.answer,
    counted,
    translations: subject.translations(sampled),
    memory: subject.backend.memory(),
  };
}

interface Outcome {
  readonly name: string;
  /** How a KVM_RUN failed, if one did. */
  readonly failure: string | undefined;
  /** What user space has seen of the last host operation. */
  readonly answer: string;
  readonly counted: readonly Readonly<Record<string, number>>[];
  readonly translations: readonly unknown[];
  readonly memory: unknown;
}

/** Names what differs, and only that. */
function compare(expected: Outcome, found: Outcome, frames: readonly number[], what: string): void {
  deepStrictEqual(found.failure, expected.failure, `${what}: failed KVM_RUN`);
  const differences = expected.counted.flatMap((values, actor) =>
    Object.keys(values)
      .filter(event => values[event] !== found.counted[actor]?.[event])
      .map(event => `${actor === 0 ? 'all' : `vCPU ${actor - 1}`} ${event}: ${values[event]} and ${found.counted[actor]?.[event]}`),
  );
  const more = differences.length - MOST_DIFFERENCES;
  const told = [...differences.slice(0, MOST_DIFFERENCES), ...(more > 0 ? [`and ${more} more`] : [])];
  ok(differences.length === 0, `${what}:\n  ${told.join('\n  ')}`);
  frames.forEach((gfn, i) => deepStrictEqual(found.translations[i], expected.translations[i], `${what}: translation of frame 0x${gfn.toString(16)}`));
  deepStrictEqual(found.answer, expected.answer, `${what}: what user space sees`);
  deepStrictEqual(found.memory, expected.memory, `${what}: memory`);
}

/** Frames at the edges of slots and of 2 MiB blocks, and some between. */
function sampleFrames(vm: TestVm): readonly number[] {
  const frames = vm.regions.flatMap(({ gfn, npages }) => {
    const inside = [0, 1, 63, 64, 65, 511, 512, 513, 700, 1023, 1024, 1535, npages >> 1, npages - 2, npages - 1];
    const block = gfn - (gfn % 512) + 512;
    return [...inside.map(page => gfn + page), block - 1, block].filter(frame => frame >= gfn && frame < gfn + npages);
  });
  const tables = (vm.layout.spaces[0]?.tables ?? []).slice(0, 8).map(run => run.gfn);
  return [...new Set([...frames, ...tables])];
}

const isSentence = (text: string): boolean => /^\S.*[.)]$/s.test(text.trim()) && text.trim().length > 10;
const repeated = (names: readonly string[]): string[] => names.filter((name, i) => names.indexOf(name) !== i);

function isValueOf(spec: OptionSpec, value: OptionValue): boolean {
  if (spec.kind === 'number' || spec.kind === 'size') return typeof value === 'number' && value >= spec.min && value <= spec.max;
  if (spec.kind === 'text') return typeof value === 'string' && new RegExp(spec.pattern).test(value);
  return valuesOf(spec).includes(value);
}
