/**
 * Settings of the command line over configs: what they beat, what they replace, what they contradict.
 */
import type { RunResult } from '@mmulab/api';
import { record, scratchFile } from './fixtures/recorder';

const SMALL = ['dirty_log_perf_test', '-v', '1', '-b', '4M', '-s', 'anonymous', '-g'];
const config = (text: string): string => scratchFile('c.yaml', text);
const run = (...argv: string[]): readonly RunResult[] => {
  const { code, out, err } = record('run', '--format', 'json', '--quiet', ...argv);
  if (code !== 0) throw new Error(err);
  return [JSON.parse(out) as RunResult | RunResult[]].flat();
};
const workloads = (...argv: string[]): unknown[] =>
  run(...argv).map(result => (result.config['workload'] as { readonly options: Readonly<Record<string, unknown>> }).options['bytes']);

describe('settings', () => {
  it('replace the whole workload with workload.command, in --set, in vary and over a matrix of commands', () => {
    const base = 'workload: { name: dirty_log_perf_test, options: { bytes: 8M, iterations: 3 } }\n';
    expect(workloads('--set', 'workload.command=dirty_log_perf_test -b 4M', config(base))).toEqual([4 * 2 ** 20]);
    expect(workloads('--set', 'workload.command=access_rounds -b 2M -p w', config(base))).toEqual([2 * 2 ** 20]);
    const matrix = config(`${base}vary: { workload.command: [access_rounds -b 4M -p w, access_rounds -b 8M -p w] }\n`);
    expect(workloads(matrix)).toEqual([4 * 2 ** 20, 8 * 2 ** 20]);
    expect(workloads('--set', 'bytes=2M', matrix)).toEqual([2 * 2 ** 20, 2 * 2 ** 20]);
    expect(workloads('--set', 'workload.command=access_rounds -b 2M -p w', matrix)).toEqual([2 * 2 ** 20]);
  });

  it('are laid over a command in the order of what they mean, not in that of their words', () => {
    expect(workloads('--set', 'bytes=2M', '--set', 'workload.command=access_rounds -b 4M -p w', '--', ...SMALL)).toEqual([2 * 2 ** 20]);
  });

  it('beat an axis by whatever name it goes, and an empty matrix is none', () => {
    const workload = `workload: ${SMALL.join(' ')}\n`;
    expect(run('--set', 'npt=Y', config(`${workload}vary: { ept: [Y, Y] }\n`))).toHaveLength(1);
    expect(run('--seed', '3', config(`${workload}vary: null\nzip:\n`))[0]?.seed).toBe(3);
  });

  it.each<[string, string[], string]>([
    ['two values of one option by two names', ['--set', 'npt=Y', '--set', 'ept=N'], 'CONFIG_CONFLICT: --set ept: "N", but --set npt says "Y"'],
    ['a shorthand and a setting', ['--vcpus', '2', '--set', 'workload.options.vcpus=1'], 'CONFIG_CONFLICT: --set workload.options.vcpus'],
    ['a setting of what varies', ['--set', 'npt=Y', '--vary', 'ept=Y,N'], 'CONFIG_VARIED_TWICE: --vary ept: --set npt'],
    ['one option varied twice', ['--vary', 'bytes=4M,8M', '--vary', 'bytes=2M'], 'CONFIG_VARIED_TWICE: --vary bytes'],
    ['the matrix itself', ['--set', 'vary=x'], 'CONFIG_UNSETTABLE: vary'],
    ['plugins', ['--set', 'plugins=x'], 'CONFIG_UNSETTABLE: plugins'],
    ['a key with 20,000 dots', ['--set', `host${'.a'.repeat(20_000)}=1`], 'CONFIG_UNKNOWN_OPTION: host.a.a'],
  ])('%s: refused', (_what, argv, message) => {
    const { code, err } = record('run', ...argv, '--', ...SMALL);
    expect([code, err.slice('mmulab: '.length, 'mmulab: '.length + message.length)]).toEqual([2, message]);
    expect(err.length).toBeLessThan(700);
  });
});

describe('a message names an option as it was given', () => {
  const shadow = ['--backend', 'x86-shadow'];
  it.each<[string, string[], string[]]>([
    ['CONFIG_WRONG_TYPE: --set ept: "2": expected Y or N', ['--set', 'ept=2'], SMALL],
    ['CONFIG_WRONG_TYPE: --set kvm_intel.eptad: "9"', ['--set', 'kvm_intel.eptad=9'], SMALL],
    ['CONFIG_OUT_OF_RANGE: --vcpus: "0": expected a whole number', ['--vcpus', '0'], SMALL],
    ['CONFIG_WRONG_TYPE: backend.options.ept: "7": expected Y or N', ['--vary', 'ept=Y,7'], SMALL],
    ['OPTION_BACKEND_PAIR: backend.options: ept=N, tdp_mmu=Y is not x86-tdp', ['--set', 'ept=0'], SMALL],
    ['OPTION_BACKEND_PAIR: backend.options: npt=N, tdp_mmu=Y is not x86-tdp', ['--set', 'npt=0'], SMALL],
    ['OPTION_BACKEND_PAIR: backend.options: kvm_amd.npt=Y, tdp_mmu=Y', [...shadow, '--set', 'kvm_amd.npt=1'], SMALL],
    ['WORKLOAD_TEST_NEEDS: dirty_log_page_splitting_test: needs tdp_mmu=Y', [...shadow, '--set', 'ept=0'], ['dirty_log_page_splitting_test']],
    ['GUEST_NESTED: vm.nested: L1 has second-stage tables of its own only with ept=Y (here ept=N)', [...shadow, '--set', 'ept=N'], ['nested_rounds']],
    ['CONFIG_OUT_OF_RANGE: dirty_log_perf_test: -v: "0": expected a whole number', [], ['dirty_log_perf_test', '-v', '0']],
    ['CONFIG_WRONG_TYPE: dirty_log_test: -M: "9": expected one of dirty-log', [], ['dirty_log_test', '-M', '9']],
    ['WORKLOAD_SLOTS_UNEVEN: dirty_log_perf_test: slots (-x): 1024 pages', [], ['dirty_log_perf_test', '-b', '4M', '-x', '3']],
  ])('%s', (message, argv, command) => {
    const { code, err } = record('run', ...argv, '--', ...command);
    expect([code, err.slice('mmulab: '.length, 'mmulab: '.length + message.length)]).toEqual([2, message]);
  });
});

