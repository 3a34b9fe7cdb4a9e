/**
 * predict, calibrate, and times beside counts, as users run them. Fitting needs an ES module, which jest cannot load: it is run as a process.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReportData } from '@mmulab/report';
import { TABLES_DIRECTORY } from '@mmulab/time';
import { record } from './fixtures/recorder';

interface Document {
  readonly cells: readonly {
    readonly name: string;
    readonly column: string;
    readonly row: string;
    readonly published: number;
    readonly predicted: number | null;
    readonly refused: string | null;
    readonly fitted: boolean;
  }[];
  readonly gme: { readonly all: number; readonly fitted: number; readonly heldOut: number };
  readonly coverage: number;
  readonly parameters: readonly { readonly name: string; readonly value: number; readonly origin: string }[];
}

const TDP = join(TABLES_DIRECTORY, 'x86-tdp-split-on-fault-2022.json');
const BIN = join(__dirname, '..', 'bin', 'mmulab.js');
const directory = mkdtempSync(join(tmpdir(), 'mmulab-predict-'));

function calibrated(...argv: readonly string[]): { readonly document: Document; readonly err: string } {
  const { stdout, stderr } = spawnSync(process.execPath, [BIN, 'calibrate', ...argv, '--format', 'json', '--quiet'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return { document: JSON.parse(stdout) as Document, err: stderr };
}

/** GME of the rows 4, 8, 32 and 64 when each is interpolated, straight in logarithms, between the rows 2, 16 and 96 of its column. */
function interpolationError({ cells }: Document): number {
  const at = (cell: Document['cells'][number], vcpus: number): number =>
    cells.find(({ name, column, row }) => name === cell.name && column === cell.column && row === String(vcpus))?.published ?? 1;
  const misses = cells
    .filter(({ row }) => /^(4|8|32|64)$/.test(row))
    .map(cell => {
      const vcpus = Number(cell.row);
      const [low, high] = vcpus < 16 ? [2, 16] : [16, 96];
      const part = Math.log(vcpus / low) / Math.log(high / low);
      const between = at(cell, low) ** (1 - part) * at(cell, high) ** part;
      return Math.abs(Math.log(between / cell.published));
    });
  return Math.exp(misses.reduce((a, b) => a + b, 0) / misses.length) - 1;
}

