/**
 * What was imported as a config: laid under one that the user has, or written out as a config of its own.
 */
import { formatSize, parseSize } from '@mmulab/api';
import { commandLineConfig, underlayConfig, type RawConfig, type Registry, type UnderlaidSetting } from '@mmulab/runner';
import type * as Yaml from 'yaml';
import { importUnfit } from './errors';
import type { Imported, ImportedSetting } from './imported';

/** Tests whose memory is that of all vCPUs together; that of the others is per vCPU. */
const MEMORY_IN_ALL: readonly string[] = ['kvm_page_table_test'];

/** What a VM without a workload is taken to do: its memory is dirtied while it is logged, as in a live migration. */
const DEFAULT_TEST = 'dirty_log_perf_test';

const BYTES = 'workload.options.bytes';

/** A config, and what a reader should know of how it came about. */
export interface ImportedConfig {
  readonly config: RawConfig;
  /** One sentence each. */
  readonly notes: readonly string[];
}

/**
 * Lays an import under a config: what the config says itself stays.
 * @throws IMPORT_UNFIT for counts, and for commands beside a workload
 */
export function underlayImport(raw: RawConfig, imported: Imported, registry: Registry): ImportedConfig {
  const { file, format, counts, commands } = imported;
  if (counts !== undefined) throw importUnfit(file, format, 'counts are no config: compare takes them, and mmulab import makes a record of them');
  if (commands.length > 0 && raw.workload !== undefined)
    throw importUnfit(file, format, 'brings its own command lines: give no other workload beside it');
  const withCommands = commands.length === 0 ? raw : { ...raw, ...commandsOf(imported, registry) };
  const first = underlayConfig(withCommands, imported.settings.map(underlaid), registry);
  const memory = memorySetting(imported, first.config);
  const second = memory === undefined ? undefined : underlayConfig(first.config, [underlaid(memory)], registry);
  const beaten = [...first.beaten, ...(second?.beaten ?? [])].map(({ place }) => `${place}: the config says something else, which counts`);
  const unknown = [...first.unknown, ...(second?.unknown ?? [])].map(({ place }) => `${place}: the workload has no such option`);
  return { config: second?.config ?? first.config, notes: [...beaten, ...unknown, ...leftOutNotes(imported)] };
}

/** The config that imports are by themselves, the first one beating the others where they differ. */
export function configOf(imports: readonly Imported[], registry: Registry): ImportedConfig {
  const bringsWorkload = imports.some(({ commands }) => commands.length > 0);
  const raw: RawConfig = bringsWorkload ? {} : { workload: { name: DEFAULT_TEST, options: {} } };
  const notes: string[] = bringsWorkload ? [] : [`nothing says what the guest does: ${DEFAULT_TEST} is taken`];
  // Those that bring workloads first: the others may have to know whose options there are.
  const ordered = [...imports].sort((a, b) => Number(b.commands.length > 0) - Number(a.commands.length > 0));
  let config = raw;
  for (const imported of ordered) {
    const underlaidConfig = underlayImport(config, imported, registry);
    config = underlaidConfig.config;
    notes.push(...underlaidConfig.notes);
  }
  return { config, notes };
}

/** A config as YAML, with what was understood and left out as comments. */
export function configText(imported: Imported, registry: Registry): string {
  const { config, notes } = configOf([imported], registry);
  const understood = imported.settings.map(
    ({ key, value, said, line }) => `${key}: ${value}   from ${line === undefined ? '' : `line ${line}: `}${said}`,
  );
  const memory = imported.memory === undefined ? [] : [`guest memory: ${formatSize(imported.memory.bytes)}   from ${imported.memory.said}`];
  const tail = notes.length === 0 ? [] : ['Left out or decided:', ...notes.map(note => `  ${note}`)];
  const head = [`Imported from ${imported.file} (${imported.format}).`, ...[...understood, ...memory].map(line => `  ${line}`)];
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when a config is to be written
  const { stringify } = require('yaml') as typeof Yaml;
  return [...head, ...tail].map(commentLine).join('') + stringify(inOrder(config), { lineWidth: 0 });
}

/** As one would write it: empty sections left out, the machine before what runs on it. */
function inOrder(config: RawConfig): RawConfig {
  const order = ['backend', 'host', 'vm', 'workload', 'vary'] as const;
  return Object.fromEntries(
    order.flatMap(key => {
      const section = withoutEmpty(config[key]);
      return section === undefined ? [] : [[key, section]];
    }),
  );
}

function withoutEmpty(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value)
    .map(([key, inner]): [string, unknown] => [key, withoutEmpty(inner)])
    .filter(([, inner]) => inner !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Nothing that a file says can end the comment it stands in. */
function commentLine(line: string): string {
  return `# ${line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')}\n`;
}

/** One sentence for each thing that was left out. */
export function leftOutNotes({ file, leftOut }: Imported): readonly string[] {
  return leftOut.map(
    ({ said, why, line, decided }) => `${file}${line === undefined ? '' : `:${line}`}: ${said}: ${decided === true ? '' : 'left out: '}${why}`,
  );
}

function commandsOf({ commands }: Imported, registry: Registry): RawConfig {
  const lines = commands.map(({ words }) => words.map(quoted).join(' '));
  for (const { words } of commands) commandLineConfig(words, registry);
  const [only] = lines;
  return lines.length === 1 && only !== undefined ? { workload: { command: only } } : { vary: { 'workload.command': lines } };
}

function quoted(word: string): string {
  return /^[\w./:,=+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

function underlaid({ key, value, said }: ImportedSetting): UnderlaidSetting {
  return { key, value, place: `${key}=${value} (${said})` };
}

/** Guest memory as the workload wants it: per vCPU, in whole pages of its backing. */
function memorySetting({ memory }: Imported, config: RawConfig): ImportedSetting | undefined {
  if (memory === undefined) return undefined;
  const workload = typeof config.workload === 'object' ? config.workload : {};
  const vcpus = Number(config.vm?.vcpus ?? workload.options?.['vcpus'] ?? 1);
  const isInAll = MEMORY_IN_ALL.includes(workload.name ?? '') || workload.options?.['overlap'] === true;
  const backing = workload.options?.['backing'];
  const unit = unitOf(typeof backing === 'string' ? backing : '');
  const bytes = isInAll ? memory.bytes : Math.floor(memory.bytes / vcpus / unit) * unit;
  return { key: BYTES, value: formatSize(Math.max(unit, bytes)), said: memory.said, line: memory.line };
}

/** A page of the backing. */
function unitOf(backing: string): number {
  const size = /_(\d+[kmg])b$/.exec(backing)?.[1];
  if (size !== undefined) return parseSize(size) ?? 2 ** 21;
  return /hugetlb|thp/.test(backing) ? 2 ** 21 : 2 ** 12;
}
