import { verifyRecords } from '@mmulab/runner';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pluginRegistry, writeTrace } from './fixtures/trace-writer';
import { readRecord } from './record-read';
import { recordScript } from './record-script';

const directory = mkdtempSync(join(tmpdir(), 'mmulab-record-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const COMMAND = 'dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g';

const has = (shell: string): boolean => spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0;
const SHELLS: readonly (readonly string[])[] = [['busybox', 'sh'], ['dash']].filter(([shell = '']) => has(shell));
const SHELL = SHELLS[0] ?? ['sh'];

/** Events of a kernel's KVM, by architecture and release. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  'x86 5.10': [
    'kvm/kvm_page_fault',
    'kvm/kvm_exit',
    'kvm/kvm_cr',
    'kvmmmu/kvm_mmu_get_page',
    'kvmmmu/kvm_mmu_prepare_zap_page',
    'kvmmmu/kvm_mmu_set_spte',
    'kvmmmu/fast_page_fault',
  ],
  'x86 6.1': [
    'kvm/kvm_page_fault',
    'kvm/kvm_exit',
    'kvm/kvm_cr',
    'kvmmmu/kvm_mmu_get_page',
    'kvmmmu/kvm_mmu_prepare_zap_page',
    'kvmmmu/kvm_mmu_set_spte',
    'kvmmmu/fast_page_fault',
    'kvmmmu/kvm_tdp_mmu_spte_changed',
    'kvmmmu/kvm_mmu_split_huge_page',
  ],
  'x86 6.12': [
    'kvm/kvm_page_fault',
    'kvm/kvm_exit',
    'kvm/kvm_cr',
    'kvmmmu/kvm_mmu_get_page',
    'kvmmmu/kvm_mmu_prepare_zap_page',
    'kvmmmu/kvm_mmu_set_spte',
    'kvmmmu/fast_page_fault',
    'kvmmmu/kvm_tdp_mmu_spte_changed',
    'kvmmmu/kvm_mmu_split_huge_page',
  ],
  'arm64 5.10': [
    'kvm/kvm_guest_fault',
    'kvm/kvm_exit',
    'kvm/kvm_unmap_hva_range',
    'kvm/kvm_set_spte_hva',
    'kvm/kvm_age_hva',
    'kvm/kvm_test_age_hva',
    'kvm/kvm_toggle_cache',
    'kvm/kvm_set_way_flush',
  ],
  'arm64 6.1': ['kvm/kvm_guest_fault', 'kvm/kvm_exit', 'kvm/kvm_set_way_flush', 'kvm/kvm_toggle_cache'],
  'arm64 6.12': ['kvm/kvm_guest_fault', 'kvm/kvm_exit', 'kvm/kvm_set_way_flush', 'kvm/kvm_toggle_cache'],
};
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  '5.10': ['nx_huge_pages', 'tdp_mmu'],
  '6.1': ['nx_huge_pages', 'tdp_mmu', 'eager_page_split'],
  '6.12': ['nx_huge_pages', 'tdp_mmu', 'eager_page_split'],
};

interface Host {
  readonly root: string;
  readonly out: string;
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${text}\n`);
}

/** A host made of files: tracefs and debugfs as a release lays them out, and a test that runs. */
function fakeHost(layout: string, trace: string): Host {
  const root = mkdtempSync(join(directory, 'host-'));
  const [arch = '', release = ''] = layout.split(' ');
  const tracefs = join(root, layout.endsWith('5.10') ? 'sys/kernel/debug/tracing' : 'sys/kernel/tracing');
  for (const event of [...(EVENTS[layout] ?? []), 'syscalls/sys_enter_ioctl', 'syscalls/sys_exit_ioctl']) {
    put(join(tracefs, 'events', event, 'enable'), '0');
    put(join(tracefs, 'events', event, 'filter'), 'none');
  }
  put(join(tracefs, 'tracing_on'), '1');
  put(join(tracefs, 'current_tracer'), 'function');
  put(join(tracefs, 'buffer_size_kb'), '7 (expanded: 1408)');
  put(join(tracefs, 'trace'), '');
  put(join(tracefs, 'per_cpu/cpu0/stats'), 'entries: 3\noverrun: 0');
  writeFileSync(join(tracefs, 'trace_pipe'), trace);
  put(join(root, 'proc/sys/kernel/osrelease'), `${release}.0-18-generic`);
  put(join(root, 'proc/sys/kernel/version'), `#1 SMP Debian ${{ '5.10': '5.10.262-1', '6.1': '6.1.192-1', '6.12': '6.12.117-1' }[release] ?? ''}`);
  put(join(root, 'proc/sys/kernel/arch'), arch === 'x86' ? 'x86_64' : 'aarch64');
  put(
    join(root, 'proc/cpuinfo'),
    arch === 'x86' ? 'vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm npt' : 'CPU implementer\t: 0x41\nCPU part\t: 0xd0c',
  );
  put(join(root, 'sys/kernel/mm/transparent_hugepage/enabled'), 'always [madvise] never');
  put(join(root, 'sys/kernel/debug/kvm/pf_taken'), '17');
  if (arch === 'x86') {
    for (const name of PARAMETERS[release] ?? []) put(join(root, 'sys/module/kvm/parameters', name), name === 'tdp_mmu' ? 'Y' : 'N');
    put(join(root, 'sys/module/kvm_amd/parameters/npt'), '1');
  }
  put(join(root, 'dirty_log_perf_test'), '#!/bin/sh\necho tested');
  chmodSync(join(root, 'dirty_log_perf_test'), 0o755);
  put(join(root, 'slow_test'), '#!/bin/sh\nsleep 30');
  chmodSync(join(root, 'slow_test'), 0o755);
  return { root, out: join(root, 'out') };
}

/** All settings of a fake tracefs, as far as they have a value that stays. */
function settings(root: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  const walk = (at: string): void => {
    for (const name of readdirSync(at)) {
      const path = join(at, name);
      if (statSync(path).isDirectory()) walk(path);
      else if (['enable', 'filter', 'tracing_on', 'current_tracer', 'buffer_size_kb'].includes(name))
        values[path] = readFileSync(path, 'utf8').trim();
    }
  };
  walk(join(root, 'sys/kernel'));
  // What a file says in more words than it is told in, the kernel says itself.
  return Object.fromEntries(Object.entries(values).map(([path, value]) => [path, value.replace(/^7 .*/, '7').replace(/^none$/, '0')]));
}

/** Starts the script on a host. @returns its exit code */
function record(shell: readonly string[], { root, out }: Host, test = 'dirty_log_perf_test'): Promise<number | null> {
  const script = join(root, 'record.sh');
  writeFileSync(script, recordScript([join(root, test), ...COMMAND.split(' ').slice(1)]));
  const [program = '', ...before] = shell;
  const child = spawn(program, [...before, script, '-o', out], { env: { ...process.env, MMULAB_ROOT: root }, stdio: 'ignore' });
  return new Promise(resolve => child.on('exit', resolve));
}

describe('the recording script on hosts made of files', () => {
  // The script waits a second for the last lines of the trace: all hosts are recorded at once.
  const recordings = SHELLS.flatMap(shell => Object.keys(EVENTS).map(layout => ({ shell, layout, title: `${shell.join(' ')}, ${layout}` })));
  let recorded: readonly { readonly host: Host; readonly before: ReturnType<typeof settings>; readonly status: number | null }[];
  beforeAll(async () => {
    recorded = await Promise.all(
      recordings.map(async ({ shell, layout }) => {
        const host = fakeHost(layout, '');
        const before = settings(host.root);
        return { host, before, status: await record(shell, host) };
      }),
    );
  });

  it.each(recordings.map(({ title, layout }, i) => ({ title, layout, i })))(
    '$title: switches on what is there, and everything back',
    ({ layout, i }) => {
      const recording = recorded[i];
      if (recording === undefined) throw new Error(`${layout} was not recorded`);
      const { host, before, status } = recording;
      expect(status).toBe(0);
      expect(settings(host.root)).toEqual(before);
      expect(readFileSync(join(host.out, 'events'), 'utf8').trim().split('\n').sort()).toEqual(
        [...(EVENTS[layout] ?? []), 'syscalls/sys_enter_ioctl', 'syscalls/sys_exit_ioctl'].sort(),
      );
      expect(readFileSync(join(host.out, 'stats.end'), 'utf8')).toBe('pf_taken=17\n');
      expect(readFileSync(join(host.out, 'output'), 'utf8')).toBe('tested\n');
      expect(existsSync(join(host.out, '.saved'))).toBe(false);
    },
  );

  it('Ctrl-C ends the test and puts everything back', async () => {
    const host = fakeHost('x86 6.1', '');
    const before = settings(host.root);
    const script = join(host.root, 'record.sh');
    writeFileSync(script, recordScript([join(host.root, 'slow_test')]));
    const [program = '', ...first] = SHELL;
    const child = spawn(program, [...first, script, '-o', host.out], { env: { ...process.env, MMULAB_ROOT: host.root }, stdio: 'ignore' });
    const ended = new Promise<number | null>(resolve => child.on('exit', resolve));
    for (let i = 0; i < 100 && !existsSync(join(host.out, 'output')); i++) await new Promise(resolve => setTimeout(resolve, 50));
    expect(settings(host.root)).not.toEqual(before);
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(settings(host.root)).toEqual(before);
  });

  it('a recording is never written over, a wrong option is refused', async () => {
    const host = fakeHost('x86 6.1', '');
    expect(await record(SHELL, host)).toBe(0);
    expect(await record(SHELL, host)).toBe(2);
    const script = join(host.root, 'record.sh');
    const [program = '', ...first] = SHELL;
    expect(spawnSync(program, [...first, script, '--wrong']).status).toBe(2);
    expect(execFileSync(program, [...first, script, '-h'], { encoding: 'utf8' })).toMatch(/-p PID/);
  });

  it('a running process is looked at for as long as it lives', () => {
    const host = fakeHost('x86 6.1', '');
    mkdirSync(join(host.root, 'proc/4711'), { recursive: true });
    const script = join(host.root, 'record.sh');
    writeFileSync(script, recordScript([]));
    const [program = '', ...first] = SHELL;
    const { status } = spawnSync(program, [...first, script, '-o', host.out, '-p', '4711', '-t', '1'], {
      env: { ...process.env, MMULAB_ROOT: host.root },
    });
    expect(status).toBe(0);
    expect(readFileSync(join(host.out, 'facts'), 'utf8')).toMatch(/^pid=4711$/m);
  });
});

describe('from a recording to a record', () => {
  const registry = pluginRegistry();

  it('a simulated host records what verify finds equal, every value of eight phases', async () => {
    const { text } = writeTrace({ command: COMMAND, kernel: '6.12.117', vendor: 'amd', options: { eager_page_split: 'N' }, ioctls: true });
    const host = fakeHost('x86 6.12', text);
    expect(await record(SHELL, host)).toBe(0);
    const { file, notes } = readRecord(host.out, registry);
    const [one] = file.records;
    expect(notes).toEqual([]);
    expect(one).toMatchObject({
      arch: 'x86',
      backend: 'x86-tdp',
      kernel: '6.12.117',
      host: { vendor: 'amd', thp: 'madvise' },
      command: COMMAND,
      exact: true,
    });
    expect(one?.options).toEqual({ nx_huge_pages: 'N', eager_page_split: 'N', tdp_mmu: 'Y', npt: 'Y' });
    expect(one?.phases.map(({ phase }) => phase)).toEqual([
      'populate',
      'enable_log',
      'dirty_1',
      'get_log_1',
      'dirty_2',
      'get_log_2',
      'disable_log',
      'destroy_vm',
    ]);
    const path = join(host.root, 'record.json');
    writeFileSync(path, JSON.stringify(file));
    const report = verifyRecords([path], registry, {});
    expect(report.differences).toEqual([]);
    expect(report.values).toBeGreaterThan(150);
    expect(report.equal).toBe(report.values);
  });

  it('counters whose events the kernel lacks are left out, not zero', async () => {
    const { text } = writeTrace({ command: COMMAND, kernel: '6.1.192', vendor: 'amd', options: { eager_page_split: 'N' }, ioctls: true });
    const host = fakeHost('x86 6.1', text);
    rmSync(join(host.root, 'sys/kernel/tracing/events/kvmmmu/fast_page_fault'), { recursive: true });
    expect(await record(SHELL, host)).toBe(0);
    const counters = readRecord(host.out, registry).file.records[0]?.phases[0]?.counters ?? {};
    expect(counters).not.toHaveProperty('fast_page_fault');
    expect(counters['huge_split.2m']).toBe(0);
  });

  it('what is no recording, or of no known test, is refused by name', async () => {
    expect(() => readRecord(join(directory, 'none'), registry)).toThrow(/RECORDING_NOT_FOUND/);
    const empty = mkdtempSync(join(directory, 'empty-'));
    expect(() => readRecord(empty, registry)).toThrow(/RECORDING_INCOMPLETE.*facts/);
    const host = fakeHost('x86 6.1', '');
    await record(SHELL, host, 'slow_test_that_is_not_there');
    expect(() => readRecord(host.out, registry)).toThrow(/RECORDING_TEST.*dirty_log_perf_test/);
  });
});
