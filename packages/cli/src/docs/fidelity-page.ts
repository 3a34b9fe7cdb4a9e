/**
 * The generated part of docs/fidelity.md: what has been judged against real kernels, as numbers, and what never was.
 *
 * A table per architecture, families of records by kernels, `equal/judged` in each cell. The part stands between two comments; the prose around it is
 * written by hand.
 */
import type { BackendDefinition, KernelRecord } from '@mmulab/api';
import { formatCount } from '@mmulab/report';
import { splitCommand, verifyRecords, type Registry } from '@mmulab/runner';
import { basename } from 'node:path';

/** What became of one record. Records that are not judged (`exact: false`) have 0 values. */
export interface JudgedRecord {
  readonly family: string;
  readonly record: KernelRecord;
  readonly values: number;
  readonly equal: number;
}

const BEGIN = '<!-- judged: written by npm run docs -->';
const END = '<!-- end of judged -->';
const VENDORS: Readonly<Record<string, string>> = { amd: 'AMD', intel: 'Intel', arm64: 'Arm' };

/** Runs records. @param paths files of records */
export function judge(paths: readonly string[], registry: Registry): readonly JudgedRecord[] {
  const judged: JudgedRecord[] = [];
  verifyRecords(paths, registry, {
    onRecord: ({ record, file, values, equal }) => {
      const counts = record.exact ? { values, equal } : { values: 0, equal: 0 };
      judged.push({ family: basename(file, '.json'), record, ...counts });
    },
  });
  return judged;
}

/** The page with its generated part written anew. */
export function fidelityPage(page: string, judged: readonly JudgedRecord[], registry: Registry): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  return `${page.slice(0, begin)}${BEGIN}\n\n${judgedText(judged, registry)}\n\n${page.slice(end)}`;
}

function judgedText(judged: readonly JudgedRecord[], registry: Registry): string {
  const archs = distinct(judged.map(({ record }) => record.arch))
    .sort()
    .reverse();
  return [claim(judged), ...archs.flatMap(arch => archTable(arch, judged)), '### Never measured', neverMeasured(judged, registry)].join('\n\n');
}

/** The claim in one sentence. */
function claim(all: readonly JudgedRecord[]): string {
  const judged = all.filter(({ record }) => record.exact);
  const { values, equal } = sum(judged);
  const kernels = distinct(judged.map(({ record }) => `${record.arch} ${record.kernel}`)).length;
  const vendors = distinct(judged.map(({ record }) => VENDORS[String(record.host['vendor'] ?? record.arch)] ?? record.arch)).sort();
  const what = `${formatCount(values)} values of ${formatCount(judged.length)} runs on ${kernels} kernels, by the rules of ${vendors.length} CPU vendors (${vendors.join(', ')})`;
  return values === equal ? `**Equal wherever a kernel was measured: ${what}.**` : `**${formatCount(values - equal)} values are off, of ${what}.**`;
}

function archTable(arch: string, all: readonly JudgedRecord[]): readonly string[] {
  const judged = all.filter(({ record }) => record.arch === arch);
  const kernels = distinct(judged.map(({ record }) => record.kernel)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const families = distinct(judged.map(({ family }) => family)).sort();
  const row = (name: string, of: readonly JudgedRecord[]): string => {
    const cells = kernels.map(kernel => cell(of.filter(({ record }) => record.kernel === kernel)));
    return `| ${[name, ...cells, cell(of)].join(' | ')} |`;
  };
  const rows = families.map(name =>
    row(
      `\`${name}\``,
      judged.filter(({ family }) => family === name),
    ),
  );
  const head = [`| ${arch}: equal/judged | ${kernels.join(' | ')} | all |`, `|---|${'--:|'.repeat(kernels.length + 1)}`];
  return [[...head, ...rows, row('all', judged)].join('\n')];
}

function cell(of: readonly JudgedRecord[]): string {
  const { values, equal } = sum(of);
  return values === 0 ? '' : `${formatCount(equal)}/${formatCount(values)}`;
}

/** Profiles, switches and workloads that no record speaks of. */
function neverMeasured(judged: readonly JudgedRecord[], registry: Registry): string {
  const commands = new Set(judged.map(({ record }) => basename(splitCommand(record.command)[0] ?? '')));
  const workloads = registry.workloads().filter(({ name }) => !commands.has(name));
  const lines = registry.backends().map(backend => {
    const kernels = distinct(judged.filter(({ record }) => record.backend === backend.name).map(({ record }) => record.kernel));
    const profiles = backend.profiles.filter(({ name }) => !kernels.some(kernel => kernel === name || kernel.startsWith(`${name}.`)));
    return `- \`${backend.name}\`: profiles ${list(profiles.map(({ name }) => name))}; the release is inferred of ${list(inferred(backend))}.`;
  });
  return [...lines, `- Workloads: ${list(workloads.map(({ name }) => `\`${name}\``))}.`].join('\n');
}

/** Switches of which some change is dated by judgement. */
function inferred({ switches = [] }: BackendDefinition): readonly string[] {
  return switches.filter(({ changes }) => changes.some(({ basis }) => basis === 'judgement')).map(({ option }) => `\`${option}\``);
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

function sum(of: readonly JudgedRecord[]): { readonly values: number; readonly equal: number } {
  return { values: of.reduce((total, { values }) => total + values, 0), equal: of.reduce((total, { equal }) => total + equal, 0) };
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
