/**
 * State beside the tables that decides what is counted (memory caches, logs, tables that wait for a grace period), as the one value that lifted programs take.
 *
 * A part records what a block did to it and does the same again for a later block. What a part keeps must say how any state of it goes on, not which state it was in: a cache
 * remembers pages taken fault by fault, since how often it is filled hangs on how full it was.
 */
import type { Journal } from '@mmulab/pgtable';

/** Several parts as one. */
export class SideState implements Journal {
  /** @param parts in the order in which they are brought up to date */
  constructor(private readonly parts: readonly Journal[]) {}

  open(gfn: number): void {
    for (const part of this.parts) part.open(gfn);
  }

  close(): unknown {
    const effects = this.parts.map(part => part.close());
    return effects.every(effect => effect === undefined) ? undefined : effects;
  }

  replay(effects: unknown, gfn: number): void {
    (effects as readonly unknown[]).forEach((effect, i) => {
      if (effect !== undefined) this.parts[i].replay(effect, gfn);
    });
  }
}
