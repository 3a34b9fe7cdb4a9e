/**
 * A cost model as data, read from YAML and checked once: parameters with unit, error and plausible range; named expressions; for phases in which vCPUs run the
 * delays, stations and what comes on top; for phases of the host its serial work. Counters are those of one vCPU, with the prefix `host.` those of the host.
 */
import { suggestName } from '@mmulab/api';
import { modelShape, modelUnknownKey } from './errors';
import { PLAIN, TIME, Vocabulary, plainName, readQuantity, type Dimension, type Expression } from './expressions';
import { FACTORS, readFacts, type Factor, type HostFacts } from './host';
import { isMap, parseYaml } from './shape';

/** A cost. */
export interface Parameter {
  readonly name: string;
  /** Name among those of all models: `MODEL.NAME`. */
  readonly key: string;
  /** In seconds, or plain. */
  readonly value: number;
  readonly dimension: Dimension;
  /** One standard error, as a factor. */
  readonly factor: number;
  readonly range: readonly [number, number];
  readonly hostFactor: Factor | undefined;
  /** `fitted TABLE`, `prior SOURCE`, `uncalibrated` or `uncalibrated SOURCE`. */
  readonly origin: string;
  /** The cost of another model that this one is like, by its key, and by what factor they may differ (one standard error): the prior where both are fitted. */
  readonly like: { readonly key: string; readonly factor: number } | undefined;
  readonly doc: string;
}

/** A queueing station of a model. */
export interface StationTerm {
  readonly name: string;
  readonly visits: Expression;
  /** Seconds; may name `n`, the customers at the station. */
  readonly service: Expression;
}

/** A term by name. */
export interface Term {
  readonly name: string;
  readonly expression: Expression;
}

/** How one kind of phase is priced. */
export interface PhaseRule {
  readonly name: string;
  readonly phases: RegExp;
  /** How mmu_lock is held: by faults, or by the host. */
  readonly lock: 'shared' | 'exclusive';
  /** Holds of a host operation, with yields between them; undefined: one. */
  readonly holds: Expression | undefined;
  readonly delays: readonly Term[];
  readonly stations: readonly StationTerm[];
  /** Seconds on top of what the solver says; may name `alone`, the time without contention. */
  readonly extra: readonly Term[];
  readonly serial: readonly Term[];
}

/** A checked model. */
export interface Model {
  readonly name: string;
  readonly doc: string;
  readonly backends: readonly string[];
  /** Machine taken where a run does not name one. */
  readonly host: HostFacts;
  /** Table, or machine by name, that the values are of: every factor is 1 there. */
  readonly reference: string;
  readonly parameters: readonly Parameter[];
  readonly named: readonly Term[];
  readonly rules: readonly PhaseRule[];
  /** The file as read. */
  readonly text: string;
}

type RawMap = Readonly<Record<string, unknown>>;

/** Names every expression may use beside counters and parameters; reads, writes and executes are one vCPU's accesses; `pages` are under test, `dirty_pages` set
 * in the log when the phase begins, both of the whole VM. */
const BUILT_IN_NAMES = [
  'vcpus',
  'sockets',
  'cores',
  'threads',
  'accesses',
  'accesses.read',
  'accesses.write',
  'accesses.execute',
  'pages',
  'dirty_pages',
  'small_pages',
  'log_reads',
  'vm_vcpus',
];
const MODEL_KEYS = ['schema', 'name', 'doc', 'backends', 'host', 'reference', 'parameters', 'let', 'phases'];
const PARAMETER_KEYS = ['value', 'factor', 'range', 'host', 'origin', 'like', 'within', 'doc'];
const RULE_KEYS = ['phases', 'lock', 'holds', 'delays', 'stations', 'extra', 'serial'];
const STATION_KEYS = ['visits', 'service'];
const MODEL_SCHEMA = 'mmulab.model.v1';

/**
 * Reads and checks a model.
 * @param counters counters of its backends; undefined: names are not checked against a backend, every one that is used is taken for a counter
 * @throws MODEL_SHAPE, MODEL_UNKNOWN_KEY, MODEL_UNKNOWN_NAME, MODEL_UNIT, MODEL_CYCLE, MODEL_EXPRESSION
 */
