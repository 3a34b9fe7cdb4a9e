/**
 * What a patch changes, for `mmulab explain NAME`: the services it puts others in the place of, and what rules answer with it that answered otherwise without.
 *
 * The services of a backend are built twice, without the patch and with it, under the option values of each profile.
 */
import {
  RuleAnswers,
  isMmulabError,
  type BackendDefinition,
  type KernelProfile,
  type OptionSpec,
  type OptionValue,
  type OptionValues,
  type RuleAnswer,
} from '@mmulab/api';
import { Container } from 'inversify';
import { applyPatch } from '../patch-load';
import { loadModule } from '../plugin-module';
import type { AppliedPatch, Registry } from '../registry';
import { hostOptionSpecs } from './host-options';

/** Changed answers that are told; the rest is a number. */
const MOST_ANSWERS = 12;

/** One line of an explanation. */
interface Fact {
  readonly label: string;
  readonly value: string;
}

/** What a patch changes of one backend. */
export function patchFacts(patch: AppliedPatch, definition: BackendDefinition, registry: Registry): readonly Fact[] {
  const values = Object.entries(patch.definition.values ?? {}).map(([name, value]) => ({ label: 'option', value: `${name}=${value}` }));
  const [plain, patched] = [undefined, patch].map(applied => servicesOf(definition.name, registry, applied));
  const services = [...patched.touched].flatMap(token => changedServices(token, plain.container, patched.container));
  const replaced = services.flatMap(({ label, value }) => (label === 'replaces' ? [value.replace(/ by .*$/, '')] : []));
  return [...values, ...services, ...changedAnswers(patch, definition, replaced, plain.container, patched.container)];
}

interface PatchedServices {
  readonly container: Container;
  /** Tokens that the patch binds, or acts upon. */
  readonly touched: ReadonlySet<symbol>;
}

function servicesOf(backend: string, registry: Registry, patch: AppliedPatch | undefined): PatchedServices {
  const container = new Container({ defaultScope: 'Singleton' });
  const module = registry.pluginOfBackend(backend);
  if (module !== undefined) loadModule(container, module);
  const touched = new Set<symbol>();
  const noting =
    <Args extends readonly unknown[], Result>(act: (...args: Args) => Result) =>
    (...args: Args): Result => {
      if (typeof args[0] === 'symbol') touched.add(args[0]);
      return act(...args);
    };
  if (patch === undefined) return { container, touched };
  applyPatch(container, patch, load => ({
    ...load,
    bind: noting(load.bind),
    onActivation: noting(load.onActivation),
    rebindSync: noting(load.rebindSync),
    unbindSync: noting(load.unbindSync),
  }));
  return { container, touched };
}

/** Services that the patch puts in the place of others: of tables of classes those that differ. */
function changedServices(token: symbol, before: Container, after: Container): readonly Fact[] {
  const name = (token.description ?? '').replace(/^mmulab\.(\w+\.)?/, '');
  const get = (container: Container): unknown => (container.isBound(token) ? container.get(token) : undefined);
  const [old, now] = [get(before), get(after)];
  if (old === undefined || now === undefined) return [{ label: now === undefined ? 'takes away' : 'adds', value: name }];
  if (!isTable(old) || !isTable(now)) return old === now ? [] : [{ label: 'replaces', value: name }];
  return Object.keys({ ...old, ...now })
    .filter(key => old[key] !== now[key])
    .map(key => ({ label: 'replaces', value: `${name}.${key}${named(now[key])}` }));
}

const isTable = (service: unknown): service is Readonly<Record<string, unknown>> => typeof service === 'object' && service !== null;
const named = (service: unknown): string => (typeof service === 'function' && service.name !== '' ? ` by ${service.name}` : '');

/** What the questions of a backend find under some options. */
interface Found {
  /** Rules that are asked, and how many questions in all. */
  readonly rules: ReadonlySet<string>;
  readonly questions: number;
  /** Answers that differ, by rule. */
  readonly changed: ReadonlyMap<string, readonly string[]>;
}

/** Answers that differ, in the newest profile in which some do; in which profiles some do; and rules in the place of others that answer alike, or are not asked. */
function changedAnswers(
  patch: AppliedPatch,
  definition: BackendDefinition,
  replaced: readonly string[],
  before: Container,
  after: Container,
): readonly Fact[] {
  if (!before.isBound(RuleAnswers)) return [{ label: 'answers', value: `not told: ${definition.name} has no questions to its rules` }];
  const asking = new Questions(patch, definition, before, after);
  const asked = definition.profiles.map(profile => ({ profile, ...asking.under(profile) }));
  const alike = replaced.filter(rule => !asked.some(({ changed }) => changed.has(rule))).flatMap(rule => asking.alike(rule));
  const some = asked.filter(({ changed }) => changed.size > 0);
  const last = some.at(-1);
  if (last === undefined) {
    const questions = Math.max(0, ...asked.map(one => one.questions));
    return [{ label: 'answers', value: `none that differs, of ${questions} asked in each release` }, ...alike];
  }
  const most = Math.ceil(MOST_ANSWERS / last.changed.size);
  const told = [...last.changed].flatMap(([rule, answers]) => toldAnswers(rule, answers, last.profile, most));
  return [{ label: 'answers', value: `differ in ${some.map(({ profile }) => profile.name).join(', ')}` }, ...told, ...alike];
}

