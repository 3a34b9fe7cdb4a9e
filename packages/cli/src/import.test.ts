/**
 * `mmulab import`, and `--import` of the commands that run: files in other formats from the command line.
 */
import type { RecordFile, RunResult } from '@mmulab/api';
import { join } from 'node:path';
import { record, scratchFile } from './fixtures/recorder';

const fixtures = join(__dirname, '../../import/src/fixtures');
const fixture = (name: string): string => join(fixtures, name);
const TEST = ['demand_paging_test', '-v', '1', '-b', '16M', '-s', 'anonymous_hugetlb_2mb'];
const results = (text: string): readonly RunResult[] => [JSON.parse(text) as RunResult | RunResult[]].flat();

describe('import', () => {
  it('prints a config that runs as it stands', () => {
    const { code, out } = record('import', fixture('firecracker.json'));
    expect(code).toBe(0);
    expect(out).toMatch(/^# Imported from .*firecracker\.json \(Firecracker machine configuration\)\.\n/);
    expect(out).toMatch(/^vm:\n {2}vcpus: 2\n/m);
    expect(record('validate', scratchFile('vm.yaml', out)).out).toMatch(/valid, 1 run\n$/);
  });

  it('keeps what a file says within the comment it is shown in', () => {
    const { out } = record('import', scratchFile('a.conf', 'options kvm tdp_mmu=1 x=\u001b[31m\u2028seed:\n'));
    expect(['\u001b', '\u2028'].filter(character => out.includes(character))).toEqual([]);
  });

  it('prints a record of counts, which verify compares with the totals of a run', () => {
    const { code, out, err } = record('import', '--kernel', '6.12.117', fixture('perf-stat.txt'));
    expect(code).toBe(0);
    expect(err).toMatch(/kvm:kvm_exit: left out/);
    expect((JSON.parse(out) as RecordFile).records[0]?.phases[0]?.phase).toBe('total');
    const verified = record('verify', '--format', 'json', scratchFile('counted.json', out));
    expect([verified.code, JSON.parse(verified.out)]).toMatchObject([0, { records: 1, unjudged: { values: 3 } }]);
    expect(record('import', fixture('kvm-stat.txt')).err).toContain('IMPORT_NO_COMMAND');
    expect(record('import', fixture('kvm-stat.txt'), '--', ...TEST).code).toBe(0);
  });

  it('takes a command line for counts alone, and says what it reads', () => {
    expect(record('import', fixture('kvm.conf'), '--', ...TEST)).toMatchObject({ code: 2 });
    expect(record('import', scratchFile('x', 'hello\n')).err).toMatch(/IMPORT_UNKNOWN_FORMAT: .*modprobe\.d; .*kernel command line/);
  });
});

describe('--import', () => {
  it('lays module parameters under a command line; --set beats them', () => {
    const run = (...argv: string[]): RunResult | undefined => results(record('run', '--format', 'json', ...argv, '--', ...TEST).out)[0];
    expect(run('--import', fixture('kvm.conf'))?.config['backend']).toMatchObject({ name: 'x86-shadow', options: { npt: 'Y', tdp_mmu: 'N' } });
    expect(run('--import', fixture('kvm.conf'), '--set', 'pml=Y', '--set', 'ad_bits=Y')?.config['host']).toMatchObject({ pml: 'Y' });
  });

  it('is enough by itself, and several add up', () => {
    const { code, out, err } = record(
      'run',
      '--format',
      'json',
      '--set',
      'bytes=4M',
      '--import',
      fixture('qemu.sh'),
      '--import',
      fixture('kvm.conf'),
    );
    expect([code, results(out)[0]?.config]).toMatchObject([0, { vm: { vcpus: 4 }, host: { pml: 'N' } }]);
    expect(err).toMatch(/note: nothing says what the guest does: dirty_log_perf_test is taken\n/);
    expect(record('validate', '--import', fixture('testcases')).out).toMatch(/valid, 2 runs\n$/);
  });

  it('runs a folder of tests, and refuses another workload beside it', () => {
    const { code, out } = record('run', '--format', 'json', '--import', fixture('testcases'));
    expect([code, results(out).length]).toEqual([0, 2]);
    expect(record('run', '--import', fixture('testcases'), '--', ...TEST).err).toContain('IMPORT_UNFIT');
  });

  it('puts counts of a real kernel beside a run of the same test', () => {
    const { code, out } = record('compare', '--import', fixture('perf-stat.txt'), '--', ...TEST);
    expect(code).toBe(0);
    expect(out).toMatch(/^total +page_fault +1,026 +\d+/m);
    expect(record('run', '--import', fixture('perf-stat.txt'), '--', ...TEST).err).toContain('IMPORT_UNFIT');
  });
});