export function readModel(text: string, place: string, counters: readonly string[]): Model {
  const raw = mapOf(parseYaml(text, place), place, 'a model', MODEL_KEYS);
  if (raw['schema'] !== MODEL_SCHEMA) throw modelShape(`${place}: schema`, raw['schema'], MODEL_SCHEMA);
  const { name, doc, backends, reference = '' } = raw;
  if (typeof name !== 'string') throw modelShape(`${place}: name`, name, 'a name');
  const parameters = Object.entries(mapOf(raw['parameters'], `${place}: parameters`, 'a map of parameters')).map(([parameter, value]) =>
    readParameter(name, parameter, value, `${place}: parameters.${parameter}`),
  );
  const words = vocabularyOf(parameters, counters);
  const lets = mapOf(raw['let'] ?? {}, `${place}: let`, 'a map of expressions');
  for (const [word, value] of Object.entries(lets)) words.plain.define(word, value, `${place}: let.${word}`);
  const named = words.plain.order().map(([word, expression]) => ({ name: word, expression }));
  for (const [word, value] of Object.entries(lets)) {
    words.station.define(word, value, `${place}: let.${word}`);
    words.extra.define(word, value, `${place}: let.${word}`);
  }
  const rules = Object.entries(mapOf(raw['phases'], `${place}: phases`, 'a map of phase rules')).map(([kind, rule]) =>
    readRule(kind, rule, `${place}: phases.${kind}`, words),
  );
  if (!Array.isArray(backends) || backends.some(one => typeof one !== 'string'))
    throw modelShape(`${place}: backends`, backends, 'a list of backends');
  const host = readFacts(mapOf(raw['host'] ?? {}, `${place}: host`, 'a map'), `${place}: host`, { sockets: 1, cores: 1, threads: 1 });
  return {
    name,
    doc: typeof doc === 'string' ? doc : '',
    backends: backends as readonly string[],
    host,
    reference: String(reference),
    parameters,
    named,
    rules,
    text,
  };
}

interface Words {
  readonly plain: Vocabulary;
  readonly station: Vocabulary;
  readonly extra: Vocabulary;
}

function vocabularyOf(parameters: readonly Parameter[], counters: readonly string[]): Words {
  const fixed = new Map<string, Dimension>();
  for (const name of [...BUILT_IN_NAMES, ...counters, ...counters.map(counter => `host.${counter}`)]) fixed.set(plainName(name), PLAIN);
  for (const { name, dimension } of parameters) fixed.set(name, dimension);
  const withName = (name: string, dimension: Dimension): Vocabulary => new Vocabulary(new Map([...fixed, [name, dimension]]));
  return { plain: new Vocabulary(fixed), station: withName('n', PLAIN), extra: withName('alone', TIME) };
}

function readParameter(model: string, name: string, value: unknown, place: string): Parameter {
  const raw = mapOf(value, place, 'a map with value, factor, range, origin', PARAMETER_KEYS);
  const quantity = readQuantity(raw['value']);
  if (quantity === undefined || quantity.value <= 0) throw modelShape(`${place}.value`, raw['value'], 'a time such as 0.3 us, or a number, above 0');
  const factor = raw['factor'] ?? 2;
  if (typeof factor !== 'number' || !(factor >= 1) || !Number.isFinite(factor)) throw modelShape(`${place}.factor`, factor, 'a number of at least 1');
  const range = readRange(raw['range'], quantity.value, quantity.dimension, `${place}.range`);
  if (quantity.value < range[0] || quantity.value > range[1]) throw modelShape(`${place}.value`, raw['value'], `a value inside its range`);
  const host = raw['host'];
  if (host !== undefined && !(FACTORS as readonly unknown[]).includes(host)) throw modelShape(`${place}.host`, host, `one of ${FACTORS.join(', ')}`);
  const origin = raw['origin'] ?? 'uncalibrated';
  if (typeof origin !== 'string' || !/^(fitted |prior |uncalibrated( |$))/.test(origin))
    throw modelShape(`${place}.origin`, origin, 'fitted TABLE, prior SOURCE or uncalibrated SOURCE');
  const doc = typeof raw['doc'] === 'string' ? raw['doc'] : '';
  return {
    name,
    key: `${model}.${name}`,
    ...quantity,
    factor,
    range,
    hostFactor: host as Factor | undefined,
    origin,
    like: readLike(raw, name, place),
    doc,
  };
}

