/**
 * docs/configuration.md: what a config may say. Keys of the config, then options and kernel profiles per backend, then workloads and kinds of
 * host memory.
 */
import {
  formatSize,
  type BackendDefinition,
  type KernelSwitch,
  type OptionSpec,
  type OptionValue,
  type SwitchChange,
  type WorkloadDefinition,
} from '@mmulab/api';
import type { Cell, Sheet } from '@mmulab/report';
import { configSchema, expectedValue, hostOptionSpecs, type Registry } from '@mmulab/runner';
import { renderPage } from './page';

const INTRODUCTION = [
  'A config is YAML or JSON. Sizes take the suffixes K, M, G and T, times ns, us, ms and s. `mmulab init` writes one to start from, `mmulab validate` checks one, and the first line of a config tells an editor where its schema is:',
  '```yaml\n# yaml-language-server: $schema=./node_modules/@mmulab/cli/schema/config.v1.json\nbackend: { name: x86-tdp, kernel: 6.1.192, options: { eager_page_split: N } }\nworkload: dirty_log_perf_test -v 2 -b 16M -s anonymous_hugetlb_2mb -g -f 20\nvary: { huge_page_fault: [zap, split] }\n```',
  'Option defaults are those of the kernel: first the default below, then what the kernel profile says, then what the config or `--set` says. A release between two profiles takes each switch at the release it changed in; one outside those known counts as the first or last profile, and its name says so (`8.1 (as 7.3)`). In `vary`, `zip` and `--set` the bare name of an option does where only one has it; a dotted path always does.',
  'A command line says everything of a workload: as `workload.command` in `vary`, `--set` or a config that extends another it replaces the whole workload, and options beside it must not contradict it. `vary` and `zip` take everything but themselves, `extends`, `plugins` and `$schema`; two keys that mean the same thing, or a part of it, are an error. On the command line a value with commas stands in quotes: `--vary \'rounds="w,r","w,D,r"\'`. Limits: a config file has at most 1 MiB and 300,000 words and signs, its lists and maps nest at most 64 deep, and a matrix gives at most 10,000 runs.',
  'Thresholds name a place in the result, `phases.dirty_1.counters.page_fault`, `phases.dirty_1.vcpus.0.counters.page_fault`, `totals.counters.page_fault`, `memory.tableBytesReal` or `wallMs`, and what must hold there: `<=`, `>=`, `<`, `>`, `==` or `!=` and a number, or a list of such conditions. One that does not hold ends `mmulab run` with 1.',
];

/** The page as Markdown. */
export function configurationPage(registry: Registry): string {
  return renderPage('Configuration', INTRODUCTION, [
    keysSheet(registry),
    ...registry.backends().flatMap(backendSheets),
    ...registry.workloads().map(workloadSheet),
    backingsSheet(registry),
  ]);
}

interface SchemaPart {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaPart>>;
}

function keysSheet(registry: Registry): Sheet {
  const { properties = {} } = configSchema(registry) as SchemaPart;
  const rows = Object.entries(properties).flatMap(([key, part]) => [
    [code(key), part.description ?? ''],
    ...Object.entries(part.properties ?? {}).map(([inner, { description }]) => [code(`${key}.${inner}`), description ?? '']),
  ]);
  return sheet('Keys', ['key', 'meaning'], rows);
}

function backendSheets(backend: BackendDefinition): Sheet[] {
  const { name, models, options, profiles } = backend;
  const newest = profiles.at(-1)?.name;
  return [
    { ...sheet(`Backend ${name}`, OPTION_COLUMNS, options.map(optionRow)), lines: [`Models ${models}. Options stand under backend.options.`] },
    { ...sheet(`Host of ${name}`, OPTION_COLUMNS, hostOptionSpecs(backend).map(optionRow)), lines: ['Facts about the host machine, under host.'] },
    {
      ...sheet(
        `Kernel profiles of ${name}`,
        ['profile', 'what it is'],
        profiles.map(profile => [code(profile.name), profile.doc]),
      ),
      notes: newest === undefined ? [] : [`Without backend.kernel the newest one is taken: ${newest}.`],
    },
    profileSheet(backend),
    ...(backend.switches === undefined ? [] : [switchSheet(name, backend.switches)]),
  ];
}

/** In which release each option changed, and how that is known. */
function switchSheet(name: string, switches: readonly KernelSwitch[]): Sheet {
  const rows = switches.map(({ option, first, changes }) => [code(option), code(String(first)), changes.map(changeText).join('; ')]);
  return {
    ...sheet(`Releases in which the switches of ${name} changed`, ['option', 'before', 'changes'], rows),
    lines: [
      'A release between two profiles takes each switch at its own release. Stable releases are named where their series is known to have taken a change over.',
    ],
  };
}

function changeText({ value, since, backports = [], basis }: SwitchChange): string {
  const releases = [...(since === undefined ? [] : [since]), ...backports.map(release => `stable ${release}`)];
  return `${String(value)} from ${releases.join(', ')} (${basis})`;
}

const OPTION_COLUMNS = ['option', 'values', 'default', 'meaning'];

function optionRow(spec: OptionSpec): Cell[] {
  const aliases = spec.aliases === undefined ? '' : ` Also called ${spec.aliases.join(', ')}.`;
  return [code(spec.name), expectedValue(spec), optionText(spec, spec.default), spec.doc + aliases];
}

function optionText(spec: OptionSpec, value: OptionValue): Cell {
  return code(spec.kind === 'size' && typeof value === 'number' ? formatSize(value) : String(value));
}

/** The options whose value depends on the profile, a column per profile. */
function profileSheet({ name, options, profiles }: BackendDefinition): Sheet {
  const valueOf = (spec: OptionSpec, profile: BackendDefinition['profiles'][number]): OptionValue => profile.values[spec.name] ?? spec.default;
  const differing = options.filter(spec => new Set(profiles.map(profile => valueOf(spec, profile))).size > 1);
  const rows = differing.map(spec => [code(spec.name), ...profiles.map(profile => optionText(spec, valueOf(spec, profile)))]);
  return sheet(`What the profiles of ${name} set`, ['option', ...profiles.map(profile => profile.name)], rows);
}

function workloadSheet({ name, doc, options }: WorkloadDefinition): Sheet {
  return { ...sheet(`Workload ${name}`, OPTION_COLUMNS, options.map(optionRow)), lines: [`${doc} Its flags: mmulab run -- ${name} -h`] };
}

function backingsSheet(registry: Registry): Sheet {
  const rows = registry.backings().map(({ name, doc }) => [code(name), doc]);
  return sheet('Kinds of host memory', ['name', 'what it is'], rows);
}

function sheet(title: string, columns: readonly string[], rows: readonly (readonly Cell[])[]): Sheet {
  return { title, lines: [], keys: 1, columns: columns.map(name => ({ name, align: 'left' })), rows, notes: [] };
}

function code(text: string): Cell {
  return { value: text, tone: 'code' };
}
