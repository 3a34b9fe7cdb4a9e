import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { resolveMachines } from '@mmulab/runner';
import { checkTrace } from './check';
import { pluginRegistry } from './fixtures/trace-writer';
import { readTrace } from './trace-source';

const directory = mkdtempSync(join(tmpdir(), 'mmulab-source-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const TEXT = `${' dirty_log_perf_-338     [000] ...1.    14.121340: kvm_page_fault: address 180000 error_code 6\n'.repeat(5000)}`;

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function readBytes(path: string): number {
  let bytes = 0;
  readTrace(path, piece => {
    bytes += piece.length;
  });
  return bytes;
}

describe('where a trace comes from', () => {
  it('plain text, .gz, and a .gz of several members give the same bytes', () => {
    const members = Buffer.concat([gzipSync(TEXT.slice(0, 1000)), gzipSync(TEXT.slice(1000))]);
    expect(readBytes(file('a.txt', TEXT))).toBe(TEXT.length);
    expect(readBytes(file('a.gz', gzipSync(TEXT)))).toBe(TEXT.length);
    expect(readBytes(file('b.gz', members))).toBe(TEXT.length);
  });

  it('a .gz that was cut off is TRACE_DAMAGED, at every length', () => {
    const whole = gzipSync(TEXT);
    for (const length of [5, 20, Math.floor(whole.length / 2), whole.length - 9, whole.length - 1]) {
      expect(() => readBytes(file('cut.gz', whole.subarray(0, length)))).toThrow(/TRACE_DAMAGED/);
    }
    const damaged = Uint8Array.from(whole);
    damaged.fill(0xff, 30, 60);
    expect(() => readBytes(file('damaged.gz', damaged))).toThrow(/TRACE_DAMAGED/);
  });

  it('binary files are TRACE_BINARY, and known ones are named', () => {
    expect(() => readBytes(file('perf.data', 'PERFILE2 etc'))).toThrow(/TRACE_BINARY.*perf script/);
    expect(() => readBytes(file('t.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1)))).toThrow(/TRACE_BINARY.*zstd -d/);
    expect(() => readBytes(file('elf', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 0)))).toThrow(/TRACE_BINARY/);
  });

  it('no file, a directory, and a .dat without trace-cmd are told apart', () => {
    expect(() => readBytes(join(directory, 'none'))).toThrow(/TRACE_NOT_FOUND/);
    expect(() => readBytes(directory)).toThrow(/TRACE_UNREADABLE.*directory/);
    const path = process.env['PATH'];
    process.env['PATH'] = directory;
    expect(() => readBytes(file('t.dat', Uint8Array.of(0x17, 0x08, 0x44, 0x74)))).toThrow(/TRACE_TOOL.*trace-cmd/);
    process.env['PATH'] = path;
  });

  const registry = pluginRegistry();
  const check =
    (path: string, backend: string): (() => unknown) =>
    () =>
      checkTrace(path, () => resolveMachines({ backend: { name: backend } }, registry)[0], registry, { slots: [], backingLevel: 0 });

  it('a trace of another architecture, an empty one, and one that tells of no change are typed errors', () => {
    const arm = ' t-1     [000] .....     1.000000: kvm_guest_fault: ipa 0x180000, hsr 0x82000084, hxfar 0x4009a4, pc 0x000000004009a4\n';
    expect(check(file('arm.txt', arm), 'x86-tdp')).toThrow(/TRACE_ARCH.*arm64/);
    expect(check(file('x86.txt', TEXT), 'arm64-stage2')).toThrow(/TRACE_ARCH.*x86/);
    expect(check(file('x86.txt', TEXT), 'x86-tdp')).toThrow(/TRACE_NOTHING_TO_CHECK/);
    expect(check(file('x86.txt', TEXT), 'x86-shadow')).toThrow(/TRACE_UNDRIVEN.*x86-tdp/);
    expect(check(file('empty.txt', ''), 'x86-tdp')).toThrow(/TRACE_EMPTY/);
    expect(check(file('log.txt', 'kernel: hello\n'.repeat(3)), 'x86-tdp')).toThrow(/TRACE_EMPTY.*3 lines/);
  });
});
