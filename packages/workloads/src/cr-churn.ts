/**
 * cr_churn: change a control register over and over and touch the same few pages after each change.
 *
 * What a change costs is what it does to the roots: nothing, a root found again, or a tree built anew. A rebuilt tree is also asked for the
 * guest's own code and data, so the program is laid out page by page as it was measured: page A has the loop, the CR0.WP change and the writes,
 * page B all other changes and the end of a round, page S the routine that synchronises; G are its globals, T is the jump table of the
 * mode switch, read before each change.
 */
import 'reflect-metadata';
import {
  AccessKind,
  type ControlWrite,
  type OptionSpec,
  type VcpuProgram,
  type VcpuStep,
  type Workload,
  type WorkloadDefinition,
  type WorkloadPlan,
  type WorkloadRequest,
} from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { notOnArch, optionConflict } from './errors';
import { layOutGuest, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { numberValue, switchOption, switchValue, textValue, vcpusFlag, vcpusOption } from './option-values';
import { accesses, destroyVmPhase, fetchPage, guestStep, phase, readPage, writePage } from './steps';

const NAME = 'cr_churn';
/** Test memory, in pages, and its alignment. */
const REGION_PAGES = 2048;
const ALIGN_PAGES = 512;
/** Where the guest-read-only pages begin: 2 MiB into the region. */
const READ_ONLY_FIRST = 512;
/** Pages B and T of the program. */
const CODE_B = 0x402;
const JUMP_TABLE = 0x4b6;
const ROUNDS = [1, 2] as const;

/** The register write of change number `index` (from 0), by letter; `roots` counts address spaces. */
type ChangeOf = (index: number, roots: number, layout: GuestLayout) => ControlWrite;

const CHANGES: Readonly<Record<string, ChangeOf>> = {
  w: () => ({ register: 'cr0', bit: 'wp', value: 'toggle' }),
  c: (index, roots) => ({ register: 'cr3', space: (index + 1) % roots }),
  s: () => ({ register: 'cr3', space: 0 }),
  p: () => ({ register: 'cr4', bit: 'pge', value: 'toggle' }),
  e: () => ({ register: 'cr4', bit: 'smep', value: 'toggle' }),
  a: () => ({ register: 'cr4', bit: 'smap', value: 'toggle' }),
  t: () => ({ register: 'cr0', bit: 'ts', value: 'toggle' }),
  d: () => ({ register: 'cr0', bit: 'cd', value: 'toggle' }),
  x: () => ({ register: 'efer', bit: 'nx', value: 'toggle' }),
  i: (_index, _roots, layout) => ({ register: 'invlpg', vfn: layout.baseVfn }),
};

const options: readonly OptionSpec[] = [
  vcpusOption,
  {
    kind: 'choice',
    name: 'change',
    doc: 'What is changed: w CR0.WP, c CR3 round robin, s the same CR3, p CR4.PGE, e CR4.SMEP, a CR4.SMAP, t CR0.TS, d CR0.CD, x EFER.NX, i INVLPG.',
    choices: Object.keys(CHANGES),
    default: 'w',
  },
  { kind: 'number', name: 'changes', doc: 'Changes per round.', default: 16, min: 1, max: 2 ** 31 - 1, integer: true },
  { kind: 'number', name: 'pages', doc: 'Pages written after each change.', default: 16, min: 1, max: REGION_PAGES, integer: true },
  { kind: 'number', name: 'roots', doc: 'Address spaces, copies of one top table.', default: 2, min: 1, max: 512, integer: true },
  switchOption('read_only_pages', 'As many guest-read-only pages are touched, too: written while CR0.WP is 0, else read.'),
];

const flags: readonly CommandFlag[] = [
  { letter: 'm', argument: 'mode', option: 'change', doc: 'w, c, s, p, e, a, t, d, x or i' },
  { letter: 'n', argument: 'changes', option: 'changes', doc: 'changes per round' },
  { letter: 'p', argument: 'pages', option: 'pages', doc: 'pages written after each change' },
  { letter: 'k', argument: 'roots', option: 'roots', doc: 'address spaces for mode c' },
  { letter: 'r', argument: '0|1', option: 'read_only_pages', values: { 0: false, 1: true }, doc: 'touch guest-read-only pages, too' },
  vcpusFlag,
];

/** What cr_churn says of itself. */
export const crChurnDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Control-register churn: change a register, touch the same pages, over and over.',
  options,
  flags,
});

/** One run's parameters. */
interface Churn {
  readonly layout: GuestLayout;
  readonly change: string;
  readonly changes: number;
  readonly pages: number;
  readonly roots: number;
  readonly readOnlyPages: boolean;
}

