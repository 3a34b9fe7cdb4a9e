/**
 * cr0_wp_churn: a guest kernel that protects its own data and lifts CR0.WP for every protected write, as grsecurity's KERNEXEC does: WP off,
 * write protected pages, WP on, touch other memory. Processes come and go in between: a CR3 write every so many times.
 *
 * The program is cr_churn's in small: one page of code, one of globals, both asked for again after each register write. The guest's kernel runs with
 * WP=1 from the start; its address spaces are copies of one top table.
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
import { addressSpaces } from './cr-churn';
import { notOnArch } from './errors';
import { layOutGuest, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { backingFlag, backingOption, numberValue, textValue, vcpusFlag, vcpusOption } from './option-values';
import { accesses, destroyVmPhase, fetchPage, guestStep, phase, readPage, writePage } from './steps';

const NAME = 'cr0_wp_churn';
/** Touched and protected pages begin at 2 MiB borders, so that they never share a guest table. */
const ALIGN_PAGES = 512;
const MAX_PAGES = 2 ** 20;
const MAX_INT = 2 ** 31 - 1;
const ROUNDS = [1, 2] as const;

const options: readonly OptionSpec[] = [
  vcpusOption,
  backingOption,
  {
    kind: 'number',
    name: 'toggles',
    doc: 'Times WP is switched off and on again per round: two CR0 writes each.',
    default: 64,
    min: 1,
    max: MAX_INT,
    integer: true,
  },
  {
    kind: 'number',
    name: 'protected_pages',
    doc: 'Guest-read-only pages written each time WP is off.',
    default: 8,
    min: 0,
    max: MAX_PAGES,
    integer: true,
  },
  { kind: 'number', name: 'touched_pages', doc: 'Other pages written each time WP is on again.', default: 64, min: 1, max: MAX_PAGES, integer: true },
  { kind: 'number', name: 'processes', doc: 'Address spaces, copies of one top table.', default: 1, min: 1, max: 512, integer: true },
  {
    kind: 'number',
    name: 'switch_every',
    doc: 'Switch to the next address space after so many times; 0: never.',
    default: 0,
    min: 0,
    max: MAX_INT,
    integer: true,
  },
];

const flags: readonly CommandFlag[] = [
  vcpusFlag,
  backingFlag,
  { letter: 'n', argument: 'toggles', option: 'toggles', doc: 'times WP goes off and on per round' },
  { letter: 'w', argument: 'pages', option: 'protected_pages', doc: 'protected pages written while WP is off' },
  { letter: 't', argument: 'pages', option: 'touched_pages', doc: 'other pages written while WP is on' },
  { letter: 'k', argument: 'processes', option: 'processes', doc: 'address spaces' },
  { letter: 'c', argument: 'times', option: 'switch_every', doc: 'switch address spaces after so many times' },
];

/** What cr0_wp_churn says of itself. */
export const cr0WpChurnDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'A guest kernel that lifts CR0.WP for each protected write, with process switches in between.',
  options,
  flags,
});

/** One run's parameters. */
interface WpChurn {
  readonly layout: GuestLayout;
  readonly toggles: number;
  readonly protectedPages: number;
  readonly touchedPages: number;
  readonly processes: number;
  readonly switchEvery: number;
}

