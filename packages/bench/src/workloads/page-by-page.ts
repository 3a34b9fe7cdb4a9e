/**
 * The workloads that are compared with the baseline (native/main.c): page by page, the vCPUs in turn.
 *
 * Every vCPU has memory of its own, and after each page it is the next vCPU's turn, in both programs: what is measured is the step engine, fault
 * by fault. populate: each page is written once, nothing is mapped. write: the memory has been write-protected for dirty logging, each page is written
 * once. random: protected again; each vCPU writes pages drawn from its memory, as many as 5 % of it. Hot path.
 */
import { AccessKind } from '@mmulab/api';
import { BatchedAccesses } from '@mmulab/runner';
import { BASE_GFN, TEST_SLOT, createMachine, enterAll, smallPages, tdp, type BenchMachine } from '../machine';
import { measure, type Measurement } from '../measure';

// Bound here: a name that another package re-exports is a call of a getter.
const { Write } = AccessKind;

/** Names of the compared workloads, in the order they run. */
export const PAGE_WORKLOADS = ['populate', 'write', 'random'] as const;
export type PageWorkload = (typeof PAGE_WORKLOADS)[number];

/** How large the compared machine is. */
export interface PageSize {
  readonly vcpus: number;
  readonly pagesPerVcpu: number;
  /** Random writes of each vCPU. */
  readonly writesPerVcpu: number;
}

/** 24 vCPUs with 1 GiB each; 5 % of the pages. */
export const COMPARED: PageSize = { vcpus: 24, pagesPerVcpu: 2 ** 18, writesPerVcpu: 13107 };

/** Runs all of them on one fresh machine. */
export function pageByPage({ vcpus, pagesPerVcpu, writesPerVcpu }: PageSize, on = tdp): Readonly<Record<PageWorkload, Measurement>> {
  const machine = createMachine(vcpus, pagesPerVcpu, smallPages, on);
  const { backend } = machine;
  const populate = measure(machine, () => writeInTurn(machine));
  backend.host({ op: 'set_dirty_log', slot: TEST_SLOT, on: true });
  enterAll(machine);
  const write = measure(machine, () => writeInTurn(machine));
  backend.host({ op: 'get_dirty_log', slot: TEST_SLOT });
  enterAll(machine);
  const random = measure(machine, () => writeAtRandom(machine, writesPerVcpu));
  return { populate, write, random };
}

/** Each vCPU writes its pages in order, in turn with the others. */
function writeInTurn({ backend, vcpus, pagesPerVcpu }: BenchMachine): void {
  for (let page = 0; page < pagesPerVcpu; page++) {
    for (let vcpu = 0; vcpu < vcpus; vcpu++) backend.touch(vcpu, BASE_GFN + vcpu * pagesPerVcpu + page, Write);
  }
}

/** Each vCPU writes pages drawn by xorshift32 from its memory (the draw's upper bits, scaled), in turn with the others. */
export function writeAtRandom({ backend, vcpus, pagesPerVcpu }: BenchMachine, writesPerVcpu: number): void {
  const state = Int32Array.from({ length: vcpus }, (_, vcpu) => Math.imul(0x9e3779b9, vcpu + 1));
  const scale = pagesPerVcpu / 2 ** 32;
  const accesses = new BatchedAccesses(backend);
  for (let i = 0; i < writesPerVcpu; i++) {
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      let x = state[vcpu];
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      state[vcpu] = x;
      accesses.add(vcpu, BASE_GFN + vcpu * pagesPerVcpu + Math.floor((x >>> 0) * scale), Write);
    }
  }
  accesses.flush();
}
