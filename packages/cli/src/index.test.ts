/**
 * mmulab from code: `run` with the built-in plugins, and the program in examples/embed.
 */
import { run } from '@mmulab/cli';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const checkout = resolve(__dirname, '../../..');

describe('run from code', () => {
  it('takes a config as an object and returns a result per run', () => {
    const results = run({ workload: 'execute_perf_test -b 2M', vary: { vcpus: [1, 2] } });
    expect(results.map(result => result.phases.map(phase => phase.phase))).toEqual([
      ['populate', 'execute', 'destroy_vm'],
      ['populate', 'execute', 'destroy_vm'],
    ]);
  });

  it('throws typed errors', () => {
    expect(() => run({ workload: 'execute_pref_test' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_UNKNOWN_WORKLOAD', errorClass: 'usage' }) as Error,
    );
  });
});

describe('examples/embed', () => {
  const source = join(checkout, 'examples', 'embed', 'zap-or-split.ts');
  const cache = join(checkout, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const outDir = mkdtempSync(join(cache, 'embed-'));
  afterAll(() => rmSync(outDir, { recursive: true }));

  it('compiles under strict rules and prints what it promises', () => {
    const options: ts.CompilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, types: ['node'], outDir },
      ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
    };
    const program = ts.createProgram([source], options);
    const problems = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
    expect(problems.map(problem => ts.flattenDiagnosticMessageText(problem.messageText, '\n'))).toEqual([]);
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(outDir, 'zap-or-split.js')], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe('zap: 8192 faults while executing 32 MiB\nsplit: 16 faults while executing 32 MiB\n512x fewer\n');
  });
});
