/**
 * What a newcomer types: it is done, or the answer says what would have been right; nothing that was given is left aside in silence.
 */
import { record, scratchFile } from './fixtures/recorder';

const SMALL = ['access_rounds', '-b', '4M', '-p', 'w'];
const TRACE = [
  'kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new',
  'kvm_page_fault: vcpu 0 rip 0x407ae0 address 0x0000000000180000 error_code 0x200000006',
  'kvm_mmu_get_page: sp gen 0 gfn 0 l3 8-byte q0 direct wux nxe ad root 0 sync new',
  'kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 0 new_spte e5fb827',
].map((event, i) => ` test-338 [000] ..... 1.09${i}000: ${event}\n`);
const trace = (): string => scratchFile('trace.txt', `# tracer: nop\n${TRACE.join('')}`);
const config = (text: string): string => scratchFile('odd.yaml', text);

it.each<[string, () => readonly string[], RegExp]>([
  ['a test where a file belongs', () => ['run', 'dirty_log_perf_test'], /^FILE_NOT_FOUND: .*but a test: mmulab run -- dirty_log_perf_test$/],
  ['the beginning of a test', () => ['run', '--', 'dirty_log_perf'], /did you mean dirty_log_perf_test\?/],
  ['the beginning of a backend', () => ['explain', 'x86'], /did you mean x86-tdp\?/],
  ['a word like nothing', () => ['explain', 'Sb'], /backend or patch of this name$/],
  ['a number like none', () => ['run', '--', 'access_rounds', '-M', '2'], /-M: "2": expected one of 0, 1, 3$/],
  ['no counters', () => ['run', '--counters', '', '--', ...SMALL], /^CLI_EMPTY_LIST: --counters "": names nothing/],
  ['no phases', () => ['compare', '--phases', ' , ', '--vary', 'vcpus=1,2', '--', ...SMALL], /^CLI_EMPTY_LIST: --phases " , "/],
  ['two documents', () => ['run', config('seed: 1\n---\nseed: 2\n')], /^CONFIG_MALFORMED: .*:2:1: a second document begins here; expected one$/],
  [
    'a saved result as a config',
    () => ['run', config('schema: mmulab.result.v1\n')],
    /^CONFIG_OTHER_DOCUMENT: .*: is a document of schema mmulab\.result\.v1, no config: mmulab compare shows it/,
  ],
  [
    'two kernels',
    () => ['run', '--kernel', '6.2', '--set', 'kernel=6.1', '--', ...SMALL],
    /^CONFIG_CONFLICT: --set kernel: "6\.1", but --kernel says "6\.2"/,
  ],
  ['an option that is none', () => ['compare', '--value', 'page_fault', '--', ...SMALL], /^CLI_USAGE: unknown option '--value'$/],
  ['a flag of a test', () => ['run', 'access_rounds', '-v', '2'], /unknown option '-v'; flags of a test stand after --: mmulab run -- TEST -v 2$/],
  ['no list', () => ['run', config('plugins: mine\n')], /plugins: "mine": expected a list$/],
  ['a value to explain', () => ['explain', 'ept=0'], /backend or patch of this name \(did you mean ept\?\)/],
  ['a test to predict', () => ['predict', '--', ...SMALL], /takes nothing after -- \(a test is priced by mmulab run --set model=NAME -- TEST/],
  ['no table to predict', () => ['predict', config('a: b\n')], /^TABLE_NOT_JSON: .*; expected tables of times in JSON$/],
  ['vCPUs of a replay', () => ['replay', '--vary', 'vcpus=1,2', trace()], /^CLI_SETTING_OF_NO_USE: --vary vcpus: vm has no part in a replay/],
  ['a seed of a replay', () => ['replay', '--set', 'seed=3', trace()], /^CLI_SETTING_OF_NO_USE: --set seed: seed has no part in a replay/],
])('%s: refused, with what would be right', (_what, argv, message) => {
  const { code, err } = record(...argv());
  expect(code).toBe(2);
  expect(err.replace(/^mmulab: /, '').trimEnd()).toMatch(message);
});

it('a command line is validated, too', () => {
  expect(record('validate', '--', ...SMALL)).toMatchObject({ code: 0, out: 'access_rounds -b 4M -p w: valid, 1 run\n' });
  expect(record('validate', '--', 'access_rounds', '-b', '3').err).toMatch(/access_rounds: -b: "3"/);
});

it('an import is laid under what a trace says of its machine', () => {
  const { code, out } = record('replay', '--import', scratchFile('kvm.conf', 'options kvm_intel pml=0\n'), trace());
  expect(code).toBe(0);
  expect(out).toContain('pml=N');
});

it('a release between others that never was counts as the last of its major, and says so', () => {
  const { code, out, err } = record('run', '--kernel', '6.99', '--', ...SMALL);
  expect([code, err]).toEqual([0, 'note: backend.kernel: 6.99 lies outside the releases that x86-tdp knows: counted as 6.19\n']);
  expect(out).toContain('kernel 6.99 (as 6.19)');
  expect(record('run', '--kernel', '6.19', '--', ...SMALL).err).toBe('');
});

it('keys of a config are explained by their paths and by short names, and counters are listed by that word', () => {
  for (const name of ['kernel', 'backend.kernel', 'vary', 'time.model']) expect(record('explain', name)).toMatchObject({ code: 0, err: '' });
  expect(record('list', 'counters').out).toBe(record('list', 'events').out);
});
