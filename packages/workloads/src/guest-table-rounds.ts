/**
 * guest_tables: a guest that edits its own page tables while it runs, in rounds: passes over its memory, edits of the entries that map it, flushes of translations, a fork.
 *
 * The guest runs with CR0.WP, as operating systems do, and reaches its table pages through a window of small pages in another entry of its top table, as through a direct
 * map. An access that its own tables refuse is the guest's own fault, which it skips. A fork copies the tables of the whole test memory into new pages, makes the leaves
 * of both sides read-only, and leaves flushing to the rounds that follow.
 */
import 'reflect-metadata';
import type {
  ControlWrite,
  GuestTables,
  OptionSpec,
  PhaseStep,
  VcpuProgram,
  VcpuStep,
  Vfn,
  Workload,
  WorkloadDefinition,
  WorkloadPlan,
  WorkloadRequest,
} from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { addressSpaces } from './cr-churn';
import { invalidRound, memoryTooLarge, notOnArch, optionConflict, sizeUnaligned } from './errors';
import { layOutGuest, slotsOf, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { idleOptions } from './idle-options';
import { bytesOption, numberValue, switchOption, switchValue, textValue, vcpusFlag, vcpusOption } from './option-values';
import type { ByteRange, RoundShape } from './round-syntax';
import { protectSteps, ringOf, roundFlags, roundOptions, planRounds, roundsOptionWith, type PassRound } from './rounds';
import { accesses, destroyVmPhase, guestStep, hostSteps, phase } from './steps';
import { EDITS, WIDTHS, editWrites, forkSteps, invalidatedSteps, type EditedGuest, type Stretch } from './table-edits';
import { ChildTree, entryPages, pagesOf, tablesToward, treeOf, type TableTree } from './table-trees';

const NAME = 'guest_tables';
/** First page of the window on the table pages: the second entry of the top table. */
const WINDOW: Vfn = 2 ** 27;
/** Entries a fork shares: that of the window, and the first GiB, with code, stacks and descriptors. */
const SHARED = [
  { level: 4, entry: 1 },
  { level: 3, entry: 0 },
] as const;
/** Test memory, at most: its tables are written entry by entry. */
const MAX_BYTES = 2 ** 38;
const DEFAULT_BYTES = 4 * 2 ** 20;
/** Least limit on shadow pages that KVM takes. */
const MIN_MMU_PAGES = 64;
const MAX_SPACES = 64;

/** Flushes and switches, by letter. */
const FLUSHES: Readonly<Record<string, string>> = {
  i: 'INVLPG of each page',
  t: 'CR3 is loaded again',
  n: 'the next address space: the child after a fork and back, else one of -k',
  v: 'INVPCID of everything',
  vc: 'INVPCID of PCID 0',
  vi: 'INVPCID of each page',
  g: 'CR4.PGE off and on',
};
const FORK = 'f';

/** An edit's letters: the edit, `d` for the entries above the leaves, a width, `i` for INVLPG after each write. */
const EDIT = new RegExp(`^([${[...EDITS.keys()].join('')}])(d?)([${[...WIDTHS.keys()].join('')}]?)(i?)$`);

function* editLetters(): Generator<string> {
  for (const [letter, { directories }] of EDITS)
    for (const level of directories ? ['', 'd'] : [''])
      for (const width of ['', ...WIDTHS.keys()]) for (const flush of ['', 'i']) yield letter + level + width + flush;
}

const SHAPES: ReadonlyMap<string, RoundShape> = new Map<string, RoundShape>([
  ...[...editLetters()].map((letters): [string, RoundShape] => [letters, 'ranged']),
  ...Object.keys(FLUSHES).map((letters): [string, RoundShape] => [letters, letters === 'i' || letters === 'vi' ? 'ranged' : 'bare']),
  [FORK, 'bare'],
]);

const EDITS_DOC = [...EDITS].map(([letter, { doc }]) => `${letter} ${doc}`).join(', ');
const FLUSHES_DOC = Object.entries(FLUSHES)
  .map(([letter, doc]) => `${letter} ${doc}`)
  .join('; ');
const OWN_NAMES = `${[...EDITS.keys()].join(', ')} (with d, then one of ${[...WIDTHS.keys()].join(', ')}, then i behind), ${[FORK, ...Object.keys(FLUSHES)].join(', ')}, `;
const OWN_DOC =
  `edits of every NUMBER-th entry (${EDITS_DOC}), with d of those one level up, with b, h, l, y by writes of 1, 2, 4, 16 bytes, with i each followed by INVLPG; ` +
  `f copies the tables as fork does; flushes (${FLUSHES_DOC}); `;

const options: readonly OptionSpec[] = [
  vcpusOption,
  bytesOption('Test memory per vCPU.', DEFAULT_BYTES),
  roundsOptionWith({ shapes: SHAPES, names: OWN_NAMES, doc: OWN_DOC }, 'w,u,t,m,w'),
  ...roundOptions.filter(({ name }) => name !== 'rounds' && name !== 'bytes'),
  switchOption(
    'used_entries',
    'A and D are set in the guest’s entries, those it starts with and those it writes: as systems do whose entries are used at once.',
  ),
  {
    kind: 'number',
    name: 'mmu_pages',
    doc: 'KVM_SET_NR_MMU_PAGES before anything runs: limit on shadow pages, from 64 on; 0 leaves it to the kernel.',
    default: 0,
    min: 0,
    max: 2 ** 31,
    integer: true,
  },
  {
    kind: 'number',
    name: 'spaces',
    doc: 'Address spaces that n goes through: copies of the top table over the same tables.',
    default: 1,
    min: 1,
    max: MAX_SPACES,
    integer: true,
  },
];

const flags: readonly CommandFlag[] = [
  vcpusFlag,
  ...roundFlags.map(flag => (flag.letter === 'p' ? { ...flag, doc: `${flag.doc}; ${OWN_DOC.slice(0, -2)}` } : flag)),
  { letter: 'A', option: 'used_entries', value: true, doc: 'entries have A and D set' },
  { letter: 'l', argument: 'pages', option: 'mmu_pages', doc: 'limit on shadow pages, from 64 on' },
  { letter: 'k', argument: 'spaces', option: 'spaces', doc: 'address spaces, copies of the top table' },
];

/** What guest_tables says of itself. */
export const guestTableRoundsDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'A guest that edits its own page tables: maps, unmaps, protects, forks, flushes, in rounds between accesses.',
  options,
  flags,
});

