/**
 * Fuzzed records of kernels, and saved results: one that could be right, changed in up to four places, and its text changed once more.
 */
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { FuzzCase } from './case';
import { edit, edits, mutate, mutations } from './values';
import { isSmall } from './vocabulary';

const RECORD_KEYS = [
  'id',
  'arch',
  'backend',
  'kernel',
  'options',
  'host',
  'command',
  'workload_options',
  'exact',
  'scope',
  'phases',
  'phase',
  'counters',
  'tolerance',
  'tolerence',
  'records',
  'schema',
  'source',
];
const RESULT_KEYS = [
  'schema',
  'name',
  'config',
  'phases',
  'phase',
  'counters',
  'totals',
  'vcpus',
  'slots',
  'time',
  'memory',
  'notes',
  'iterations',
  'wallMs',
];

const x86 = {
  id: 'fuzz/x86',
  arch: 'x86',
  backend: 'x86-tdp',
  kernel: '6.1.192',
  options: { eager_page_split: 'N' },
  host: { vendor: 'amd', thp: 'madvise' },
  command: 'dirty_log_perf_test -v 2 -b 64K -s anonymous -i 2',
  workload_options: {},
  exact: true,
  phases: [
    { phase: 'populate', counters: { page_fault: 40, 'spte.install.4k': 32 }, tolerance: { page_fault: 8 } },
    { phase: 'dirty_1', counters: { page_fault: 32 } },
  ],
};
const arm64 = {
  id: 'fuzz/arm64',
  arch: 'arm64',
  backend: 'arm64-stage2',
  kernel: '6.1.176',
  options: {},
  host: { cpu: 'max' },
  command: 'kvm_page_table_test -v 1 -b 64K -s anonymous',
  workload_options: { selftest: '6.1' },
  exact: false,
  scope: 'the test memslot',
  phases: [{ phase: 'create_mappings', counters: { guest_abort: 16, 'table.alloc': 1 } }],
};
/** A fault and what it changed, as ftrace shows them. */
export const TRACE = `# tracer: nop
 test-338 [000] ...1. 1.093028: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new
 test-338 [000] ..... 1.094511: kvm_page_fault: vcpu 0 rip 0x407ae0 address 0x0000000000180000 error_code 0x200000006
 test-338 [000] .N.1. 1.099977: kvm_mmu_get_page: sp gen 0 gfn 0 l3 8-byte q0 direct wux nxe ad root 0 sync new
 test-338 [000] .N.1. 1.100171: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 0 new_spte e5fb827
 test-338 [000] .N.1. 1.100360: kvm_mmu_get_page: sp gen 0 gfn 0 l2 8-byte q0 direct wux nxe ad root 0 sync new
 test-338 [000] .N.1. 1.100361: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 3 old_spte 0 new_spte e5fa827
 test-338 [000] .N.1. 1.100364: kvm_mmu_get_page: sp gen 0 gfn 0 l1 8-byte q0 direct wux nxe ad root 0 sync new
 test-338 [000] .N.1. 1.100365: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 2 old_spte 0 new_spte e5f9827
 test-338 [000] .N.1. 1.100640: kvm_tdp_mmu_spte_changed: as id 0 gfn 180 level 1 old_spte 0 new_spte 7f7e1e67
 test-338 [000] ..... 1.100780: kvm_entry: vcpu 0, rip 0x407ae0
`;