describe('predict', () => {
  it('comes within 6.5 % (GME) of the 42 times of the split-on-fault table, and within 10 % of execute before; none of the 46 cells is refused', () => {
    const { code, out } = record('predict', TDP, '--format', 'json');
    const { cells, gme, coverage } = JSON.parse(out) as Document;
    expect(code).toBe(0);
    expect(cells).toHaveLength(46);
    expect(cells.filter(({ refused }) => refused !== null)).toEqual([]);
    expect(gme.all).toBeLessThan(0.065);
    expect(coverage).toBeGreaterThan(0.85);
    const before = cells.find(({ row, column }) => row === 'execute' && column === 'before');
    expect(Math.abs((before?.predicted ?? 0) / (before?.published ?? 1) - 1)).toBeLessThan(0.1);
  });

  it('writes a page with both times of all 46 cells, a chart for each of the 2 parts of the table, and the command', () => {
    const path = join(directory, 'page.html');
    const { code, err } = record('predict', TDP, '--html', path);
    const data = JSON.parse(/id="mmulab-data">(.*?)<\/script>/s.exec(readFileSync(path, 'utf8'))?.[1] ?? '') as ReportData;
    expect([code, err]).toEqual([0, `wrote ${path}\n`]);
    const [story] = data.stories;
    expect(data.stories).toHaveLength(1);
    expect(story?.published.flatMap(({ rows }) => rows)).toHaveLength(46);
    expect(story?.sheets[0]?.rows).toHaveLength(46);
    expect(story?.command).toBe(`mmulab predict ${TDP} --html ${path}`);
  });

  it('takes the first cell of a table for what its machine is like when asked to: a machine half as fast is found nine tenths of the way', () => {
    const file = join(directory, 'twice.json');
    const table = {
      columns: ['vcpus', 'eps=N'],
      rows: [
        [2, 0.6],
        [4, 0.68],
      ],
      name: '100% writes',
      metric: 'Iteration 1 dirty memory time',
    };
    const params = { mem_per_vcpu: '1G', backing: 'anonymous_hugetlb_1gb' };
    writeFileSync(
      file,
      JSON.stringify({
        schema: 'mmulab.tables.v1',
        id: 'x86-own',
        date: '2022-11-01',
        test: 'dirty_log_perf_test',
        params,
        tables: [table, { ...table, name: '5% writes' }],
      }),
    );
    const { cells } = JSON.parse(record('predict', file, '--factor-from', 'first', '--format', 'json').out) as Document;
    expect(Math.abs((cells[0]?.predicted ?? 0) / 0.6 - 1)).toBeLessThan(0.12);
    expect(Math.abs((cells[1]?.predicted ?? 0) / 0.68 - 1)).toBeLessThan(0.15);
    // The first cell of each table of the file says something.
    expect(cells.map(({ fitted }) => fitted)).toEqual([true, false, true, false]);
  });

  it('ends with 2 for text in a table, an unknown solver and an unknown model', () => {
    const file = join(directory, 'text.json');
    writeFileSync(
      file,
      JSON.stringify({
        schema: 'mmulab.tables.v1',
        id: 'x',
        tables: [
          {
            columns: ['vcpus', 's'],
            rows: [
              [2, 0.1],
              [4, 'fast'],
            ],
          },
        ],
      }),
    );
    expect(record('predict', file)).toMatchObject({ code: 2, err: expect.stringContaining('TABLE_SHAPE') as string });
    expect(record('predict', TDP, '--solver', 'mvaa')).toMatchObject({ code: 2, err: expect.stringContaining('did you mean mva?') as string });
    expect(record('predict', TDP, '--model', 'x86-tdp-2021')).toMatchObject({
      code: 2,
      err: expect.stringContaining('did you mean x86-tdp-2022?') as string,
    });
  });
});