/** cr_churn. */
@injectable()
export class CrChurn implements Workload {
  /** @throws MmulabError WORKLOAD_NOT_ON_ARCH, WORKLOAD_OPTION_CONFLICT */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    if (machine.arch !== 'x86') throw notOnArch(NAME, machine.arch, 'x86');
    const [vcpus, pages, roots] = [numberValue(values, 'vcpus'), numberValue(values, 'pages'), numberValue(values, 'roots')];
    const readOnlyPages = switchValue(values, 'read_only_pages');
    if (readOnlyPages && pages > READ_ONLY_FIRST) {
      throw optionConflict(NAME, 'pages', `at most ${READ_ONLY_FIRST} with read-only pages, which begin 2 MiB into the memory; here ${pages}`);
    }
    const layout = layOutGuest(request, {
      workload: NAME,
      program: 'churn',
      isNewer: false,
      mode: resolveGuestMode(NAME, '', '6.1', request),
      vcpus,
      npages: REGION_PAGES,
      backing: request.backing('anonymous'),
      alignFrames: ALIGN_PAGES,
      extraTables: roots - 1,
      ...(readOnlyPages ? { readOnly: { first: READ_ONLY_FIRST, npages: pages } } : {}),
    });
    const churn = { layout, change: textValue(values, 'change'), changes: numberValue(values, 'changes'), pages, roots, readOnlyPages };
    // The vCPUs touch the same pages; the counts measured with two are those of vCPUs that run one after the other.
    const everyone = (program: (vcpu: number) => VcpuProgram): ReturnType<typeof guestStep> =>
      guestStep(
        Array.from({ length: vcpus }, (_, vcpu) => program(vcpu)),
        false,
      );
    const phases = [
      phase('warm', [everyone(vcpu => warm(churn, vcpu))]),
      ...ROUNDS.map(round => phase(`round_${round}`, [everyone(vcpu => churnRound(churn, vcpu, round))])),
      destroyVmPhase(),
    ];
    return { vm: { ...layout.vm, spaces: addressSpaces(layout, roots) }, phases, notes: layout.notes };
  }
}

/** The address spaces of a layout with `roots - 1` extra tables: copies of the first under top tables of their own. */
export function addressSpaces({ vm, extraTables }: GuestLayout, roots: number): WorkloadPlan['vm']['spaces'] {
  const copies = vm.spaces.flatMap(space =>
    Array.from({ length: roots - 1 }, (_, copy) => ({ ...space, name: `${space.name} ${copy + 2}`, root: extraTables + copy })),
  );
  return [...vm.spaces, ...copies];
}

function warm(churn: Churn, vcpu: number): VcpuProgram {
  const { layout, readOnlyPages } = churn;
  const { image } = layout;
  const stack = writePage(layout.stackVfn(vcpu));
  const readOnly = readOnlyPages ? [fetchPage(CODE_B), touchReadOnly(churn, AccessKind.Read)] : [];
  const begin = [fetchPage(image.entryCode), ...image.globals.map(readPage), stack, touchPages(churn)];
  return [...begin, ...readOnly, fetchPage(image.entryCode), stack, fetchPage(image.syncCode)];
}

/** A round: changes in whole cycles, then what is left of one. */
function churnRound(churn: Churn, vcpu: number, round: number): VcpuProgram {
  const { layout, changes } = churn;
  const first = (round - 1) * changes;
  const cycle = cycleLength(churn);
  const cycles = Math.floor(changes / cycle);
  const stepsOf = (from: number, count: number): VcpuStep[] => Array.from({ length: count }, (_, index) => oneChange(churn, from + index)).flat();
  return [
    fetchPage(layout.image.syncCode),
    { op: 'repeat', times: cycles, steps: stepsOf(first, cycle) },
    ...stepsOf(first + cycles * cycle, changes - cycles * cycle),
    fetchPage(CODE_B),
    writePage(layout.stackVfn(vcpu)),
    fetchPage(layout.image.syncCode),
  ];
}

/** After how many changes the program repeats itself. */
function cycleLength({ change, changes, roots, readOnlyPages }: Churn): number {
  if (change === 'c') return Math.min(roots, changes);
  return change === 'w' && readOnlyPages ? Math.min(2, changes) : 1;
}

function oneChange(churn: Churn, index: number): VcpuStep[] {
  const { layout, change, roots, readOnlyPages } = churn;
  const { image } = layout;
  const loop = [fetchPage(image.entryCode), ...image.globals.map(readPage)];
  const code = fetchPage(change === 'w' ? image.entryCode : CODE_B);
  const write = CHANGES[change]?.(index, roots, layout);
  const control: VcpuStep[] = write === undefined ? [] : [{ op: 'control', write }];
  const steps = [...loop, readPage(JUMP_TABLE), code, ...control, code, ...loop, touchPages(churn)];
  if (!readOnlyPages) return steps;
  const isProtected = change === 'w' && index % 2 === 0;
  return [...steps, ...(isProtected ? [touchReadOnly(churn, AccessKind.Read)] : [fetchPage(CODE_B), touchReadOnly(churn, AccessKind.Write)])];
}

function touchPages({ layout, pages }: Churn): VcpuStep {
  return accesses(layout.baseVfn, pages, AccessKind.Write);
}

function touchReadOnly({ layout, pages }: Churn, kind: AccessKind): VcpuStep {
  return accesses(layout.baseVfn + READ_ONLY_FIRST, pages, kind);
}
