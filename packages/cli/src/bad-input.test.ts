/**
 * Whatever is wrong with options, configs, records and results: a typed error with the place, and exit code 2.
 */
import { join } from 'node:path';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';

const SMALL = ['dirty_log_perf_test', '-v', '1', '-b', '4M', '-s', 'anonymous', '-g'];

describe('bad input ends with 2, a code, and the place', () => {
  const config = (text: string): string => scratchFile('bad.yaml', text);
  const workload = 'workload: dirty_log_perf_test -b 4M\n';
  const recordWith = (counters: string): string =>
    `{"schema":"mmulab.records.v1","records":[{"id":"r","arch":"x86","backend":"x86-tdp","kernel":"6.1.192","options":{},"host":{},
    "command":"dirty_log_perf_test -b 4M","workload_options":{},"exact":true,"phases":[{"phase":"populate","counters":${counters}}]}]}`;

  it.each<[string, () => string[], string, RegExp]>([
    [
      'an unknown option',
      () => ['run', config(`backend: { options: { eager_page_splitt: N } }\n${workload}`)],
      'CONFIG_UNKNOWN_OPTION',
      /bad\.yaml.*eager_page_split\b/,
    ],
    [
      'an unknown option on the command line',
      () => ['run', '--set', 'eager_page_splitt=N', '--', ...SMALL],
      'CONFIG_UNKNOWN_OPTION',
      /eager_page_split\?/,
    ],
    ['a misspelt key', () => ['run', '--set', 'representatve=Y', '--', ...SMALL], 'CONFIG_UNKNOWN_OPTION', /did you mean representative\?/],
    ['a key like nothing', () => ['run', '--set', 'qqqqqqqqq=Y', '--', ...SMALL], 'CONFIG_UNKNOWN_OPTION', /^(?!.*vcpus, vcpus).*known: /m],
    [
      'an option of mmulab behind the test',
      () => ['run', '--', ...SMALL, '--set', 'x=y'],
      'COMMAND_UNKNOWN_FLAG',
      /--set: not a flag.*options of mmulab stand before the --/,
    ],
    ['an unknown key', () => ['run', config(`bakend: x86-tdp\n${workload}`)], 'CONFIG_UNKNOWN_KEY', /bad\.yaml.*backend\?/],
    ['an unknown backend', () => ['run', '--backend', 'x86-tpd', '--', ...SMALL], 'CONFIG_UNKNOWN_BACKEND', /x86-tdp\?/],
    ['an unknown profile', () => ['run', '--kernel', 'v6.x', '--', ...SMALL], 'CONFIG_UNKNOWN_KERNEL', /v6\.x/],
    ['a kernel like none', () => ['run', '--kernel', 'newest', '--', ...SMALL], 'CONFIG_UNKNOWN_KERNEL', /\b6\.2,.* 6\.13/],
    ['an unknown workload', () => ['run', '--', 'dirty_log_pref_test'], 'CONFIG_UNKNOWN_WORKLOAD', /dirty_log_perf_test\?/],
    ['an unknown flag of a test', () => ['run', '--', 'dirty_log_perf_test', '-Q'], 'COMMAND_UNKNOWN_FLAG', /-Q.*known: -a, -b/],
    ...[
      ['w,J,w', /"w,J,w": round 2_J: J is no letter of a round; expected one of w, r, x, D/],
      ['w,,w', /round 2_: is empty; expected one of w, r/],
      ['w0', /round 1_w0: 0: expected a number from 1 on/],
      ['N512', /round 1_N512: N takes no number; expected N alone/],
      ['D@0+64', /round 1_D@0\+64: D takes no range; expected D alone/],
      ['Sm4@1', /Sm takes no range; expected Sm or one with a number/],
      ['wr', /round 1_wr: wr: one letter per round; expected w,r$/m],
    ].map(([rounds, message]): [string, () => string[], string, RegExp] => [
      `rounds ${String(rounds)}`,
      () => ['run', '--', 'access_rounds', '-p', String(rounds)],
      'CONFIG_OUT_OF_RANGE',
      message as RegExp,
    ]),
    [
      'a dirty ring too small',
      () => ['run', '--', 'dirty_log_test', '-M', 'dirty-ring', '-c', '7'],
      'DIRTY_RING_SIZE',
      /dirty_log_test: ring_size=7 \(-c\): a dirty ring of 4 entries: expected a power of two from 1024/,
    ],
    [
      'a dirty ring of no power of two',
      () => ['run', '--', 'access_rounds', '-b', '2M', '-R', '4097'],
      'DIRTY_RING_SIZE',
      /access_rounds: dirty_ring=4097 \(-R, 0 for none\): .*expected a power of two from 1024 to 65536/,
    ],
    [
      'a dirty ring too large',
      () => ['run', '--', 'access_rounds', '-R', '99999999'],
      'CONFIG_OUT_OF_RANGE',
      /expected a power of two from 1024 to 65536.*or 0 for none/,
    ],
    ['an unknown kind of memory', () => ['run', '--', 'dirty_log_perf_test', '-s', 'anonymos'], 'HOST_UNKNOWN_BACKING', /anonymous\?/],
    ['a size of 0', () => ['run', '--', 'dirty_log_perf_test', '-b', '0'], 'CONFIG_OUT_OF_RANGE', /4K to 16T/],
    ['a size beyond 16 TiB', () => ['run', '--', 'dirty_log_perf_test', '-b', '17T'], 'CONFIG_OUT_OF_RANGE', /16T/],
    ['memory beyond 16 TiB in all', () => ['run', '--', 'dirty_log_perf_test', '-v', '512', '-b', '1T'], '', /16T/],
    ['a size that is none', () => ['run', '--', 'dirty_log_perf_test', '-b', '12Q'], 'CONFIG_WRONG_TYPE', /12Q/],
    ['more vCPUs than the test allows', () => ['run', '--vcpus', '513', '--', ...SMALL], 'CONFIG_OUT_OF_RANGE', /1 to 512/],
    ['no vCPU', () => ['run', config(`vm: { vcpus: 0 }\n${workload}`)], 'CONFIG_OUT_OF_RANGE', /vm\.vcpus/],
    ['a huge number', () => ['run', config(`seed: 1e300\n${workload}`)], 'CONFIG_', /seed/],
    ['a negative number', () => ['run', config(`seed: -1\n${workload}`)], 'CONFIG_OUT_OF_RANGE', /seed/],
    ['a word for a number', () => ['run', config(`vm: { vcpus: two }\n${workload}`)], 'CONFIG_WRONG_TYPE', /vm\.vcpus.*"two"/],
    ['a number for a list', () => ['run', config(`vary: { vcpus: 2 }\n${workload}`)], 'CONFIG_WRONG_TYPE', /vary\.vcpus/],
    ['malformed YAML', () => ['run', config('name: x\nbackend: { name: [\n')], 'CONFIG_MALFORMED', /bad\.yaml:\d+:\d+/],
    ['a config that includes itself', () => ['run', config(`extends: bad.yaml\n${workload}`)], 'CONFIG_EXTENDS_CYCLE', /bad\.yaml -> bad\.yaml/],
    ['a config that does not exist', () => ['run', 'no/such.yaml'], 'FILE_NOT_FOUND', /no\/such\.yaml/],
    ['a .test file that does not exist', () => ['run', 'no/such.test'], 'FILE_NOT_FOUND', /no\/such\.test/],
    ['a directory for a config', () => ['run', scratchDirectory()], 'FILE_UNREADABLE', /is a directory/],
    ['an empty config', () => ['run', config('')], 'CONFIG_MISSING', /workload/],
    ['a plugin that does not exist', () => ['run', '--plugin', 'nowhere', '--', ...SMALL], 'PLUGIN_NOT_FOUND', /mmulab-plugin-nowhere/],
    [
      'a threshold on no phase',
      () => ['run', config(`${workload}thresholds: { phases.dirty_9.counters.page_fault: 0 }`)],
      'THRESHOLD_UNKNOWN_PHASE',
      /dirty_9/,
    ],
    [
      'a record with an unknown counter',
      () => ['verify', scratchFile('r.json', recordWith('{"page_falt":1}'))],
      'RECORD_UNKNOWN_COUNTER',
      /r\.json.*page_fault/,
    ],
    ['a truncated record file', () => ['verify', scratchFile('r.json', recordWith('{}').slice(0, 200))], 'RECORD_MALFORMED', /r\.json:\d+:\d+/],
    [
      'an output directory that cannot be made',
      () => ['run', '--out', join(scratchFile('file', ''), 'out'), '--', ...SMALL],
      'FILE_UNWRITABLE',
      /file/,
    ],
    ['records that do not exist', () => ['verify', 'no/records.json'], 'FILE_NOT_FOUND', /no\/records\.json/],
    [
      'results where records belong',
      () => ['verify', scratchFile('r.json', '{"schema":"mmulab.result.v1"}')],
      'RECORD_SCHEMA',
      /mmulab\.records\.v1/,
    ],
  ])('%s', (_what, argv, code, message) => {
    const recording = record(...argv());
    expect(recording.err).toMatch(new RegExp(`^mmulab: ${code}`));
    expect(recording.err).toMatch(message);
    expect({ code: recording.code, out: recording.out }).toEqual({ code: 2, out: '' });
  });

  it('finds what is wrong with the second config before it runs the first', () => {
    const { code, progress } = record('run', config(workload), config(`seed: -1\n${workload}`));
    expect(code).toBe(2);
    expect(progress).toEqual([undefined]);
  });

  it('takes a number written as a string for the number', () => {
    expect(record('run', config(`vm: { vcpus: '2' }\n${workload}`)).code).toBe(0);
  });
});
