/**
 * A native baseline: compiled from native/*.c when the bench runs, and run as a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baselineFailed, compileFailed, noCompiler } from './errors';
import type { Measurement } from './measure';
import { PAGE_WORKLOADS, type PageSize, type PageWorkload } from './workloads/page-by-page';

const SOURCE = join(__dirname, '..', 'native', 'main.c');
const FLAGS = ['-O3', '-std=gnu11'];

/** A compiled baseline, in a directory of its own until `remove`. */
export class NativeBaseline {
  private readonly directory: string;
  private readonly program: string;
  /** The command it was compiled with. */
  readonly command: string;

  /**
   * Compiles a baseline.
   * @param model its source in native/, without .c
   * @param compiler a C compiler: `cc`, or what CC names
   * @throws BENCH_NO_COMPILER, BENCH_COMPILE
   */
  constructor(model: string, compiler = process.env['CC'] ?? 'cc') {
    this.directory = mkdtempSync(join(tmpdir(), 'mmulab-bench-'));
    this.program = join(this.directory, 'baseline');
    this.command = `${compiler} ${FLAGS.join(' ')}`;
    const { error, status, stderr } = spawnSync(compiler, [...FLAGS, `-DMODEL="${model}.c"`, '-o', this.program, SOURCE], { encoding: 'utf8' });
    if (error === undefined && status === 0) return;
    this.remove();
    throw error === undefined ? compileFailed(compiler, stderr) : noCompiler(compiler);
  }

  /** Runs all workloads once. @throws BENCH_BASELINE when it does not end well */
  run({ vcpus, pagesPerVcpu, writesPerVcpu }: PageSize): Readonly<Record<PageWorkload, Measurement>> {
    const argv = [vcpus, pagesPerVcpu, writesPerVcpu].map(String);
    const { status, signal, stdout, stderr } = spawnSync(this.program, argv, { encoding: 'utf8' });
    if (status !== 0) throw baselineFailed(signal ?? `code ${String(status)}`, stderr);
    const measured = JSON.parse(stdout) as Partial<Record<PageWorkload, Measurement>>;
    for (const workload of PAGE_WORKLOADS) if (measured[workload] === undefined) throw baselineFailed('code 0', `no figures of ${workload}`);
    return measured as Record<PageWorkload, Measurement>;
  }

  /** Deletes what was compiled. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
