/**
 * mmulab from code: `run` with the built-in plugins, and the program in examples/embed.
 */
import type { RunResult } from '@mmulab/api';
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

describe('examples/mm-ops', () => {
  it('hands callbacks of its own to stage 2, which are asked for what the kernel counts', () => {
    const mmulab = join(checkout, 'packages', 'cli', 'bin', 'mmulab.js');
    const command = ['run', '--quiet', '--format', 'json', '--backend', 'arm64-stage2', '--plugin', './examples/mm-ops'];
    const test = ['kvm_page_table_test', '-b', '4M', '-s', 'anonymous_hugetlb_2mb'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [mmulab, ...command, '--', ...test], { encoding: 'utf8', cwd: checkout });
    expect(status).toBe(0);
    const { counters } = (JSON.parse(stdout) as RunResult).totals;
    const cleans = (counters['dcache_clean_inval_poc'] ?? 0) + (counters['dcache_clean_inval_poc.unmap'] ?? 0);
    const bytes = (counters['dcache_clean_inval_poc.bytes'] ?? 0) + (counters['dcache_clean_inval_poc.unmap.bytes'] ?? 0);
    expect(cleans).toBeGreaterThan(0);
    // Blocks that come back invalidate through the same callback, the whole VMID each.
    const tlbi = (counters['tlbi.ipa'] ?? 0) + (counters['coalesce.2m'] ?? 0);
    expect(stderr).toContain(
      `mm_ops: ${cleans} cleans of ${bytes / 2 ** 20} MiB, ${tlbi} TLB invalidations, ${counters['table.alloc'] ?? 0} table pages`,
    );
  });
});
