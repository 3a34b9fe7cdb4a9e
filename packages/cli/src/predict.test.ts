/**
 * predict, calibrate, and times beside counts, as users run them. Fitting needs an ES module, which jest cannot load: it is run as a process.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TABLES_DIRECTORY } from '@mmulab/time';
import { record } from './fixtures/recorder';

interface Document {
  readonly cells: readonly {
    readonly column: string;
    readonly row: string;
    readonly published: number;
    readonly predicted: number | null;
    readonly refused: string | null;
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
      JSON.stringify({ schema: 'mmulab.tables.v1', id: 'x86-own', date: '2022-11-01', test: 'dirty_log_perf_test', params, tables: [table] }),
    );
    const { cells } = JSON.parse(record('predict', file, '--factor-from', 'first', '--format', 'json').out) as Document;
    expect(Math.abs((cells[0]?.predicted ?? 0) / 0.6 - 1)).toBeLessThan(0.12);
    expect(Math.abs((cells[1]?.predicted ?? 0) / 0.68 - 1)).toBeLessThan(0.15);
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
});