/** guest_tables. */
@injectable()
export class GuestTableRounds implements Workload {
  /** @throws MmulabError WORKLOAD_NOT_ON_ARCH; for sizes and options that do not fit, and rounds that make no sense where they stand */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    if (machine.arch !== 'x86') throw notOnArch(NAME, machine.arch, 'x86');
    const [vcpus, bytes, limit] = [numberValue(values, 'vcpus'), numberValue(values, 'bytes'), numberValue(values, 'mmu_pages')];
    const leafLevel = switchValue(values, 'huge_guest_entries') ? 2 : 1;
    const unit = machine.pageSizeBytes * entryPages(leafLevel);
    if (bytes % unit !== 0) throw sizeUnaligned(NAME, 'bytes', bytes, unit);
    if (bytes * vcpus > MAX_BYTES) throw memoryTooLarge(NAME, bytes * vcpus, MAX_BYTES);
    if (limit !== 0 && limit < MIN_MMU_PAGES) throw optionConflict(NAME, 'mmu_pages', `${limit}: KVM takes no limit below ${MIN_MMU_PAGES}`);
    const editing = new EditingGuest(request, vcpus, bytes / machine.pageSizeBytes, leafLevel);
    const manualProtect = textValue(values, 'manual_protect');
    const limited = limit === 0 ? [] : hostSteps([{ op: 'x86.set_nr_mmu_pages', value: limit }]);
    const { layout } = editing;
    const dirtyRing = ringOf(NAME, values);
    const planned = planRounds({
      workload: NAME,
      rounds: textValue(values, 'rounds'),
      manualProtect,
      dirtyRing,
      ...slotsOf(layout, machine),
      passPageBytes: machine.pageSizeBytes,
      passUnitBytes: machine.pageSizeBytes,
      pass: round => editing.pass(round),
      own: (name, letters, stride, range) => editing.round(name, letters, stride, range),
      settings: request.settings,
    });
    const phases = [
      phase('noop', [...limited, ...protectSteps(manualProtect), editing.everyone(vcpu => layout.start(vcpu, []))]),
      ...planned.phases,
      destroyVmPhase(),
    ];
    const vm = dirtyRing === undefined ? editing.vm() : { ...editing.vm(), dirtyRing };
    const switches = /(^|,)n(,|$)/.test(textValue(values, 'rounds'));
    const idle = idleOptions(NAME, options, values, { spaces: switches ? undefined : 'no round switches address spaces (expected n)' });
    return { vm, guestMode: editing.mode.name, phases, notes: [...layout.notes, SKIPPED_NOTE, ...planned.notes, ...idle] };
  }
}

