/**
 * Every format with a file as people have it, and with what may be wrong with one.
 */
import { Registry, resolveRuns, planRun } from '@mmulab/runner';
import { cpus } from 'node:os';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { configOf, configText, readImport, recordOf, resultOf, underlayImport, type Imported } from './index';

const registry = Registry.load(['@mmulab/x86', '@mmulab/arm64', '@mmulab/workloads'], __dirname);
const fixture = (name: string): string => join(__dirname, 'fixtures', name);
const directory = mkdtempSync(join(tmpdir(), 'mmulab-import-'));
afterAll(() => rmSync(directory, { recursive: true }));

const read = (name: string): Imported => readImport(fixture(name), registry);
const readText = (text: string, name = 'file'): Imported => {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return readImport(path, registry);
};
const settings = ({ settings: list }: Imported): Record<string, unknown> => Object.fromEntries(list.map(({ key, value }) => [key, value]));
const reasons = ({ leftOut }: Imported): Record<string, string> => Object.fromEntries(leftOut.map(({ said, why }) => [said, why]));
const codeOf = (action: () => unknown): string => {
  try {
    action();
    return '';
  } catch (error) {
    return (error as { readonly code?: string }).code ?? String(error);
  }
};

describe('every file', () => {
  it.each(['kvm.conf', 'cmdline.txt', 'grub.txt', 'firecracker.json', 'domain.xml', 'qemu.sh', 'tests.json', 'testcases'])(
    '%s prints a config that can be run',
    name => {
      const text = configText(read(name), registry);
      const config = parse(text) as object;
      const runs = resolveRuns(config, registry);
      expect(runs.map(run => planRun(run, registry).phases.length > 0)).not.toContain(false);
      expect(resolveRuns(configOf([read(name)], registry).config, registry)).toEqual(runs);
    },
  );
});

describe('modprobe.d', () => {
  it('sets the options of KVM, the vendor and the backend that runs them', () => {
    expect(settings(read('kvm.conf'))).toEqual({
      'backend.name': 'x86-shadow',
      'host.vendor': 'intel',
      'backend.options.npt': 'Y',
      'host.ad_bits': 'N',
      'host.pml': 'N',
      'backend.options.tdp_mmu': 'N',
      'backend.options.nx_huge_pages': 'Y',
      'backend.options.nx_huge_pages_recovery_ratio': 60,
    });
  });

  it('says what it left out, with lines', () => {
    const { leftOut } = read('kvm.conf');
    expect(leftOut.map(({ said, line }) => [said, line])).toEqual(
      expect.arrayContaining([
        ['options kvm_intel nested=1', 3],
        ['blacklist nouveau', 8],
        ['options vfio-pci ids=10de:1b80', 9],
      ]),
    );
  });

  it.each([
    ['force', 'Y'],
    ['off', 'N'],
    ['never', 'N'],
    ['auto', 'Y'],
    ['1', 'Y'],
    ['n', 'N'],
  ])('nx_huge_pages=%s is %s', (value, option) => {
    expect(settings(readText(`options kvm nx_huge_pages=${value}\n`))).toEqual({ 'backend.options.nx_huge_pages': option });
  });

  it('keeps two-dimensional paging when only tdp_mmu is off', () => {
    const { config } = configOf([readText('options kvm tdp_mmu=0\n')], registry);
    expect(resolveRuns(config, registry)[0]?.backend).toMatchObject({ name: 'x86-shadow', options: { npt: 'Y', tdp_mmu: 'N' } });
  });

  it('takes a bare flag for Y, and of two values the later one', () => {
    expect(settings(readText('options kvm tdp_mmu=0 tdp_mmu\n'))).toEqual({ 'backend.options.tdp_mmu': 'Y' });
  });

  it('takes Intel where both modules are set up, and says so', () => {
    const both = readText('options kvm_amd npt=0\noptions kvm-intel ept=1\n');
    expect(settings(both)).toMatchObject({ 'host.vendor': 'intel', 'backend.options.npt': 'Y' });
    expect(reasons(both)).toHaveProperty('options kvm_amd npt=0');
  });

  it.each<[string, string]>([
    ['options kvm tdp_mmu=maybe\n', 'IMPORT_VALUE'],
    ['options kvm nx_huge_pages=sometimes\n', 'IMPORT_VALUE'],
    ['options kvm nx_huge_pages_recovery_ratio=-1\n', 'IMPORT_VALUE'],
    ['options kvm tdp_mmu=0\noption kvm npt=0\n', 'IMPORT_MALFORMED'],
    ['options kvm ignore_msrs=1\n', 'IMPORT_NOTHING'],
  ])('refuses %j', (text, code) => {
    expect(codeOf(() => readText(text, 'a.conf'))).toBe(code);
  });
});

