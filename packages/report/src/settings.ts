/**
 * What distinguishes runs: the settings in which their configs differ, and a short label per run made from as few of them as tell all runs apart.
 */
import { formatSize, type RunResult } from '@mmulab/api';

/** A setting that is not the same in all runs. */
export interface Setting {
  /** Where it stands in the config: `backend.options.huge_page_fault`. */
  readonly path: string;
  /** Last part of the path; `backend` for `backend.name`. */
  readonly name: string;
  /** One value per run as text, `-` where a run has no such setting. */
  readonly values: readonly string[];
  /** Other places of the config that say the same: `workload.options.vcpus` beside `vm.vcpus`. */
  readonly echoes: readonly string[];
}

/** Settings that say most about a run, looked at first when labels are made; the rest follows in the order of the config. */
const LEADING = ['backend.name', 'backend.kernel', 'workload.name'];

/** Parts of a config that say nothing about what ran. */
const IMMATERIAL = new Set(['name', 'schema', 'thresholds', 'plugins', 'extends', 'vary', 'zip']);

/** What a run has of a setting that its config leaves out where it is as usual. */
const WITHOUT: Readonly<Record<string, string>> = { seeds: '1', representative: 'N' };

/** The settings in which the runs' configs differ, in the order of the configs, kernel and backend first. The runs need not have run. */
export function differingSettings(runs: readonly Pick<RunResult, 'config'>[]): readonly Setting[] {
  const configs = runs.map(run => flatten(run.config));
  const paths = [...new Set(configs.flatMap(config => [...config.keys()]))];
  const differing = paths
    .map(path => ({ path, name: settingName(path), values: configs.map(config => config.get(path) ?? WITHOUT[path] ?? '-'), echoes: [] }))
    .filter(({ values }) => values.some(value => value !== values[0]));
  return withoutEchoes([...differing].sort((a, b) => rank(a.path) - rank(b.path)));
}

function settingName(path: string): string {
  const parts = path.split('.');
  const last = parts.pop() ?? path;
  return last === 'name' ? (parts.pop() ?? last) : last;
}

function rank(path: string): number {
  const at = LEADING.indexOf(path);
  return at < 0 ? LEADING.length : at;
}

/** `vm.vcpus` and `workload.options.vcpus` are one setting to a reader. */
function withoutEchoes(settings: readonly Setting[]): Setting[] {
  const isEcho = (a: Setting, b: Setting): boolean => a.name === b.name && a.values.every((value, run) => value === b.values[run]);
  const firsts = settings.filter((setting, index) => !settings.slice(0, index).some(earlier => isEcho(earlier, setting)));
  return firsts.map(first => ({ ...first, echoes: settings.filter(other => other !== first && isEcho(first, other)).map(other => other.path) }));
}

function flatten(config: Readonly<Record<string, unknown>>): Map<string, string> {
  const flat = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    if (isRecord(value)) for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
    else if (value !== undefined) flat.set(path, settingText(path, value));
  };
  for (const [key, value] of Object.entries(config)) if (!IMMATERIAL.has(key)) visit(value, key);
  return flat;
}

/** Whether a value of a config is a map. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value of a config as text; numbers of bytes with their suffix. */
export function settingText(path: string, value: unknown): string {
  if (typeof value === 'number' && /(^|[._])(bytes|chunk)$/.test(path)) return formatSize(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * One label per run, as lines: `huge_page_fault=zap`. Settings are taken as long as one more tells more runs apart; runs of equal configs
 * go by their names, or are numbered.
 */
export function runLabels(results: readonly RunResult[]): readonly string[][] {
  const chosen: Setting[] = [];
  const distinct = (settings: readonly Setting[]): number => new Set(results.map((_, run) => labelLines(settings, run).join('\n'))).size;
  let told = distinct(chosen);
  for (const setting of told === results.length ? [] : differingSettings(results)) {
    const further = distinct([...chosen, setting]);
    if (further > told) chosen.push(setting);
    told = Math.max(told, further);
    if (told === results.length) break;
  }
  if (told === results.length && results.length > 1) return results.map((_, run) => labelLines(chosen, run));
  const names = results.map(result => result.name);
  return new Set(names).size === names.length ? names.map(name => [name]) : names.map((_, run) => [`run ${run + 1}`, ...labelLines(chosen, run)]);
}

function labelLines(settings: readonly Setting[], run: number): string[] {
  return settings.map(setting => `${setting.name}=${setting.values[run] ?? '-'}`);
}

/** Part of a config by its path, if it is there. */
export function configValue(config: Readonly<Record<string, unknown>>, ...path: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of path) value = isRecord(value) ? value[key] : undefined;
  return value;
}