const SKIPPED_NOTE = 'Accesses that the guest’s own tables refuse end as its own faults, which it skips: its handler is taken for mapped.';

/** The guest on its way through the rounds. */
class EditingGuest implements EditedGuest {
  readonly layout: GuestLayout;
  readonly mode: ReturnType<typeof resolveGuestMode>;
  readonly used: boolean;
  readonly first: Vfn;
  readonly last: Vfn;
  private readonly parent: TableTree;
  private readonly child: ChildTree | undefined;
  private readonly spaces: number;
  /** Address space the vCPUs are in. */
  private space = 0;
  private hasForked = false;

  /** @param sharePages test memory per vCPU */
  constructor(
    request: WorkloadRequest,
    private readonly vcpus: number,
    private readonly sharePages: number,
    readonly leafLevel: number,
  ) {
    const { options: values, machine } = request;
    this.mode = resolveGuestMode(NAME, '', '6.1', request);
    this.used = switchValue(values, 'used_entries');
    const forks = textValue(values, 'rounds').split(',').includes(FORK);
    const copies = numberValue(values, 'spaces');
    if (forks && copies > 1)
      throw optionConflict(NAME, 'spaces', 'a guest that forks (f) goes to its child and back, and has no further address spaces');
    this.spaces = forks ? 2 : copies;
    const npages = sharePages * vcpus;
    const base = { workload: NAME, program: 'rounds', isNewer: false, mode: this.mode, vcpus, npages };
    const memory = {
      backing: request.backing(textValue(values, 'backing')),
      populated: switchValue(values, 'prefilled'),
      hugeEntries: leafLevel === 2,
      usedEntries: this.used,
    };
    const testBase = TEST_MEMORY_BYTES / machine.pageSizeBytes;
    const spans = forks ? tablesToward(testBase, testBase + npages, leafLevel, this.mode.levels) : [];
    const extraTables = forks ? pagesOf(spans) : copies - 1;
    this.layout = layOutGuest(request, { ...base, ...memory, extraTables, tableWindow: WINDOW });
    const [space] = this.layout.vm.spaces;
    this.parent = treeOf(space ?? NO_SPACE);
    this.child = forks ? new ChildTree(this.parent, this.layout.extraTables, spans, this.mode.levels) : undefined;
    this.first = this.layout.baseVfn;
    this.last = this.first + npages - 1;
  }

  tableVfn(gfn: number): Vfn {
    return this.layout.tableVfn(gfn);
  }

  gfnOf(vfn: Vfn): number {
    return this.layout.baseGfn + (vfn - this.first);
  }

  vm(): WorkloadPlan['vm'] {
    const { vm } = this.layout;
    const child: GuestTables[] =
      this.child === undefined ? [] : [{ name: 'child', levels: this.mode.levels, root: this.child.root, runs: [], tables: [] }];
    const spaces = this.child === undefined ? addressSpaces(this.layout, this.spaces) : [...vm.spaces, ...child];
    return { ...vm, spaces, cpu: { ...vm.cpu, wp: true } };
  }

  everyone(program: (vcpu: number) => VcpuProgram): PhaseStep {
    const programs = Array.from({ length: this.vcpus }, (_, vcpu) => program(vcpu));
    return guestStep(programs, false);
  }

