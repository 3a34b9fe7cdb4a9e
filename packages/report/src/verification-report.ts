/**
 * A verification as a report: per group of records how many values were compared, how many are equal and off, then each difference.
 */
import type { RecordDifference, RecordGroup, VerifyReport } from '@mmulab/api';
import { formatCount } from './quantity';
import type { CsvRows, Report } from '@mmulab/api';
import type { Cell, Sheet } from './sheet';

/** @param report what `--format json` prints @param groups the same by group, for the table */
export function verificationReport(report: VerifyReport, groups: readonly RecordGroup[]): Report {
  return {
    what: 'a verification',
    document: { records: report.records, values: report.values, equal: report.equal, unjudged: report.unjudged, differences: report.differences },
    sheets: () => [groupSheet(report, groups), ...(report.differences.length === 0 ? [] : [differenceSheet(report.differences)])],
    csv: () => differenceRows(report.differences),
  };
}

function groupSheet(report: VerifyReport, groups: readonly RecordGroup[]): Sheet {
  const total: RecordGroup = { ...report, file: 'all', backend: '', kernel: '' };
  return {
    title: 'Records of real kernels',
    lines: [],
    keys: 3,
    columns: [
      { name: 'records of', align: 'left' },
      { name: 'backend', align: 'left' },
      { name: 'kernel', align: 'left' },
      { name: 'records', align: 'right' },
      { name: 'values', align: 'right' },
      { name: 'equal', align: 'right' },
      { name: 'off', align: 'right' },
      { name: 'unjudged', align: 'right' },
      { name: 'of these equal', align: 'right' },
    ],
    rows: [...groups, ...(groups.length > 1 ? [total] : [])].map(groupRow),
    notes: [verdict(report), ...unjudgedNotes(report)],
  };
}

function groupRow({ file, backend, kernel, records, values, equal, unjudged }: RecordGroup): Cell[] {
  const off = values - equal;
  return [file, backend, kernel, records, values, equal, off === 0 ? off : { value: off, tone: 'bad' }, unjudged.values, unjudged.equal];
}

function verdict({ values, equal }: VerifyReport): string {
  if (values === equal) return `All ${formatCount(values)} judged values are equal.`;
  return `${formatCount(values - equal)} of ${formatCount(values)} judged values are off.`;
}

function unjudgedNotes({ unjudged }: VerifyReport): string[] {
  return unjudged.values === 0 ? [] : ['Unjudged are records whose counts hung on timing or on the host.'];
}

function differenceSheet(differences: readonly RecordDifference[]): Sheet {
  return {
    title: 'Differences',
    lines: [],
    keys: 1,
    columns: [
      { name: 'record', align: 'left' },
      { name: 'phase', align: 'left' },
      { name: 'counter', align: 'left' },
      { name: 'recorded', align: 'right' },
      { name: 'simulated', align: 'right' },
      { name: 'off by', align: 'right' },
      { name: 'tolerance', align: 'right' },
    ],
    rows: differences.map(difference => [
      difference.id,
      difference.phase,
      difference.counter,
      difference.recorded,
      difference.simulated,
      { value: signed(difference.simulated - difference.recorded), tone: 'bad' },
      difference.tolerance,
    ]),
    notes: [],
  };
}

function signed(value: number): string {
  return value > 0 ? `+${formatCount(value)}` : formatCount(value);
}

function differenceRows(differences: readonly RecordDifference[]): CsvRows {
  return {
    header: ['id', 'phase', 'counter', 'recorded', 'simulated', 'tolerance'],
    rows: differences.map(({ id, phase, counter, recorded, simulated, tolerance }) => [id, phase, counter, recorded, simulated, tolerance]),
  };
}
