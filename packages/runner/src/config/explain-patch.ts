/**
 * What a patch changes, for `mmulab explain NAME`: the services it puts others in the place of, and what rules answer with it that answered otherwise without.
 *
 * The services of a backend are built twice, without the patch and with it, under the option values of each profile.
 */
import { RuleAnswers, type BackendDefinition, type KernelProfile, type OptionSpec, type OptionValues, type RuleAnswer } from '@mmulab/api';
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

/** What the questions of a backend find under one profile. */
interface AskedProfile {
  readonly profile: KernelProfile;
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
  const asked = definition.profiles.map(profile => ask(patch, definition, profile, before, after));
  const alike = replaced.filter(rule => !asked.some(({ changed }) => changed.has(rule))).map(rule => alikeFact(rule, asked));
  const some = asked.filter(({ changed }) => changed.size > 0);
  const last = some.at(-1);
  if (last === undefined) {
    const questions = Math.max(0, ...asked.map(one => one.questions));
    return [{ label: 'answers', value: `none that differs, of ${questions} asked in each release` }, ...alike];
  }
  return [{ label: 'answers', value: `differ in ${some.map(({ profile }) => profile.name).join(', ')}` }, ...toldAnswers(last), ...alike];
}

function alikeFact(rule: string, asked: readonly AskedProfile[]): Fact {
  const isAsked = asked.some(({ rules }) => rules.has(rule));
  return { label: 'answers', value: `${rule}: ${isAsked ? 'none that differs of those asked' : 'is not asked; what it changes shows in counts'}` };
}

/** Of several rules each is told of. */
function toldAnswers({ profile, changed }: AskedProfile): readonly Fact[] {
  const most = Math.ceil(MOST_ANSWERS / changed.size);
  return [...changed].flatMap(([rule, answers]) => [
    ...answers.slice(0, most).map(value => ({ label: `patched, ${profile.name}`, value })),
    ...(answers.length > most ? [{ label: '', value: `and ${answers.length - most} more of ${rule}` }] : []),
  ]);
}

function ask(
  { definition: patch }: AppliedPatch,
  definition: BackendDefinition,
  profile: KernelProfile,
  before: Container,
  after: Container,
): AskedProfile {
  const plain = { ...defaultsOf(definition.options), ...profile.values };
  const host = defaultsOf(hostOptionSpecs(definition));
  const answers = (container: Container, options: OptionValues): readonly RuleAnswer[] =>
    container.get<RuleAnswers>(RuleAnswers)(definition.name, { get: token => container.get(token), options, host });
  const keyOf = ({ rule, asked }: RuleAnswer): string => `${rule}: ${asked}`;
  const [old, now] = [answers(before, plain), answers(after, { ...plain, ...patch.values })];
  const [was, is] = [old, now].map(list => new Map(list.map(one => [keyOf(one), one.answer])));
  const changed = new Map<string, string[]>();
  const questions = new Map([...old, ...now].map(one => [keyOf(one), one]));
  for (const [key, { rule }] of questions) {
    const [answer, earlier] = [is?.get(key), was?.get(key)];
    if (answer === earlier) continue;
    const told = `${key}: ${answer ?? 'does not come up'} (was: ${earlier ?? 'did not come up'})`;
    changed.set(rule, [...(changed.get(rule) ?? []), told]);
  }
  return { profile, rules: new Set([...questions.values()].map(({ rule }) => rule)), questions: questions.size, changed };
}

function defaultsOf(specs: readonly OptionSpec[]): OptionValues {
  return Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
}