  pass({ kind, stride, range }: PassRound): PhaseStep[] {
    return [
      this.everyone(vcpu => {
        const { vfn, end } = this.share(vcpu, range, stride);
        return this.layout.again(end > vfn ? [accesses(vfn, Math.ceil((end - vfn) / stride), kind, { stride })] : []);
      }),
    ];
  }

  /** A round of edits, flushes or a fork; undefined where the letters mean none. */
  round(name: string, letters: string, stride: number, range: ByteRange): PhaseStep[] | undefined {
    if (letters === FORK) return this.fork(name);
    if (letters in FLUSHES) return this.flush(name, letters, stride, range);
    const [, letter, up, width, flush] = EDIT.exec(letters) ?? [];
    if (letter === undefined) return undefined;
    const level = this.leafLevel + (up === 'd' ? 1 : 0);
    return [
      this.everyone(vcpu => {
        const stretch = this.share(vcpu, range, stride);
        if (stretch.end <= stretch.vfn) return [];
        const edits = editWrites(this, this.tree, level, stretch, letter, WIDTHS.get(width ?? ''));
        return edits.flatMap(edit => (flush === 'i' ? invalidatedSteps(edit, level) : [{ op: 'table', writes: edit.writes }]));
      }),
    ];
  }

  /** The tables of the space the vCPUs are in. */
  private get tree(): TableTree {
    return this.space > 0 && this.child !== undefined ? this.child : this.parent;
  }

  private fork(name: string): PhaseStep[] {
    if (this.hasForked || this.space !== 0 || this.child === undefined)
      throw invalidRound(NAME, name, 'the guest forks once, from its first address space');
    this.hasForked = true;
    const whole = { vfn: this.first, end: this.last + 1, stride: 1 };
    const steps = forkSteps(this, this.parent, this.child, whole, this.mode.levels, SHARED);
    return [this.everyone(vcpu => (vcpu === 0 ? steps : []))];
  }

  private flush(name: string, letters: string, stride: number, range: ByteRange): PhaseStep[] {
    if (letters === 'n') this.next(name);
    return [
      this.everyone(vcpu => {
        const { vfn, end } = this.share(vcpu, range, stride);
        if (letters === 'i' || letters === 'vi') return end > vfn ? pageByPage(letters, vfn, Math.ceil((end - vfn) / stride), stride) : [];
        return this.controls(letters).map(write => ({ op: 'control', write }));
      }),
    ];
  }

  private controls(letters: string): readonly ControlWrite[] {
    if (letters === 'v') return [{ register: 'invpcid', type: 'all' }];
    if (letters === 'vc') return [{ register: 'invpcid', type: 'context', pcid: 0 }];
    const toggle: ControlWrite = { register: 'cr4', bit: 'pge', value: 'toggle' };
    return letters === 'g' ? [toggle, toggle] : [{ register: 'cr3', space: this.space }];
  }

  private next(name: string): void {
    if (this.spaces === 1) throw invalidRound(NAME, name, 'there is no other address space (-k 2, or a fork before)');
    if (this.child !== undefined && !this.hasForked) throw invalidRound(NAME, name, 'the child’s tables are empty until the guest forks (f)');
    this.space = (this.space + 1) % this.spaces;
  }

  /** What of a range belongs to a vCPU. */
  private share(vcpu: number, { start, end }: ByteRange, stride: number): Stretch {
    const [from, to] = [vcpu * this.sharePages, (vcpu + 1) * this.sharePages];
    return { vfn: this.first + Math.max(from, start / PAGE_BYTES), end: this.first + Math.min(to, end / PAGE_BYTES), stride };
  }
}

const PAGE_BYTES = 4096;
/** Guest virtual address of test memory, in bytes. */
const TEST_MEMORY_BYTES = 0xc0000000;
const NO_SPACE: GuestTables = { name: 'none', levels: 4, root: 0, runs: [], tables: [] };

/** A flush per page. */
function pageByPage(letters: string, vfn: Vfn, times: number, shift: number): VcpuStep[] {
  const write: ControlWrite = letters === 'i' ? { register: 'invlpg', vfn } : { register: 'invpcid', type: 'address', pcid: 0, vfn };
  return [{ op: 'repeat', times, shift, steps: [{ op: 'control', write }] }];
}