function toldAnswers(rule: string, answers: readonly string[], { name }: KernelProfile, most: number): readonly Fact[] {
  const told = answers.slice(0, most).map(value => ({ label: `patched, ${name}`, value }));
  return answers.length > most ? [...told, { label: '', value: `and ${answers.length - most} more of ${rule}` }] : told;
}

/** The questions of a backend, asked without a patch and with it. */
class Questions {
  constructor(
    private readonly patch: AppliedPatch,
    private readonly definition: BackendDefinition,
    private readonly before: Container,
    private readonly after: Container,
  ) {}

  /** Asks under a profile, with options and facts of the host that differ from their defaults. */
  under(profile: KernelProfile, options: OptionValues = {}, facts: OptionValues = {}): Found {
    const { definition, before, after } = this;
    const plain = { ...defaultsOf(definition.options), ...profile.values };
    const host = { ...defaultsOf(hostOptionSpecs(definition)), ...facts };
    const answers = (container: Container, values: OptionValues): readonly RuleAnswer[] =>
      container.get<RuleAnswers>(RuleAnswers)(definition.name, { get: token => container.get(token), options: values, host });
    return difference(answers(before, { ...plain, ...options }), answers(after, { ...plain, ...this.patch.definition.values, ...options }));
  }

  /** A rule that answers as the one before does under every profile: whether one switch, or one fact of the host, makes a difference in the newest of them. */
  alike(rule: string): readonly Fact[] {
    const newest = this.definition.profiles.at(-1);
    if (newest === undefined || !this.under(newest).rules.has(rule))
      return [{ label: 'answers', value: `${rule}: is not asked; what it changes shows in counts` }];
    for (const { name, options, host } of this.switched(newest)) {
      const answers = this.under(newest, options, host).changed.get(rule);
      if (answers === undefined) continue;
      return [{ label: 'answers', value: `${rule}: differ with ${name}` }, ...toldAnswers(rule, answers, newest, MOST_ALIKE)];
    }
    return [{ label: 'answers', value: `${rule}: none that differs of those asked, whatever one option says` }];
  }

  /** One option, or one fact of the host, at a time with another value. */
  private *switched(profile: KernelProfile): Iterable<{ readonly name: string; readonly options: OptionValues; readonly host: OptionValues }> {
    const { definition } = this;
    const [plain, facts] = [{ ...defaultsOf(definition.options), ...profile.values }, defaultsOf(hostOptionSpecs(definition))];
    for (const [specs, usual, isHost] of [
      [hostOptionSpecs(definition), facts, true],
      [definition.options, plain, false],
    ] as const) {
      for (const spec of specs) {
        for (const value of otherValues(spec, usual[spec.name])) {
          const one = { [spec.name]: value };
          const [options, host] = isHost ? [{}, one] : [one, {}];
          if (isTaken(definition, { ...plain, ...options }, { ...facts, ...host }))
            yield { name: `${isHost ? 'host.' : ''}${spec.name}=${value}`, options, host };
        }
      }
    }
  }
}

/** Answers that are told of a rule that differs under one option only. */
const MOST_ALIKE = 4;

function otherValues(spec: OptionSpec, usual: OptionValue | undefined): readonly string[] {
  const values = spec.kind === 'flag' ? ['Y', 'N'] : spec.kind === 'choice' ? spec.choices : [];
  return values.filter(value => value !== usual);
}

function isTaken(definition: BackendDefinition, options: OptionValues, host: OptionValues): boolean {
  try {
    definition.check(options, host);
    return true;
  } catch (error) {
    if (isMmulabError(error)) return false;
    throw error;
  }
}

function difference(before: readonly RuleAnswer[], after: readonly RuleAnswer[]): Found {
  const keyOf = ({ rule, asked }: RuleAnswer): string => `${rule}: ${asked}`;
  const answersOf = (list: readonly RuleAnswer[]): ReadonlyMap<string, string> => new Map(list.map(one => [keyOf(one), one.answer]));
  const [was, is] = [answersOf(before), answersOf(after)];
  const questions = new Map([...before, ...after].map(one => [keyOf(one), one]));
  const changed = new Map<string, string[]>();
  for (const [key, { rule }] of questions) {
    const [answer, earlier] = [is.get(key), was.get(key)];
    if (answer === earlier) continue;
    const told = `${key}: ${answer ?? 'does not come up'} (was: ${earlier ?? 'did not come up'})`;
    changed.set(rule, [...(changed.get(rule) ?? []), told]);
  }
  return { rules: new Set([...questions.values()].map(({ rule }) => rule)), questions: questions.size, changed };
}

function defaultsOf(specs: readonly OptionSpec[]): OptionValues {
  return Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
}