/** What other programs write, by the name of a file: module parameters, machines, tests, counts. */
const FOREIGN: Readonly<Record<string, string>> = {
  'kvm.conf': '# kvm\noptions kvm tdp_mmu=1 nx_huge_pages=force nx_huge_pages_recovery_ratio=4\noptions kvm_intel ept=1 pml=0\n',
  cmdline: 'BOOT_IMAGE=/vmlinuz ro kvm.nx_huge_pages=auto kvm-intel.ept=1 transparent_hugepage=never mitigations=off\n',
  'vm.json': '{ "machine-config": { "vcpu_count": 2, "mem_size_mib": 2, "huge_pages": "2M" }, "balloon": { "amount_mib": 0 } }\n',
  'vm.xml':
    '<domain type="kvm">\n <memory unit="KiB">2048</memory>\n <vcpu current="1">2</vcpu>\n <os><type arch="x86_64">hvm</type></os>\n <memoryBacking><hugepages/></memoryBacking>\n</domain>\n',
  'qemu.sh': 'exec qemu-system-x86_64 -enable-kvm -smp 2,sockets=1 -m 2M -object memory-backend-memfd,id=m,size=2M,share=on -nographic\n',
  'tests.json': '[{ "binary": "dirty_log_perf_test", "args": "-v 2 -b 64K" }, { "binary": "kvm_page_table_test", "args": "-b 64K" }]\n',
  'some.test': '# a test\nsudo taskset -c 0 ./dirty_log_perf_test -v 1 -b 64K\n',
  'perf.txt':
    " Performance counter stats for './demand_paging_test -v 1 -b 64K':\n\n     1,234      kvm:kvm_page_fault\n     17         kvmmmu:fast_page_fault\n\n 0.01 seconds time elapsed\n",
  'trace.txt': TRACE,
  'perf.csv': '26,,kvm:kvm_page_fault,1000,100.00,,\n<not counted>,,kvmmmu:fast_page_fault,0,0.00,,\n',
};

/** Records for `verify`, saved results for `compare`, and files of other programs for `import`. @param result a result as it is saved */
export function recordCases(result: object): Arbitrary<FuzzCase> {
  const texts = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: edits(2) });
  const options = fc.constantFrom<readonly string[]>([], ['--quiet'], ['--format', 'json'], ['--format', 'csv'], ['--backend', 'arm64-stage2']);
  return fc.oneof(
    { weight: 4, arbitrary: records(texts, options) },
    { weight: 1, arbitrary: savedResults(result, texts, options) },
    { weight: 2, arbitrary: foreignFiles() },
  );
}

type Texts = ReturnType<typeof edits>;
type Options = Arbitrary<readonly string[]>;

function records(texts: Texts, options: Options): Arbitrary<FuzzCase> {
  const base = fc.constantFrom<object[]>([x86], [arm64], [x86, arm64]);
  return fc.tuple(base, mutations(RECORD_KEYS), texts, options).map(([some, changes, spoilt, own]) => {
    const text = edit(`${JSON.stringify(mutate({ schema: 'mmulab.records.v1', records: some }, changes), undefined, 1)}\n`, spoilt);
    return { files: { 'records.json': text }, commands: isSmall(commandsOf(text)) ? [['verify', ...own, 'records.json']] : [] };
  });
}

function savedResults(result: object, texts: Texts, options: Options): Arbitrary<FuzzCase> {
  return fc.tuple(mutations(RESULT_KEYS), mutations(RESULT_KEYS), texts, options).map(([changes, others, spoilt, own]) => ({
    files: {
      'a.json': edit(`${JSON.stringify(mutate(result, changes))}\n`, spoilt),
      'b.json': `${JSON.stringify(mutate([{ ...result, name: 'other' }], others))}\n`,
    },
    commands: [['compare', ...own, 'a.json', 'b.json']],
  }));
}

function foreignFiles(): Arbitrary<FuzzCase> {
  const test = ['--', 'demand_paging_test', '-v', '1', '-b', '64K'];
  return fc.tuple(fc.constantFrom(...Object.keys(FOREIGN)), edits(3), fc.boolean()).map(([name, spoilt, named]) => ({
    files: { [name]: edit(FOREIGN[name], spoilt), 'one.yaml': 'workload: demand_paging_test -v 1 -b 64K\n' },
    commands:
      name === 'trace.txt'
        ? [['replay', ...(named ? ['--check'] : []), name]]
        : [
            ['import', name, ...(named ? test : [])],
            ['validate', '--import', name, 'one.yaml'],
          ],
  }));
}

/** What decides how long a record takes: its command lines and what is set beside them. */
function commandsOf(text: string): string {
  return text.replace(/"(?:counters|tolerance)":[^{}]*\{[^{}]*\}/g, ' ').replace(/[,=:"'[\]{}]/g, ' ');
}