describe('a kernel command line', () => {
  it('spells parameters with the module before a dot', () => {
    expect(settings(read('cmdline.txt'))).toEqual({
      'backend.name': 'x86-shadow',
      'host.vendor': 'intel',
      'host.thp': 'never',
      'backend.options.nx_huge_pages': 'N',
      'backend.options.npt': 'N',
      'backend.options.eager_page_split': 'N',
    });
  });

  it('may stand in /etc/default/grub; auto is off with mitigations=off', () => {
    expect(settings(read('grub.txt'))).toEqual({ 'host.vendor': 'amd', 'backend.options.nx_huge_pages': 'N', 'backend.options.npt': 'Y' });
    expect(settings(readText('mitigations=off kvm.nx_huge_pages=auto'))['backend.options.nx_huge_pages']).toBe('N');
    expect(settings(readText('mitigations=auto,nosmt kvm.nx_huge_pages=auto'))['backend.options.nx_huge_pages']).toBe('Y');
  });

  it('may be that of an arm64 host', () => {
    expect(settings(readText('root=/dev/vda kvm-arm.mode=nvhe'))).toEqual({ 'backend.name': 'arm64-stage2', 'host.vhe': 'N' });
  });
});

describe('Firecracker', () => {
  it('gives vCPUs, huge pages, and the memory that the balloon leaves', () => {
    const imported = read('firecracker.json');
    expect(settings(imported)).toEqual({ 'vm.vcpus': 2, 'workload.options.backing': 'anonymous_hugetlb_2mb' });
    expect(imported.memory?.bytes).toBe(768 * 2 ** 20);
    expect(resolveRuns(configOf([imported], registry).config, registry)[0]?.workload.options).toMatchObject({ vcpus: 2, bytes: 384 * 2 ** 20 });
  });

  it('may be the body of a request', () => {
    expect(settings(readText('{"vcpu_count": 4, "mem_size_mib": 128}'))).toEqual({ 'vm.vcpus': 4, 'workload.options.backing': 'anonymous' });
  });

  it.each<[string, string]>([
    ['{"machine-config": {"vcpu_count": 2,}}', 'IMPORT_MALFORMED'],
    ['{"machine-config": {"vcpu_count": 1, "vcpu_count": 2}}', 'IMPORT_MALFORMED'],
    ['{"machine-config": {"vcpu_count": "2", "mem_size_mib": 128}}', 'IMPORT_VALUE'],
    ['{"machine-config": {"vcpu_count": 2, "mem_size_mib": 0}}', 'IMPORT_VALUE'],
    ['{"machine-config": {"vcpu_count": 2, "mem_size_mib": 128, "huge_pages": "1G"}}', 'IMPORT_VALUE'],
    ['{"machine-config": {"vcpu_count": 2, "mem_size_mib": 128}, "balloon": {"amount_mib": 128}}', 'IMPORT_VALUE'],
    ['{"machine-config": []}', 'IMPORT_VALUE'],
  ])('refuses %s', (text, code) => {
    expect(codeOf(() => readText(text))).toBe(code);
  });
});