describe('--vary', () => {
  const rounds = (value: string): unknown[] =>
    run('--vary', `rounds=${value}`, '--', 'access_rounds', '-b', '2M').map(
      result => (result.config['workload'] as { readonly options: Readonly<Record<string, unknown>> }).options['rounds'],
    );

  it('takes values with commas in quotes, or with backslashes before them', () => {
    expect(rounds('"w,r" , w')).toEqual(['w,r', 'w']);
    expect(rounds('\'w,D,w\',"r"')).toEqual(['w,D,w', 'r']);
    expect(rounds('w\\,r,r')).toEqual(['w,r', 'r']);
    expect(record('run', '--vary', 'rounds="w,r', '--', 'access_rounds', '-b', '2M').err).toMatch(/CONFIG_BAD_LIST: .*quote is not closed/);
  });

  it('takes whole command lines', () => {
    const commands = 'workload.command="access_rounds -b 2M -p w,r","access_rounds -b 4M -p w"';
    expect(workloads('--vary', commands, '--', ...SMALL)).toEqual([2 * 2 ** 20, 4 * 2 ** 20]);
  });
});

describe('a mistyped counter or phase', () => {
  const long = ['demand_paging_test', '-v', '16', '-b', '64M', '-o'];
  const matrix = config(`workload: ${SMALL.join(' ')}\nvary: { bytes: [4M, 8M] }\n`);

  it.each<[string, string[], RegExp]>([
    [
      'of a run of minutes',
      ['run', '--counters', 'page_faults', '--', ...long],
      /REPORT_UNKNOWN_COUNTER: page_faults: .*\(did you mean page_fault\?\)/,
    ],
    ['of a phase', ['run', '--phases', 'guest_exection', '--', ...long], /REPORT_UNKNOWN_PHASE: .*\(did you mean guest_execution\?\)/],
    ['in a comparison', ['compare', '--counters', 'page_faults', '--vary', 'vcpus=1,16', '--', ...long], /did you mean page_fault\?/],
    ['in a comparison of a config', ['compare', '--phases', 'dirty_9', matrix], /did you mean dirty_1\?/],
    ['in a run of a config', ['run', '--counters', 'page_fault,pf_fixd', matrix], /did you mean pf_fixed\?/],
  ])('%s is found before anything runs', (_what, argv, message) => {
    const { code, err, out, progress } = record(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
    expect(progress.filter(state => state !== undefined)).toEqual([]);
  });

  it('is none when any of the runs has it', () => {
    const { code } = record('compare', '--phases', 'dirty_3', '--vary', 'iterations=2,3', '--', ...SMALL);
    expect(code).toBe(0);
  });
});

describe('validate refuses what run would refuse', () => {
  it.each<[string, string, string]>([
    ['a threshold over no phase', `workload: ${SMALL.join(' ')}\nthresholds: { phases.dirty_9.counters.page_fault: 0 }\n`, 'THRESHOLD_UNKNOWN_PHASE'],
    [
      'a threshold over no vCPU',
      `workload: ${SMALL.join(' ')}\nthresholds: { phases.dirty_1.vcpus.1.counters.page_fault: 0 }\n`,
      'THRESHOLD_UNKNOWN_PATH',
    ],
    [
      'a threshold over memslots on x86',
      `workload: ${SMALL.join(' ')}\nthresholds: { phases.dirty_1.slots.1.counters.page_fault: 0 }\n`,
      'THRESHOLD_UNKNOWN_PATH',
    ],
    ['nested guests under shadow paging', 'backend: x86-shadow\nworkload: nested_rounds -b 2M -p w\n', ''],
    ['nested guests on arm64', 'backend: arm64-stage2\nworkload: nested_rounds -b 2M -p w\n', ''],
    [
      'nested guests that cannot be split',
      'backend: { options: { shadowed_access_cache: N } }\nworkload: nested_rounds -b 2M -p w,D\n',
      'OPTION_NESTED_SPLIT',
    ],
    [
      'a guest mode of another machine',
      'workload: { name: dirty_log_perf_test, options: { guest_mode: P48V48_64K } }\n',
      'WORKLOAD_MODE_NOT_SUPPORTED',
    ],
    ['an unknown kind of memory', 'workload: dirty_log_perf_test -s anonymos\n', 'HOST_UNKNOWN_BACKING'],
  ])('%s', (_what, text, code) => {
    const [validated, ran] = ['validate', 'run'].map(command => record(command, config(text)));
    expect([validated?.code, ran?.code]).toEqual([2, 2]);
    expect(validated?.err).toContain(code);
    const withoutFile = (err: string | undefined): string | undefined => err?.replace(/\/\S+c\.yaml/, '');
    expect(withoutFile(validated?.err)).toBe(withoutFile(ran?.err));
  });
});
