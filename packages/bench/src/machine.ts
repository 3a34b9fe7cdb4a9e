/**
 * The virtual machine the benches run: one memslot whose memory the vCPUs share out between them, on the newest kernel of a backend: `x86-tdp`, or the one that runs
 * before it where a bench asks what that costs.
 *
 * The guest's address space is the identity and its table pages are left out, so that an access is one second-stage walk, as in the baseline; only its
 * top table has a frame, in a slot of its own. The processor has no page-modification log: dirty logging goes by write protection.
 */
import type { BackendContribution, BackendDefinition, Counters, HostBacking, HostFault, MmuBackend, OptionValues } from '@mmulab/api';
import { join } from 'node:path';
import { Stage2Mmu, stage2Definition } from '@mmulab/arm64';
import { Registry } from '@mmulab/runner';
import { TdpBackend, tdpDefinition } from '@mmulab/x86';
import { BenchCounters } from './counters';

/** First frame of the memory under test: 4 GiB. */
export const BASE_GFN = 2 ** 20;
/** Memslot of the memory under test. */
export const TEST_SLOT = 1;
/** Pages in 1 GiB. */
export const PAGES_PER_GIB = 2 ** 18;

const ROOT_SLOT_PAGES = 16;
const ROOT_GFN = 1;
const PHYS_BITS = 46;

function sharedMemory(name: string, level: number): HostBacking {
  const toOwn: HostFault = { ok: true, state: 1, spanLevel: level, writable: true, notifications: [] };
  return {
    name,
    doc: 'Shared memory, writable from the first access on.',
    pageLevel: level,
    hugetlb: level > 1,
    states: [
      { name: 'none', present: false, writable: false, level, thp: false },
      { name: 'own', present: true, writable: true, level, thp: false },
    ],
    populated: 1,
    faults: [toOwn, toOwn, toOwn, toOwn],
  };
}

/** Host memory in 4 KiB pages. */
export const smallPages = sharedMemory('small pages', 1);
/** Host memory in 1 GiB pages. */
export const hugePages = sharedMemory('1 GiB pages', 3);

/** A machine with its counters. */
export interface BenchMachine {
  readonly backend: MmuBackend;
  readonly counters: BenchCounters;
  readonly vcpus: number;
  /** Pages each vCPU calls its own; vCPU n's begin at `BASE_GFN + n * pagesPerVcpu`. */
  readonly pagesPerVcpu: number;
}

/** Values of the options without a profile: their defaults, which are the newest kernel's. */
function defaults(specs: BackendDefinition['options']): OptionValues {
  return Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
}

/** How backends are made whose engines are the default ones. */
type MakeBackend = new (options: OptionValues, host: OptionValues, counters: Counters) => MmuBackend;

/** A backend to bench. */
export interface BenchBackend {
  /** What it is called in a report. */
  readonly name: string;
  /** The baseline that does the same work: its source in native/, without .c. */
  readonly model: string;
  readonly definition: BackendDefinition;
  /** Facts of the host other than the backend's defaults. */
  readonly host: OptionValues;
  create(options: OptionValues, host: OptionValues, counters: Counters): MmuBackend;
}

/** The backends that are measured; the second is also the one that may run before the first. */
export const tdp: BenchBackend = {
  name: 'x86-tdp',
  model: 'tdp',
  definition: tdpDefinition,
  host: { pml: 'N' },
  create: (options, host, counters) => new TdpBackend(options, host, counters),
};
export const stage2: BenchBackend = {
  name: 'arm64-stage2',
  model: 'stage2',
  definition: stage2Definition,
  host: {},
  create: (options, host, counters) => new Stage2Mmu(options, host, counters),
};

/** The example of a third party's plugin. */
const RISCV_PLUGIN = join(__dirname, '..', '..', '..', 'examples', 'riscv-gstage');

/** A backend that a plugin brings: loaded by its path, as users load it, once it is asked for. */
class PluginBackend implements BenchBackend {
  private found: BackendContribution | undefined;

  constructor(
    readonly name: string,
    readonly model: string,
    readonly host: OptionValues,
    private readonly plugin: string,
  ) {}

  get definition(): BackendDefinition {
    return this.contribution().definition;
  }

  create(options: OptionValues, host: OptionValues, counters: Counters): MmuBackend {
    return new (this.contribution().implementation as MakeBackend)(options, host, counters);
  }

  private contribution(): BackendContribution {
    return (this.found ??= Registry.load([this.plugin], __dirname).backendContribution(this.name));
  }
}

export const gstage: BenchBackend = new PluginBackend('riscv-gstage', 'gstage', { gstage_mode: 'sv48x4' }, RISCV_PLUGIN);

/** Those that are compared. */
export const BACKENDS: readonly BenchBackend[] = [tdp, stage2, gstage];

/** Creates a machine and lets its vCPUs enter. The guest's top table is mapped, so that it costs no access anything more. */
export function createMachine(vcpus: number, pagesPerVcpu: number, backing: HostBacking, on = tdp): BenchMachine {
  const { definition, host } = on;
  const counters = new BenchCounters(definition.events, vcpus);
  const backend = on.create(defaults(definition.options), { ...defaults(definition.hostOptions), ...host }, counters);
  const npages = vcpus * pagesPerVcpu;
  const slot = { readonly: false, populated: [] };
  const guest = { level: 1, writable: true, user: true, executable: true, accessed: true, dirty: true };
  backend.create({
    vcpus,
    physBits: PHYS_BITS,
    memslots: [
      { ...slot, id: 0, baseGfn: 0, npages: ROOT_SLOT_PAGES, hvf: 0, backing: smallPages },
      { ...slot, id: TEST_SLOT, baseGfn: BASE_GFN, npages, hvf: BASE_GFN, backing },
    ],
    spaces: [
      {
        name: 'identity',
        levels: 4,
        root: ROOT_GFN,
        runs: [
          { ...guest, vfn: 0, gfn: 0, npages: ROOT_SLOT_PAGES },
          { ...guest, vfn: BASE_GFN, gfn: BASE_GFN, npages },
        ],
        tables: [],
      },
    ],
    cpu: { wp: true, smep: false, smap: false, efernx: true, pge: true, pcide: false },
  });
  const machine = { backend, counters, vcpus, pagesPerVcpu };
  enterAll(machine);
  backend.touch(0, 0, 0);
  return machine;
}

/** Every vCPU enters the guest and serves what is pending. */
export function enterAll({ backend, vcpus }: BenchMachine): void {
  for (let vcpu = 0; vcpu < vcpus; vcpu++) backend.enter(vcpu);
}