describe('a libvirt domain', () => {
  it('gives the vCPUs and memory it starts with, and its hugetlb pages', () => {
    const imported = read('domain.xml');
    expect(settings(imported)).toEqual({ 'vm.vcpus': 4, 'workload.options.backing': 'anonymous_hugetlb_1gb' });
    expect(imported.memory?.bytes).toBe(4 * 2 ** 30);
    expect(Object.keys(reasons(imported))).toEqual(expect.arrayContaining(['<devices>', '<cputune>', '<locked>']));
  });

  it('of an arm64 guest runs on the stage-2 backend, and of one that nobody models says so', () => {
    const os = (arch: string): Imported => readText(`<domain type='qemu'><vcpu>1</vcpu><os><type arch='${arch}'>hvm</type></os></domain>`);
    expect(settings(os('aarch64'))['backend.name']).toBe('arm64-stage2');
    expect(Object.keys(reasons(os('s390x')))).toEqual(["arch='s390x'", "type='qemu'"].sort((a, b) => b.localeCompare(a)));
  });

  const domain = (inner: string): string => `<domain type='kvm'>${inner}</domain>`;
  it.each<[string, string]>([
    ['', 'anonymous_thp'],
    ['<memoryBacking><hugepages/></memoryBacking>', 'anonymous_hugetlb_2mb'],
    ["<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>", 'shmem'],
    ["<memoryBacking><hugepages/><access mode='shared'/></memoryBacking>", 'shared_hugetlb'],
  ])('with %s has %s', (inner, backing) => {
    expect(settings(readText(domain(`<vcpu>1</vcpu>${inner}`)))['workload.options.backing']).toBe(backing);
  });

  it.each<[string, number]>([
    ['<memory>1048576</memory>', 2 ** 30],
    ["<memory unit='GB'>1</memory>", 1e9],
    ["<memory unit='bytes'>4096</memory>", 4096],
  ])('%s is %i bytes', (inner, bytes) => {
    expect(readText(domain(inner)).memory?.bytes).toBe(bytes);
  });

  it.each<[string, string]>([
    [domain('<vcpu>two</vcpu>'), 'IMPORT_VALUE'],
    [domain("<memory unit='furlong'>1</memory>"), 'IMPORT_VALUE'],
    [domain('<vcpu>2</vcpus>'), 'IMPORT_MALFORMED'],
    ["<domain type='kvm'><vcpu>2", 'IMPORT_MALFORMED'],
    [`<domain><!DOCTYPE x [<!ENTITY a "b">]><vcpu>2</vcpu></domain>`, 'IMPORT_MALFORMED'],
    [domain('<a>'.repeat(50_000) + '</a>'.repeat(50_000)), ''],
  ])('%# is refused, or read', (text, code) => {
    expect(['IMPORT_MALFORMED', code]).toContain(codeOf(() => readText(text)));
  });
});

describe('a QEMU command line', () => {
  it('gives vCPUs, memory and backend of memory, from a script or from /proc', () => {
    const imported = read('qemu.sh');
    expect(settings(imported)).toEqual({ 'vm.vcpus': 4, 'workload.options.backing': 'shared_hugetlb' });
    expect(imported.memory?.bytes).toBe(4 * 2 ** 30);
    const words = ['/usr/bin/qemu-system-aarch64', '-accel', 'kvm', '-m', '512', '-smp', 'cores=2,threads=2', '-mem-path', '/dev/hugepages1G', ''];
    expect(settings(readText(words.join('\0')))).toEqual({
      'backend.name': 'arm64-stage2',
      'vm.vcpus': 4,
      'workload.options.backing': 'anonymous_hugetlb_1gb',
    });
  });

  it('takes transparent huge pages where nothing else is said, and says when KVM is not asked for', () => {
    const imported = readText('qemu-system-x86_64 -m 2G -nographic');
    expect(settings(imported)).toMatchObject({ 'vm.vcpus': 1, 'workload.options.backing': 'anonymous_thp' });
    expect(reasons(imported)).toHaveProperty('no -accel kvm');
  });

  it.each<[string, string]>([
    ['qemu-system-x86_64 -enable-kvm -smp many', 'IMPORT_VALUE'],
    ['qemu-system-x86_64 -enable-kvm -m lots', 'IMPORT_VALUE'],
    ['qemu-system-x86_64 -enable-kvm -m "4G', 'WORKLOAD_COMMAND'],
  ])('refuses %s', (text, code) => {
    expect(codeOf(() => readText(text))).toBe(code);
  });
});

