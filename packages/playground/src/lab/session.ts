/**
 * What a page shows, without the page: one or two runs in lockstep, the window into guest memory, the page that was chosen, the vCPU that is looked at. Views watch it.
 */
import type { Gfn, GuestTables, Vfn } from '@mmulab/api';
import type { Registry } from '@mmulab/runner';
import { runAt, walkGuest, vfnOf, type GuestWalk } from './guest-walk';
import { Lab } from './lab';
import { resolveLab, type LabConfig } from './lab-config';
import { Lockstep, standAt } from './lockstep';
import { cellOf, cellOfAbsent, cellOfWalk, MAX_CELLS, MemoryMap, type LookAt } from './memory-map';
import { stepClassesOf, type StepClass } from './step-classes';

/** A stretch of guest memory that is shown. */
export interface Window {
  /** Index of the memslot. */
  readonly slot: number;
  readonly base: Gfn;
  readonly npages: number;
}

/** One run with its map. */
export interface Side {
  readonly lab: Lab;
  map: MemoryMap;
  /** Cells that the last step changed. */
  changed: ReadonlySet<number>;
  /** Whether the run took part in the last step: in lockstep it may have waited. */
  acted: boolean;
}

/** The way of one access: through the guest's tables, and on. */
export interface AccessWalk {
  readonly vfn: Vfn | undefined;
  readonly guest: GuestWalk | undefined;
  /** L1's second-stage tables, where the vCPU runs a nested guest. */
  readonly nested: GuestWalk | undefined;
  /** The frame that the second stage (or the shadow tables) is walked by. */
  readonly frame: number | undefined;
}

export class Session {
  readonly sides: readonly Side[];
  readonly lockstep: Lockstep;
  step = 0;
  window: Window;
  selected: Gfn;
  vcpu = 0;
  /** Whether the page that a step accesses is chosen, with the vCPU that does. */
  follows = true;
  private readonly watchers = new Set<() => void>();

  /** @throws typed errors for what is wrong with the configs, LAB_TOO_LARGE */
  constructor(configs: readonly LabConfig[], registry: Registry) {
    const labs = configs.map(config => new Lab(resolveLab(config, registry), registry));
    this.lockstep = new Lockstep(labs.map(lab => lab.survey));
    this.window = testMemory(labs[0]);
    this.selected = this.window.base;
    this.sides = labs.map(lab => ({ lab, map: this.mapOf(lab), changed: new Set<number>(), acted: false }));
  }

  /** Calls a view when something changed. @returns what ends it */
  watch(view: () => void): () => void {
    this.watchers.add(view);
    return () => void this.watchers.delete(view);
  }

  get isOver(): boolean {
    return this.step >= this.lockstep.steps;
  }

  /** Goes to where a number of steps are done. */
  seek(step: number): void {
    const to = Math.max(0, Math.min(step, this.lockstep.steps));
    if (to === this.step) return;
    this.moveTo(to);
    this.tell();
  }

  /** Goes on to the next step that counts something of a class in either run. @returns whether there was one */
  seekClass(of: StepClass): boolean {
    let found = false;
    while (!found && !this.isOver) {
      this.stand(this.step + 1);
      found = this.sides.some(({ lab, acted }) => acted && stepClassesOf(lab.definition.events)[of].some(i => lab.now[i] !== lab.before[i]));
    }
    this.refresh();
    this.tell();
    return found;
  }

  /** Shows another stretch of memory. */
  show(window: Window): void {
    this.window = window;
    if (this.selected < window.base || this.selected >= window.base + window.npages) this.selected = window.base;
    for (const side of this.sides) side.map = this.mapOf(side.lab);
    this.tell();
  }

  select(gfn: Gfn): void {
    this.selected = gfn;
    this.tell();
  }

  follow(on: boolean): void {
    this.follows = on;
    if (on) this.followAccess();
    this.tell();
  }

  lookAt(vcpu: number): void {
    this.vcpu = vcpu;
    this.tell();
  }

  /** The memslots of the first run, as windows. */
  slots(): readonly Window[] {
    return (this.sides[0]?.lab.plan.vm.memslots ?? []).map(({ baseGfn, npages }, slot) => ({ slot, base: baseGfn, npages }));
  }

  /** How the chosen vCPU gets to the chosen page. */
  walk({ lab }: Side): AccessWalk {
    const { vm } = lab.plan;
    const { inspection } = lab;
    const arch = lab.definition.arch;
    const space = this.spaceOf(lab);
    if (vm.nested !== undefined && inspection?.runsNested?.(this.vcpu) === true) {
      const l2 = vfnOf(vm.nested, this.selected);
      return { vfn: undefined, guest: undefined, nested: l2 === undefined ? undefined : walkGuest(vm.nested, l2, arch), frame: l2 };
    }
    const vfn = space === undefined ? undefined : vfnOf(space, this.selected);
    const guest = space === undefined || vfn === undefined ? undefined : walkGuest(space, vfn, arch);
    return { vfn, guest, nested: undefined, frame: inspection?.walksVirtual === true ? vfn : this.selected };
  }

  /** The address space a vCPU is in: that of its current root, where roots tell. */
  private spaceOf({ plan, inspection }: Lab): GuestTables | undefined {
    const current = inspection?.roots(this.vcpu)[0]?.pgd;
    return plan.vm.spaces.find(space => space.root === current) ?? plan.vm.spaces[0];
  }

