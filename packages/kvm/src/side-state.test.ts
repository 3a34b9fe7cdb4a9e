import type { Journal } from '@mmulab/pgtable';
import { SideState } from './side-state';

/** A number that blocks add to. */
class Sum implements Journal {
  value = 0;
  private readonly before: number[] = [];

  open(): void {
    this.before.push(this.value);
  }

  close(): unknown {
    const added = this.value - (this.before.pop() ?? 0);
    return added === 0 ? undefined : added;
  }

  replay(effects: unknown): void {
    this.value += effects as number;
  }
}

describe('side state of 2 parts', () => {
  it('does again to each what a block did to it: 3 and 0 become 6 and 0', () => {
    const [one, other] = [new Sum(), new Sum()];
    const state = new SideState([one, other]);
    state.open(0);
    one.value += 3;
    state.replay(state.close(), 512);
    expect([one.value, other.value]).toEqual([6, 0]);
  });

  it('has no effects where no part has any', () => {
    const state = new SideState([new Sum(), new Sum()]);
    state.open(0);
    expect(state.close()).toBeUndefined();
  });
});