/** cr0_wp_churn. */
@injectable()
export class Cr0WpChurn implements Workload {
  /** @throws MmulabError WORKLOAD_NOT_ON_ARCH */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    if (machine.arch !== 'x86') throw notOnArch(NAME, machine.arch, 'x86');
    const vcpus = numberValue(values, 'vcpus');
    const [protectedPages, touchedPages] = [numberValue(values, 'protected_pages'), numberValue(values, 'touched_pages')];
    const processes = numberValue(values, 'processes');
    const readOnly = { first: aligned(touchedPages), npages: protectedPages };
    const layout = layOutGuest(request, {
      workload: NAME,
      program: 'churn',
      isNewer: false,
      mode: resolveGuestMode(NAME, '', '6.1', request),
      vcpus,
      npages: aligned(touchedPages) + aligned(protectedPages),
      backing: request.backing(textValue(values, 'backing')),
      alignFrames: ALIGN_PAGES,
      extraTables: processes - 1,
      readOnly,
    });
    const toggles = numberValue(values, 'toggles');
    const churn = { layout, toggles, protectedPages, touchedPages, processes, switchEvery: numberValue(values, 'switch_every') };
    const everyone = (program: (vcpu: number) => VcpuProgram): ReturnType<typeof guestStep> =>
      guestStep(
        Array.from({ length: vcpus }, (_, vcpu) => program(vcpu)),
        true,
      );
    const phases = [
      phase('warm', [everyone(vcpu => layout.start(vcpu, [touchOther(churn), ...touchProtected(churn, AccessKind.Read)]))]),
      ...ROUNDS.map(round => phase(`round_${round}`, [everyone(vcpu => wpRound(churn, vcpu, round))])),
      destroyVmPhase(),
    ];
    const vm = { ...layout.vm, cpu: { ...layout.vm.cpu, wp: true }, spaces: addressSpaces(layout, processes) };
    return { vm, phases, notes: layout.notes };
  }
}

function aligned(npages: number): number {
  return Math.ceil(npages / ALIGN_PAGES) * ALIGN_PAGES;
}

function wpRound(churn: WpChurn, vcpu: number, round: number): VcpuProgram {
  const { layout, toggles } = churn;
  const { image } = layout;
  return [fetchPage(image.syncCode), ...toggling(churn, (round - 1) * toggles), writePage(layout.stackVfn(vcpu)), fetchPage(image.syncCode)];
}

/** All toggles of a round that begins at toggle number `first`: up to a whole turn of the processes, whole turns, and the rest. */
function toggling(churn: WpChurn, first: number): VcpuStep[] {
  const { toggles, processes, switchEvery } = churn;
  if (switchEvery === 0) return [togglesOf(churn, toggles)];
  const turn = switchEvery * processes;
  const end = first + toggles;
  const steps: VcpuStep[] = [];
  let at = first;
  const upTo = (border: number): void => {
    while (at < border) {
      const next = Math.min(border, (Math.floor(at / switchEvery) + 1) * switchEvery);
      steps.push(...block(churn, at, next));
      at = next;
    }
  };
  upTo(Math.min(end, Math.ceil(first / turn) * turn));
  const turns = Math.floor((end - at) / turn);
  const process = (index: number): VcpuStep[] => block(churn, at + index * switchEvery, at + (index + 1) * switchEvery);
  if (turns > 0) steps.push({ op: 'repeat', times: turns, steps: Array.from({ length: processes }, (_, index) => process(index)).flat() });
  at += turns * turn;
  upTo(end);
  return steps;
}

/** Toggles `from` to `to`, all of one process, and the switch that is due after them. */
function block(churn: WpChurn, from: number, to: number): VcpuStep[] {
  const { processes, switchEvery, layout } = churn;
  const steps = [togglesOf(churn, to - from)];
  if (to % switchEvery !== 0) return steps;
  return [...steps, ...register(layout, { register: 'cr3', space: (to / switchEvery) % processes })];
}

function togglesOf(churn: WpChurn, times: number): VcpuStep {
  const wp = (value: 0 | 1): VcpuStep[] => register(churn.layout, { register: 'cr0', bit: 'wp', value });
  return { op: 'repeat', times, steps: [...wp(0), ...touchProtected(churn, AccessKind.Write), ...wp(1), touchOther(churn)] };
}

/** A register write, the code and the globals around it. */
function register({ image }: GuestLayout, write: ControlWrite): VcpuStep[] {
  const code = fetchPage(image.entryCode);
  return [code, { op: 'control', write }, code, ...image.globals.map(readPage)];
}

function touchOther({ layout, touchedPages }: WpChurn): VcpuStep {
  return accesses(layout.baseVfn, touchedPages, AccessKind.Write);
}

function touchProtected({ layout, protectedPages, touchedPages }: WpChurn, kind: AccessKind): VcpuStep[] {
  return protectedPages === 0 ? [] : [accesses(layout.baseVfn + aligned(touchedPages), protectedPages, kind)];
}