describe('counts', () => {
  const test = ['demand_paging_test', '-v', '1', '-b', '16M', '-s', 'anonymous_hugetlb_2mb'];

  it('of perf stat are a record of the test it ran', () => {
    const [record] = recordOf(read('perf-stat.txt'), { kernel: '6.12.117' }, registry).records;
    expect(record).toMatchObject({ backend: 'x86-tdp', kernel: '6.12.117', command: test.join(' '), exact: false });
    expect(record?.phases).toEqual([{ phase: 'total', counters: { page_fault: 1026, fast_page_fault: 26, 'table.alloc': 6 } }]);
    expect(reasons(read('perf-stat.txt'))['kvm:kvm_exit']).toMatch(/all exits/);
  });

  it.each<[string, Record<string, number>]>([
    ['perf-stat.csv', { page_fault: 1026, fast_page_fault: 26 }],
    ['perf-kvm-stat.txt', { page_fault: 1026, 'pml.full': 2 }],
    ['kvm-stat.txt', { pf_fixed: 1026, pf_taken: 1026, pages_4k: 18, pages_2m: 8, tlb_flush: 4 }],
  ])('of %s are of the test that is named beside them', (name, counters) => {
    expect(read(name).counts?.counters).toEqual(counters);
    expect(codeOf(() => recordOf(read(name), {}, registry))).toBe('IMPORT_NO_COMMAND');
    expect(resultOf(read(name), { words: test }, registry)).toMatchObject({ phases: [], totals: { counters } });
  });

  it('are no config', () => {
    expect(codeOf(() => underlayImport({}, read('perf-stat.txt'), registry))).toBe('IMPORT_UNFIT');
  });

  it.each<[string, string]>([
    [" Performance counter stats for 'system wide':\n\n  12  cycles\n", 'IMPORT_NOTHING'],
    [" Performance counter stats for 'system wide':\n\n  12  kvm:kvm_page_fault\n  13  kvm:kvm_page_fault\n", 'IMPORT_MALFORMED'],
    ['kvm statistics\n\n exits 5 0\n', 'IMPORT_NOTHING'],
  ])('%j: refused', (text, code) => {
    expect(codeOf(() => readText(text))).toBe(code);
  });
});

describe('lists of tests', () => {
  it('of the selftest runner give every test that can be run, and say why not the others', () => {
    const imported = read('tests.json');
    expect(imported.commands.map(({ name, words }) => [name, words.join(' ')])).toEqual([
      ['dirty_log_perf_tests/max_vcpu_no_manual_protect', `dirty_log_perf_test -v ${cpus().length} -b 4M -g`],
      ['dirty_log_perf_tests/hugetlb', 'dirty_log_perf_test -s anonymous_hugetlb_2mb -b 8M'],
    ]);
    expect(Object.values(reasons(imported))).toEqual(expect.arrayContaining(['not a test that can be run', 'only a shell knows what | does']));
  });

  it('of a folder take comments, taskset and the environment off', () => {
    const { commands } = read('testcases');
    expect(commands.map(({ name, words }) => [name, words.join(' ')])).toEqual([
      ['dirty_log_perf_test/default', 'dirty_log_perf_test -b 4M'],
      ['dirty_log_perf_test/no-manual', 'dirty_log_perf_test -g -b 4M'],
    ]);
  });

  it.each<[string, string]>([
    ['sudo -u root taskset 0x3 ./dirty_log_perf_test -g', 'dirty_log_perf_test -g'],
    ['taskset -c 1,2 numactl --cpunodebind=0 -m 0 nice -n 5 ./dirty_log_perf_test', 'dirty_log_perf_test'],
    ['A=1 B="2 3" env C=4 timeout -k 5 60 perf stat -e kvm:kvm_page_fault ./dirty_log_perf_test -v 2 # note', 'dirty_log_perf_test -v 2'],
    ["access_rounds -p 'w,r' '#'", 'access_rounds -p w,r #'],
  ])('%s is %s', (line, words) => {
    expect(readText(`${line}\n`, 'a.test').commands[0]?.words.join(' ')).toBe(words);
  });

  it.each<[string, string, string]>([
    ['[{"suite": "a", "tests": [{"command": 5}]}]', 'tests.json', 'IMPORT_VALUE'],
    ['[{"suite": "a", "tests": [{"command": "./nothing"}]}]', 'tests.json', 'IMPORT_NOTHING'],
    ['[{"suite": "a", "tests": [{"command": "./nothing"}]', 'tests.json', 'IMPORT_MALFORMED'],
    ['# nothing\n', 'a.test', 'IMPORT_NOTHING'],
    ['dirty_log_perf_test -s "anon\n', 'a.test', 'WORKLOAD_COMMAND'],
  ])('%s as %s: refused', (text, name, code) => {
    expect(codeOf(() => readText(text, name))).toBe(code);
  });
});