describe('calibrate', () => {
  it('fitted on 2, 16 and 96 vCPUs leaves 8 % (GME) at most on the other rows, with 8 parameters, and writes a model that predict takes', () => {
    const model = join(directory, 'own.yaml');
    const { document, err } = calibrated(TDP, '--fit', 'vcpus in [2,16,96]', '--out', model);
    expect(err).toBe('');
    expect(document.gme.heldOut).toBeLessThan(0.08);
    const errors = document.cells.filter(({ row }) => /^(4|8|32|64)$/.test(row)).map(({ predicted, published }) => (predicted ?? 0) / published);
    expect(errors).toHaveLength(24);
    expect(errors.filter(ratio => Math.abs(ratio - 1) <= 0.2).length).toBeGreaterThanOrEqual(21);
    expect(Math.max(...errors.map(ratio => Math.exp(Math.abs(Math.log(ratio)))))).toBeLessThan(1.6);
    // Log-log interpolation between the fitted rows leaves 23.4 %.
    expect(document.gme.heldOut).toBeLessThan(interpolationError(document) / 2);
    expect(document.gme.fitted).toBeLessThan(0.045);
    expect(document.coverage).toBeGreaterThanOrEqual(0.85);
    expect(document.parameters.filter(({ origin }) => origin.startsWith('fitted'))).toHaveLength(8);
    expect(readFileSync(model, 'utf8')).toContain('fitted x86-tdp-split-on-fault-2022');
    const again = JSON.parse(record('predict', TDP, '--model', model, '--format', 'json').out) as Document;
    expect(again.gme.all).toBeCloseTo(document.gme.all, 2);
  });

  it('refuses fewer figures than parameters', () => {
    const { status, stderr } = spawnSync(process.execPath, [BIN, 'calibrate', TDP, '--fit', 'vcpus in [96]'], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toContain('CALIBRATE_TOO_FEW_FIGURES: 6 figures for 8 parameters');
  });
});

describe('run with a cost model', () => {
  const TEST = ['--', 'dirty_log_perf_test', '-v', '2', '-b', '64M', '-s', 'anonymous_hugetlb_2mb', '-g'];

  it('shows time, interval, bottleneck and basis beside the counts', () => {
    const { code, out } = record('run', '--set', 'time.model=x86-tdp-2022', '--phases', 'dirty_1', ...TEST);
    expect(code).toBe(0);
    for (const row of ['predicted time', 'interval', 'bottleneck', 'basis']) expect(out).toContain(row);
  });

  it('gives a representative vCPU the counts of 8 equal ones', () => {
    const count = (vcpus: string): number => {
      const { out } = record('run', '--format', 'json', '--set', 'time.model=x86-tdp-2022', '--vcpus', vcpus, ...TEST);
      const { phases } = JSON.parse(out) as {
        readonly phases: readonly { readonly phase: string; readonly counters: Readonly<Record<string, number>> }[];
      };
      return (phases.find(({ phase }) => phase === 'dirty_1')?.counters['page_fault'] ?? 0) / Number(vcpus);
    };
    expect(count('8')).toBe(count('2'));
  });

  it('refuses a model of another backend', () => {
    const { code, err } = record('run', '--set', 'time.model=arm64-cmo-2021', ...TEST);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(/CONFIG_MODEL_BACKEND|MODEL_UNKNOWN_NAME/) as string });
  });

  it('prices one vCPU for 416 on a machine by name, and refuses a machine that is none', () => {
    const time = (...settings: readonly string[]): number => {
      const { out } = record('run', '--format', 'json', ...settings.flatMap(one => ['--set', one]), '--vcpus', '1', ...TEST);
      const { phases } = JSON.parse(out) as {
        readonly phases: readonly { readonly phase: string; readonly time?: { readonly predictedNs: number } }[];
      };
      return phases.find(({ phase }) => phase === 'dirty_1')?.time?.predictedNs ?? 0;
    };
    const model = 'time.model=x86-tdp-2022';
    const zap = 'huge_page_fault=zap';
    expect(time(model, zap, 'eager_page_split=N', 'time.vcpus=416')).toBeGreaterThan(10 * time(model, zap, 'eager_page_split=N'));
    expect(time(model, zap, 'eager_page_split=N', 'time.vcpus=416', 'time.machine=eight-sockets')).toBeGreaterThan(0);
    expect(record('run', '--set', model, '--set', 'time.machine=eight-socket', ...TEST)).toMatchObject({
      code: 2,
      err: expect.stringContaining('CONFIG_UNKNOWN_MACHINE: time.machine: eight-socket') as string,
    });
    expect(record('run', '--set', 'time.vcpus=4', ...TEST)).toMatchObject({
      code: 2,
      err: expect.stringContaining('CONFIG_SOLVER_WITHOUT_MODEL') as string,
    });
  });

  it('tells with discrete events what unmapping beside 2 vCPUs does: each of 64 huge pages faults once more, by that operation', () => {
    const { out } = record(
      ...['run', '--format', 'json', '--set', 'time.model=x86-tdp-2022', '--set', 'time.solver=des', '--'],
      ...['access_rounds', '-v', '2', '-b', '64M', '-s', 'anonymous_hugetlb_2mb', '-p', 'w,Z,w'],
    );
    const { phases } = JSON.parse(out) as {
      readonly phases: readonly {
        readonly phase: string;
        readonly time?: { readonly stalls?: { readonly count: number; readonly maxNs: number }; readonly refaults?: unknown };
      }[];
    };
    const at = (name: string): (typeof phases)[number]['time'] => phases.find(({ phase }) => phase === name)?.time;
    expect(at('2_Z')?.stalls?.count).toBe(64);
    expect(at('2_Z')?.stalls?.maxNs).toBeGreaterThan(500);
    expect(at('3_w')?.refaults).toEqual({ '2_Z': 64 });
  });
});

