/**
 * `--export NAME=FILE`: what it writes, and what it refuses before anything runs.
 */
import { checkCasemateTrace } from '@mmulab/testkit';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';

const ARM64 = ['--backend', 'arm64-stage2', '--kernel', '6.1.176'];
const TEST = ['kvm_page_table_test', '-v', '1', '-b', '2M', '-s', 'anonymous_hugetlb_2mb'];

function target(): string {
  return join(scratchDirectory(), 'run.log');
}

describe('run --export casemate=FILE', () => {
  it('writes a trace that the checker accepts, and prints what it prints without', () => {
    const file = target();
    const { code, out } = record('run', ...ARM64, '--export', `casemate=${file}`, '--', ...TEST);
    expect(code).toBe(0);
    expect(checkCasemateTrace(readFileSync(file, 'utf8'))).toMatchObject({ verdict: 'accepted' });
    expect(out).toBe(record('run', ...ARM64, '--', ...TEST).out);
  });

  it('takes configs too', () => {
    const file = target();
    const config = scratchFile('one.yaml', `backend: arm64-stage2\nworkload: ${TEST.join(' ')}\n`);
    expect(record('run', '--export', `casemate=${file}`, config).code).toBe(0);
    expect(checkCasemateTrace(readFileSync(file, 'utf8'))).toMatchObject({ verdict: 'accepted' });
  });

  it('leaves out, for checkers to find, what --export-without names; the help does not name that', () => {
    const file = target();
    record('run', ...ARM64, '--export', `casemate=${file}`, '--export-without', 'no-break', '--', ...TEST);
    expect(checkCasemateTrace(readFileSync(file, 'utf8'))).toMatchObject({ verdict: 'rejected', rule: 'valid-to-valid' });
    const { out } = record('run', '--help');
    expect(out).toContain('--export <name=file>');
    expect(out).not.toContain('--export-without');
  });

  it.each([
    ['CLI_UNKNOWN_EXPORT', 'did you mean casemate?', [...ARM64, '--export', 'casemat=FILE']],
    ['CLI_EXPORT_BACKEND', 'x86-tdp writes no traces; there is casemate (arm64-stage2)', ['--export', 'casemate=FILE']],
    ['CLI_EXPORT_RUNS', '2 runs', [...ARM64, '--vary', 'vcpus=1,2', '--export', 'casemate=FILE']],
    ['CLI_BAD_SETTING', 'expected NAME=FILE', [...ARM64, '--export', 'casemate']],
    ['CLI_BAD_SETTING', 'expected NAME=FILE', [...ARM64, '--export', 'casemate=']],
    ['EXPORT_VCPUS', 'at most 3', [...ARM64, '--vcpus', '4', '--export', 'casemate=FILE']],
    ['EXPORT_GRANULE', '4096', [...ARM64, '--set', 'granule=64K', '--set', 'backing=anonymous', '--export', 'casemate=FILE']],
    ['EXPORT_OMISSION', 'no-tlbi', [...ARM64, '--export', 'casemate=FILE', '--export-without', 'locks']],
    ['EXPORT_OMISSION', 'leaves nothing out', [...ARM64, '--export', 'casemate=FILE', '--export-without', 'no-tlbi:99999']],
    ['CLI_EXPORT_WITHOUT', 'expected --export NAME=FILE beside it', [...ARM64, '--export-without', 'no-tlbi']],
    ['CLI_REPEATED_OPTION', 'expected once', [...ARM64, '--export', 'casemate=FILE', '--export', 'casemate=FILE']],
    ['CLI_REPEATED_OPTION', 'expected once', [...ARM64, '--export', 'casemate=FILE', '--export-without', 'no-tlbi', '--export-without', 'no-break']],
  ])('ends with 2 and leaves no file behind: %s', (errorCode, problem, options) => {
    const file = target();
    const { code, out, err } = record('run', ...options.map(option => option.replace('FILE', file)), '--', ...TEST);
    expect([code, out, existsSync(file)]).toEqual([2, '', false]);
    expect(err).toContain(errorCode);
    expect(err).toContain(problem);
  });

  it('names a place that cannot be written to', () => {
    const { code, err } = record('run', ...ARM64, '--export', `casemate=${join(target(), 'no', 'such')}`, '--', ...TEST);
    expect(code).toBe(2);
    expect(err).toContain('FILE_UNWRITABLE');
  });
});