describe('an import under a config', () => {
  it('counts where the config says nothing, and notes where it says something else', () => {
    const raw = { host: { vendor: 'amd' }, backend: { options: { ept: 'N' } }, workload: 'dirty_log_perf_test -v 3' };
    const { config, notes } = underlayImport({ ...raw, backend: { name: 'x86-shadow', options: { npt: 'N' } } }, read('kvm.conf'), registry);
    expect(config).toMatchObject({ host: { vendor: 'amd', pml: 'N' }, backend: { options: { npt: 'N', tdp_mmu: 'N' } } });
    expect(notes.filter(note => note.includes('the config says something else')).map(note => note.split(' ')[0])).toEqual([
      'host.vendor=intel',
      'backend.options.npt=Y',
    ]);
  });

  it('is beaten by a config that names the option by an alias, and by none that says the same in other words', () => {
    const beside = (ept: unknown): readonly string[] => {
      const raw = { backend: { name: 'x86-shadow', options: { ept, tdp_mmu: 'N' } }, workload: 'dirty_log_perf_test' };
      const { config, notes } = underlayImport(raw, read('kvm.conf'), registry);
      expect(config).toMatchObject({ backend: { options: { ept } } });
      return notes.filter(note => note.startsWith('backend.options'));
    };
    expect(beside('N')).toEqual([expect.stringMatching(/^backend\.options\.npt=Y .*the config says something else, which counts/)]);
    expect(beside(1)).toEqual([]);
  });

  it('leaves a varied key to the matrix, and says what the workload has no option for', () => {
    const { config, notes } = underlayImport({ workload: 'cr_churn -m w -n 10 -p 10', vary: { vcpus: [1, 2] } }, read('firecracker.json'), registry);
    expect(resolveRuns(config, registry).map(run => run.workload.options['vcpus'])).toEqual([1, 2]);
    expect(notes.some(note => /^workload\.options\.bytes=.*the workload has no such option/.test(note))).toBe(true);
  });

  it('of memory is that of all vCPUs: divided among them where the test counts per vCPU', () => {
    const bytes = (workload: string): unknown =>
      resolveRuns(underlayImport({ workload }, read('qemu.sh'), registry).config, registry)[0]?.workload.options['bytes'];
    expect([bytes('demand_paging_test'), bytes('demand_paging_test -v 2'), bytes('kvm_page_table_test'), bytes('demand_paging_test -b 8M')]).toEqual([
      2 ** 30,
      2 ** 31,
      2 ** 32,
      2 ** 23,
    ]);
  });
});

describe('a damaged file', () => {
  const names = [
    'kvm.conf',
    'cmdline.txt',
    'grub.txt',
    'firecracker.json',
    'domain.xml',
    'qemu.sh',
    'tests.json',
    'perf-stat.txt',
    'perf-kvm-stat.txt',
    'kvm-stat.txt',
  ];
  it.each(names)('made of %s is read or refused with a code', name => {
    const text = readFileSync(fixture(name), 'utf8');
    const damages = Array.from({ length: 40 }, (_, i) => Math.floor((text.length * i) / 40)).flatMap(at => [
      text.slice(0, at),
      `${text.slice(0, at)}\u0000"<{${text.slice(at)}`,
      text.slice(0, at) + text.slice(at + 7),
    ]);
    const codes = new Set(damages.map(damaged => codeOf(() => configText(readText(damaged, `damaged-${name}`), registry))));
    expect([...codes].filter(code => code !== '' && !/^[A-Z]+(_[A-Z]+)+$/.test(code))).toEqual([]);
  });

  it('of a million brackets is refused at once', () => {
    const texts = [
      '<domain>'.repeat(200_000),
      `{"vcpu_count":${'['.repeat(1_000_000)}`,
      `qemu-system-x86_64 -m ${'1,'.repeat(300_000)}`,
      `options kvm ${' '.repeat(1_000_000)}x`,
    ];
    expect(texts.map(text => codeOf(() => readText(text))).filter(code => !/^[A-Z]+(_[A-Z]+)+$/.test(code))).toEqual([]);
  });
});

describe('a file of no known format', () => {
  it.each(['', 'hello\n', '\u0000\u0001\u0002', '{"a": 1}', '<html></html>', readFileSync(__filename, 'utf8').slice(0, 200)])('%j: refused', text => {
    expect(codeOf(() => readText(text))).toBe('IMPORT_UNKNOWN_FORMAT');
  });

  it('is not one that does not exist', () => {
    expect(codeOf(() => readImport(join(directory, 'nowhere'), registry))).toBe('FILE_NOT_FOUND');
  });
});