describe('explain-time', () => {
  const TEST = ['--set', 'time.model=x86-tdp-2022', '--', 'dirty_log_perf_test', '-v', '32', '-b', '2M', '-s', 'anonymous_hugetlb_2mb', '-g'];

  it('takes a time apart into terms that add up to it, and shares of its variance that add up to 1', () => {
    const { code, out } = record('explain-time', '--format', 'json', '--phase', 'dirty_1', ...TEST);
    const [phase] = JSON.parse(out) as readonly {
      readonly vcpus: number;
      readonly explanation: {
        readonly prediction: { readonly timeS: number };
        readonly terms: readonly { readonly seconds: number; readonly waitingS: number }[];
        readonly costs: readonly { readonly varianceShare: number }[];
        readonly scatterShare: number;
      };
    }[];
    const { prediction, terms = [], costs = [], scatterShare = 0 } = phase?.explanation ?? {};
    expect(code).toBe(0);
    expect(phase?.vcpus).toBe(32);
    expect(terms.reduce((sum, { seconds }) => sum + seconds, 0) / (prediction?.timeS ?? 1)).toBeCloseTo(1, 9);
    expect(costs.reduce((sum, { varianceShare }) => sum + varianceShare, scatterShare)).toBeCloseTo(1, 2);
  });

  it('ends with 2 without a cost model, and for a phase without a time', () => {
    expect(record('explain-time', ...TEST.slice(2))).toMatchObject({ code: 2, err: expect.stringContaining('CLI_NO_TIME_MODEL') as string });
    expect(record('explain-time', '--phase', 'dirty_11', ...TEST)).toMatchObject({
      code: 2,
      err: expect.stringContaining('CLI_NO_SUCH_PHASE') as string,
    });
  });
});

describe('break-even', () => {
  it('ends with 2 for a config whose runs are not the policies', () => {
    const file = join(directory, 'one.yaml');
    writeFileSync(file, 'backend: x86-tdp\nworkload: dirty_log_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb -g\ntime: { model: x86-tdp-2022 }\n');
    expect(record('break-even', file)).toMatchObject({ code: 2, err: expect.stringContaining('CLI_NO_POLICIES') as string });
  });

  it('writes a map with 3 policies x 7 shares of writes x 5 sizes, and arrays for a picture of it', () => {
    const [config, csv, picture] = ['map.yaml', 'map.csv', 'map.json'].map(name => join(directory, name)) as [string, string, string];
    const policies = 'zip: { huge_page_fault: [zap, split, split], eager_page_split: [N, N, Y] }';
    writeFileSync(
      config,
      `backend: x86-tdp\nworkload: dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g -f 20\ntime: { model: x86-tdp-2022, vcpus: 32 }\n${policies}\n`,
    );
    expect(record('break-even', config, '--csv', csv, '--picture', picture).code).toBe(0);
    expect(readFileSync(csv, 'utf8').trimEnd().split('\n')).toHaveLength(1 + 3 * 7 * 5);
    const { vcpus, threads } = JSON.parse(readFileSync(picture, 'utf8')) as {
      readonly vcpus: readonly number[];
      readonly threads: readonly (readonly number[])[];
    };
    expect(vcpus).toEqual([2, 4, 8, 16, 32]);
    expect(threads.map(row => row.length)).toEqual([5, 5, 5, 5, 5, 5, 5]);
    // The more is written, the more splitting beforehand is worth.
    expect(threads.map(([first = 0]) => first)).toEqual(threads.map(([first = 0]) => first).sort((a, b) => a - b));
  });
});
