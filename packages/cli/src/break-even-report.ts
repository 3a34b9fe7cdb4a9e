/**
 * The costs of policies as a report: one table of the first pass and of enabling, a map of where splitting beforehand is cheaper, and data for a picture of it.
 */
import { formatCount, formatTime, type Cell, type Report, type Sheet } from '@mmulab/report';
import { answerOf, breakEvenPercent, elapsedSeconds, POLICIES, threadSeconds, type PolicyCost, type Seconds } from './break-even';

const NS = 1e9;

/** A map as arrays: `values[i][j]` belongs to `writesPercent[i]` and `vcpus[j]`; above 1 splitting beforehand is cheaper. */
export interface BreakEvenPicture {
  readonly vcpus: readonly number[];
  readonly writesPercent: readonly number[];
  /** Seconds of all threads when split on faults, over those when split beforehand. */
  readonly threads: readonly (readonly number[])[];
  /** The same of the time that passes. */
  readonly elapsed: readonly (readonly number[])[];
  /** Share of writes from which splitting beforehand is cheaper by all threads, by vCPUs; null where it never is. */
  readonly breakEvenPercent: readonly (number | null)[];
}

/** @param own costs for the vCPUs of the config @param map costs for every number of vCPUs; empty: no map */
export function breakEvenReport(name: string, own: readonly PolicyCost[], map: readonly PolicyCost[]): Report {
  const answer = answerOf(own);
  return {
    what: 'a comparison of policies',
    document: { name, answer, costs: own, ...(map.length === 0 ? {} : { map, picture: pictureOf(map) }) },
    sheets: () => [costSheet(name, own, answer), ...(map.length === 0 ? [] : [mapSheet(map)])],
    csv: () => breakEvenCsv(map.length === 0 ? own : map),
  };
}

/** The map as rows for a spreadsheet. */
function breakEvenCsv(costs: readonly PolicyCost[]): ReturnType<Report['csv']> {
  const triple = (name: string): string[] => [`${name}_s`, `${name}_lo_s`, `${name}_hi_s`];
  const values = ({ s, lowS, highS }: Seconds): number[] => [s, lowS, highS];
  return {
    header: [
      'policy',
      'writes_percent',
      'vcpus',
      ...triple('enable'),
      ...triple('first_pass'),
      'elapsed_s',
      'threads_s',
      'tables',
      'faults_per_vcpu',
    ],
    rows: costs.map(cost => [
      cost.policy,
      cost.writesPercent,
      cost.vcpus,
      ...values(cost.enable),
      ...values(cost.firstPass),
      elapsedSeconds(cost),
      threadSeconds(cost),
      cost.tables,
      cost.faultsPerVcpu,
    ]),
  };
}

function pictureOf(map: readonly PolicyCost[]): BreakEvenPicture {
  const vcpus = [...new Set(map.map(cost => cost.vcpus))];
  const writesPercent = [...new Set(map.map(cost => cost.writesPercent))];
  const grid = (costOf: (cost: PolicyCost) => number): number[][] =>
    writesPercent.map(percent =>
      vcpus.map(size => {
        const [split, eager] = (['split', 'eager'] as const).map(policy =>
          map.find(cost => cost.policy === policy && cost.writesPercent === percent && cost.vcpus === size),
        );
        return split === undefined || eager === undefined ? 1 : costOf(split) / costOf(eager);
      }),
    );
  return {
    vcpus,
    writesPercent,
    threads: grid(threadSeconds),
    elapsed: grid(elapsedSeconds),
    breakEvenPercent: vcpus.map(size => breakEvenPercent(map.filter(cost => cost.vcpus === size)) ?? null),
  };
}

function costSheet(name: string, costs: readonly PolicyCost[], answer: string): Sheet {
  const shares = [...new Set(costs.map(cost => cost.writesPercent))].filter(percent => percent === 5 || percent === 100);
  const rows = POLICIES.map((policy): Cell[] => {
    const own = costs.filter(cost => cost.policy === policy);
    const [first] = own;
    const passes = shares.map(percent => own.find(cost => cost.writesPercent === percent)?.firstPass);
    return [policy, ...passes.map(shown), shown(first?.enable), formatCount(first?.tables ?? 0)];
  });
  return {
    title: `${name}: first pass and enabling, with 90 % intervals`,
    lines: [],
    keys: 1,
    columns: [
      { name: 'huge pages', align: 'left' },
      ...shares.map(percent => ({ name: `${String(percent)} % writes`, align: 'right' as const })),
      { name: 'enabling', align: 'right' },
      { name: 'tables', align: 'right' },
    ],
    rows,
    notes: [answer],
  };
}

function shown(seconds: Seconds | undefined): string {
  if (seconds === undefined) return '-';
  const short = (s: number): string => formatTime(Number((s * NS).toPrecision(2)));
  return `${short(seconds.s)} (${short(seconds.lowS)} - ${short(seconds.highS)})`;
}

function mapSheet(map: readonly PolicyCost[]): Sheet {
  const { vcpus, writesPercent, threads, breakEvenPercent: borders } = pictureOf(map);
  const border = (percent: number | null): string => (percent === null ? 'never' : `${percent.toPrecision(2)} %`);
  return {
    title: 'Splitting on faults over splitting beforehand, seconds of all threads',
    lines: ['above 1 splitting beforehand is cheaper; writes down, vCPUs across'],
    keys: 1,
    columns: [{ name: 'writes', align: 'left' }, ...vcpus.map(size => ({ name: String(size), align: 'right' as const }))],
    rows: [
      ...writesPercent.map((percent, i): Cell[] => [`${String(percent)} %`, ...(threads[i] ?? []).map(ratio => ratio.toPrecision(2))]),
      ['cheaper from', ...borders.map(border)],
    ],
    notes: [],
  };
}
