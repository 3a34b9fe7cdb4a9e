/**
 * What a patch changes, for `mmulab explain NAME`: the services it puts others in the place of, and what rules answer with it that answered otherwise without.
 *
 * The services of a backend are built twice, without the patch and with it, under the option values of each profile.
 */
import { RuleAnswers, type BackendDefinition, type KernelProfile, type OptionSpec, type OptionValues, type RuleAnswer } from '@mmulab/api';
import { Container } from 'inversify';
import { applyModule, loadModule } from '../plugin-module';
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
  return [...values, ...services, ...changedAnswers(patch, definition, plain.container, patched.container)];
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
  applyModule(container, patch.plugin, `patch ${patch.definition.name}`, load =>
    patch.apply({
      ...load,
      bind: noting(load.bind),
      onActivation: noting(load.onActivation),
      rebindSync: noting(load.rebindSync),
      unbindSync: noting(load.unbindSync),
    }),
  );
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

/** Answers that differ, in the newest profile in which some do; and in which profiles some do. */
function changedAnswers(patch: AppliedPatch, definition: BackendDefinition, before: Container, after: Container): readonly Fact[] {
  if (!before.isBound(RuleAnswers)) return [];
  const changed = definition.profiles.map(profile => ({ profile, answers: differing(patch, definition, profile, before, after) }));
  const some = changed.filter(({ answers }) => answers.length > 0);
  const last = some.at(-1);
  if (last === undefined) return [{ label: 'answers', value: 'none that differs, of those asked; not every rule is asked' }];
  const told = last.answers.slice(0, MOST_ANSWERS).map(value => ({ label: `patched, ${last.profile.name}`, value }));
  const more = last.answers.length - told.length;
  return [
    { label: 'answers', value: `differ in ${some.map(({ profile }) => profile.name).join(', ')}` },
    ...told,
    ...(more > 0 ? [{ label: '', value: `and ${more} more` }] : []),
  ];
}

function differing(
  { definition: patch }: AppliedPatch,
  definition: BackendDefinition,
  profile: KernelProfile,
  before: Container,
  after: Container,
): readonly string[] {
  const plain = { ...defaultsOf(definition.options), ...profile.values };
  const host = defaultsOf(hostOptionSpecs(definition));
  const answers = (container: Container, options: OptionValues): readonly RuleAnswer[] =>
    container.get<RuleAnswers>(RuleAnswers)(definition.name, { get: token => container.get(token), options, host });
  const old = answers(before, plain);
  return answers(after, { ...plain, ...patch.values })
    .map((now, i) => ({ now, was: old[i] }))
    .filter(({ now, was }) => now.answer !== was.answer)
    .map(({ now, was }) => `${now.rule}: ${now.asked}: ${now.answer} (was: ${was.answer})`);
}

function defaultsOf(specs: readonly OptionSpec[]): OptionValues {
  return Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
}
