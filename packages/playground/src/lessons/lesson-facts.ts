/**
 * What a lesson's texts are made of: figures of the runs at the step that is shown.
 */
import { formatSize, type HeldRoot } from '@mmulab/api';
import type { Lab } from '../lab/lab';
import { Cell } from '../lab/memory-map';
import type { Session } from '../lab/session';

export class LessonFacts {
  constructor(private readonly session: Session) {}

  /** What the last step counted. @param side 0 left, 1 right */
  step(counter: string, side = 0): number {
    const { lab, acted } = this.sideAt(side);
    const index = this.indexOf(lab, counter);
    return acted ? (lab.now[index] ?? 0) - (lab.before[index] ?? 0) : 0;
  }

  /** What the phase under way has counted. */
  phase(counter: string, side = 0): number {
    const { lab } = this.sideAt(side);
    const index = this.indexOf(lab, counter);
    return (lab.now[index] ?? 0) - (lab.atPhase[index] ?? 0);
  }

  /** What was counted in all; how high a gauge stands. */
  all(counter: string, side = 0): number {
    const { lab } = this.sideAt(side);
    return lab.now[this.indexOf(lab, counter)] ?? 0;
  }

  /** Level at which the chosen page is mapped, 0 if it is not. */
  level(side = 0): number {
    return this.cell(side) & Cell.LevelMask;
  }

  isWritable(side = 0): boolean {
    return (this.cell(side) & Cell.Writable) !== 0;
  }

  isExecutable(side = 0): boolean {
    return (this.cell(side) & Cell.Executable) !== 0;
  }

  /** Pages of the memory that is shown that are mapped at a level. */
  mapped(level: number, side = 0): number {
    return this.sideAt(side).map.cells.reduce((sum, cell) => sum + ((cell & Cell.LevelMask) === level ? 1 : 0), 0);
  }

  /** Pages of it that are mapped and may not be written. */
  protected(side = 0): number {
    const { cells } = this.sideAt(side).map;
    return cells.reduce((sum, cell) => sum + ((cell & Cell.LevelMask) !== 0 && (cell & Cell.Writable) === 0 ? 1 : 0), 0);
  }

  /** Pages of it. */
  get pages(): number {
    return this.session.window.npages;
  }

  /** Whether the last step of a run was an access without a fault. */
  isHit(side = 0): boolean {
    const [act] = this.sideAt(side).lab.last?.acts ?? [];
    return act?.act === 'access' && act.stages.length === 0;
  }

  roots(side = 0): readonly HeldRoot[] {
    return this.sideAt(side).lab.inspection?.roots(this.session.vcpu) ?? [];
  }

  /** Tables that are listed as alive: shadow pages, roots included. */
  shadowPages(side = 0): number {
    return this.sideAt(side).lab.inspection?.tables?.(Infinity).length ?? 0;
  }

  vcpus(side = 0): number {
    return this.sideAt(side).lab.plan.vm.vcpus;
  }

  get phaseName(): string {
    return this.sideAt(0).lab.last?.phaseName ?? '';
  }

  private cell(side: number): number {
    const { map } = this.sideAt(side);
    return map.cells[map.cellAt(this.session.selected)] ?? 0;
  }

  private sideAt(side: number): Session['sides'][number] {
    const found = this.session.sides[side];
    if (found === undefined) throw new RangeError(`the scene has no run ${side}`);
    return found;
  }

  /** @throws RangeError: lessons name counters that there are */
  private indexOf(lab: Lab, counter: string): number {
    const index = lab.definition.events.findIndex(({ name }) => name === counter);
    if (index < 0) throw new RangeError(`${lab.definition.name} has no counter ${counter}`);
    return index;
  }
}

/** `262,144`. */
export function n(value: number): string {
  return value.toLocaleString('en-US');
}

/** `one fault`, `512 faults`. */
export function many(value: number, one: string, several = `${one}s`): string {
  return value === 1 ? `one ${one}` : value === 0 ? `no ${one}` : `${n(value)} ${several}`;
}

/** `2M`. */
export function size(bytes: number): string {
  return formatSize(bytes);
}