/** `like: x86-tdp-2022`, its cost of the same name, or `like: x86-tdp-2022.t_exit`; `within: 1.2`, how far apart they may be. */
function readLike({ like, within }: RawMap, name: string, place: string): Parameter['like'] {
  if (like === undefined && within === undefined) return undefined;
  if (typeof like !== 'string' || !/^[^.]+(\.\w+)?$/.test(like)) throw modelShape(`${place}.like`, like, 'MODEL or MODEL.PARAMETER');
  if (typeof within !== 'number' || !(within > 1) || !Number.isFinite(within)) throw modelShape(`${place}.within`, within, 'a factor above 1');
  return { key: like.includes('.') ? like : `${like}.${name}`, factor: within };
}

function readRange(raw: unknown, value: number, dimension: Dimension, place: string): readonly [number, number] {
  if (raw === undefined) return [value / 10, value * 10];
  const [low, high] = (Array.isArray(raw) ? raw : []).map(readQuantity);
  const isRight = low?.dimension === dimension && high?.dimension === dimension && low.value > 0 && low.value < high.value;
  if (!isRight || low === undefined || high === undefined)
    throw modelShape(place, raw, 'two values in the unit of the parameter, the lower one first');
  return [low.value, high.value];
}

function readRule(name: string, value: unknown, place: string, words: Words): PhaseRule {
  const raw = mapOf(value, place, 'a map with phases and terms', RULE_KEYS);
  const terms = (key: string, vocabulary: Vocabulary): readonly Term[] =>
    Object.entries(mapOf(raw[key] ?? {}, `${place}.${key}`, 'a map of expressions')).map(([term, text]) => ({
      name: term,
      expression: vocabulary.compile(text, `${place}.${key}.${term}`, TIME),
    }));
  const stations = Object.entries(mapOf(raw['stations'] ?? {}, `${place}.stations`, 'a map of stations')).map(([station, one]) =>
    readStation(station, one, `${place}.stations.${station}`, words),
  );
  const { lock = 'exclusive', holds } = raw;
  if (lock !== 'shared' && lock !== 'exclusive') throw modelShape(`${place}.lock`, lock, 'shared or exclusive');
  return {
    name,
    lock,
    holds: holds === undefined ? undefined : words.plain.compile(holds, `${place}.holds`, PLAIN),
    phases: readPattern(raw['phases'], `${place}.phases`),
    delays: terms('delays', words.plain),
    stations,
    extra: terms('extra', words.extra),
    serial: terms('serial', words.plain),
  };
}

function readPattern(raw: unknown, place: string): RegExp {
  try {
    if (typeof raw === 'string') return new RegExp(`^(?:${raw})$`);
  } catch {
    // Said below, like any other value that is no pattern.
  }
  throw modelShape(place, raw, 'a regular expression of phase names');
}

function readStation(name: string, value: unknown, place: string, words: Words): StationTerm {
  const raw = mapOf(value, place, 'a map with visits and service', STATION_KEYS);
  return {
    name,
    visits: words.plain.compile(raw['visits'], `${place}.visits`, PLAIN),
    service: words.station.compile(raw['service'], `${place}.service`, TIME),
  };
}

function mapOf(value: unknown, place: string, expected: string, keys?: readonly string[]): RawMap {
  if (!isMap(value)) throw modelShape(place, value, expected);
  const other = keys === undefined ? undefined : Object.keys(value).find(key => !keys.includes(key));
  if (other !== undefined) throw modelUnknownKey(place, other, suggestName(other, keys ?? []));
  return value;
}