  private moveTo(step: number): void {
    this.stand(step);
    this.refresh();
  }

  private stand(step: number): void {
    const positions = this.lockstep.positions(step);
    this.step = step;
    this.sides.forEach((side, i) => {
      const before = side.lab.position;
      side.acted = standAt(side.lab, positions[i] ?? 0);
      if (side.acted) this.note(side, side.lab.position === before + 1);
    });
  }

  /** Remembers which cells have to be looked at again. */
  private note(side: Side, isNext: boolean): void {
    const { lab } = side;
    const known = this.stale.get(side) ?? [];
    // Another root is another table, whatever is in it.
    const isRootOther = lab.last?.acts.some(({ act }) => act === 'control' || act === 'host' || act === 'program') === true;
    const frames = !isNext || isRootOther || known === 'all' ? undefined : this.tellsChanges(lab) ? lab.changes.touched : this.touchedQuietly(lab);
    this.stale.set(side, frames === undefined || known === 'all' ? 'all' : [...known, ...frames]);
  }

  private readonly stale = new Map<Side, 'all' | number[]>();

  /** Whether tables of a run tell of every change: not those that are lifted, nor shadow pages. */
  private tellsChanges(lab: Lab): boolean {
    return lab.byAccess && lab.inspection?.tables === undefined && lab.plan.vm.nested === undefined;
  }

  /** Frames that a step may have changed which counted nothing: a hit sets A and D of its page. Undefined: any. */
  private touchedQuietly(lab: Lab): readonly number[] | undefined {
    if (!lab.byAccess || lab.now.some((value, i) => value !== lab.before[i])) return undefined;
    return (lab.last?.acts ?? []).flatMap(act => {
      const gfn = 'vfn' in act ? this.gfnOf(lab, act.vfn) : undefined;
      return gfn === undefined ? [] : [gfn, gfn + 1];
    });
  }

  /** The frame that a virtual frame maps to, of the guest that is running. */
  private gfnOf(lab: Lab, vfn: Vfn): Gfn | undefined {
    const space = lab.inspection?.runsNested?.(this.vcpu) === true ? lab.plan.vm.nested : this.spaceOf(lab);
    const run = space === undefined ? undefined : runAt(space, vfn);
    return run === undefined ? undefined : run.gfn + (vfn - run.vfn);
  }

  /** Chooses the page that the first run has accessed last, if it is shown. */
  private followAccess(): void {
    const [side] = this.sides;
    const step = side?.lab.last;
    const act = [...(step?.acts ?? [])].reverse().find(one => one.act === 'access' || one.act === 'stage');
    if (!this.follows || side === undefined || step === undefined || act === undefined || !('vfn' in act)) return;
    this.vcpu = step.vcpu;
    const gfn = this.gfnOf(side.lab, act.vfn) ?? -1;
    if (gfn >= this.window.base && gfn < this.window.base + this.window.npages) this.selected = gfn;
  }

  private refresh(): void {
    this.followAccess();
    for (const side of this.sides) {
      const stale = this.stale.get(side) ?? [];
      const before = side.map.cells.slice();
      const look = this.lookOf(side.lab);
      if (stale === 'all') side.map.refresh(look);
      else for (let i = 0; i < stale.length; i += 2) side.map.refreshFrames(look, stale[i] ?? 0, stale[i + 1] ?? 0);
      const changed = new Set<number>();
      side.map.cells.forEach((cell, i) => cell !== before[i] && changed.add(i));
      side.changed = changed;
    }
    this.stale.clear();
  }

  private mapOf(lab: Lab): MemoryMap {
    const map = new MemoryMap(this.window.base, this.window.npages);
    map.refresh(this.lookOf(lab));
    return map;
  }

  /** How pages of a run are looked at: those of a nested guest that is running by the tables it runs on. */
  private lookOf({ backend, inspection, plan }: Lab): LookAt {
    const { nested } = plan.vm;
    // Entries without a mapping are told apart page by page, where walks go by the frames that the map shows; in an overview nobody would see them.
    const walks = inspection?.walksVirtual === false && this.window.npages <= MAX_CELLS ? inspection : undefined;
    const plain: LookAt = gfn => {
      const cell = cellOf(backend.translate(gfn));
      return cell === 0 && walks !== undefined ? cellOfAbsent(walks.walk(this.vcpu, gfn)) : cell;
    };
    if (nested === undefined || inspection?.runsNested?.(this.vcpu) !== true) return plain;
    return gfn => {
      const frame = vfnOf(nested, gfn);
      return frame === undefined ? plain(gfn) : cellOfWalk(inspection.walk(this.vcpu, frame), inspection.format);
    };
  }

  private tell(): void {
    for (const view of this.watchers) view();
  }
}

function testMemory(lab: Lab | undefined): Window {
  const slots = lab?.plan.vm.memslots ?? [];
  // Slot 0 has the program, its stacks and page tables; what a test is about lies in the others.
  let slot = slots.length - 1;
  slots.forEach(({ id, npages }, i) => (slot = id !== 0 && npages > (slots[slot]?.npages ?? 0) ? i : slot));
  return { slot, base: slots[slot]?.baseGfn ?? 0, npages: slots[slot]?.npages ?? 1 };
}
