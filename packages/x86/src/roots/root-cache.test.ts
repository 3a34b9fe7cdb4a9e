import fc from 'fast-check';
import { switchPgd } from './new-pgd';
import type { SwitchedRoots } from './new-pgd';
import { INVALID_ROOT, RootCache, type RootMatcher } from './root-cache';

/** Roots are numbers that encode their key; 900 and above have no page of their own. */
const matcher: RootMatcher = { usable: (root, pgd, wantedPgd, wantedRole) => root < 900 && pgd === wantedPgd && root % 10 === wantedRole };

/** Pages that only record what is freed. */
class Freed implements SwitchedRoots {
  readonly freed: number[] = [];
  readonly usable = matcher.usable.bind(matcher);

  readonly shadow = { hasPage: (root: number): boolean => root < 900 };

  put(root: number): void {
    if (root !== INVALID_ROOT) this.freed.push(root);
  }
}

/** The model: a list of at most four [root, pgd] pairs, most recent first; the first is current unless `current` is false. */
interface Model {
  current: boolean;
  list: (readonly [number, number])[];
}

/** What the reference says of a switch, in terms of lists. @returns whether it hit, and the root freed by it */
function modelSwitch(model: Model, pgd: number, role: number): { hit: boolean; freed: number[] } {
  const freed: number[] = [];
  const first = model.list[0];
  if (model.current && first !== undefined && first[0] >= 900) {
    freed.push(first[0]);
    model.list.shift();
    model.current = false;
  }
  const at = model.list.findIndex(([root, known]) => matcher.usable(root, known, pgd, role));
  if (at >= 0) {
    const [found] = model.list.splice(at, 1);
    if (found !== undefined) model.list.unshift(found);
    model.current = true;
    return { hit: true, freed };
  }
  if (model.current) {
    // All were displaced by one place; the least recent of four fell out.
    const out = model.list.length === 4 ? model.list.pop() : undefined;
    if (out !== undefined) freed.push(out[0]);
    model.current = false;
  }
  return { hit: false, freed };
}

function shown(cache: RootCache): (readonly [number, number])[] {
  const previous = Array.from(cache.previous, (root, i) => [root, cache.previousPgd[i] ?? 0] as const).filter(([root]) => root !== INVALID_ROOT);
  return cache.current === INVALID_ROOT ? previous : [[cache.current, cache.currentPgd], ...previous];
}

describe('the root cache', () => {
  it('behaves as a list of four, most recent first, for any sequence of switches and loads', () => {
    const step = fc.record({ pgd: fc.integer({ min: 1, max: 7 }), role: fc.integer({ min: 0, max: 1 }), special: fc.integer({ min: 0, max: 9 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const cache = new RootCache();
        const model: Model = { current: false, list: [] };
        let next = 0;
        for (const { pgd, role, special } of steps) {
          const pages = new Freed();
          const hit = switchPgd(cache, pages, pgd, role, true, true) === 'hit';
          const expected = modelSwitch(model, pgd, role);
          expect(hit).toBe(expected.hit);
          expect(pages.freed).toEqual(expected.freed);
          if (!hit) {
            // The next entry loads a root: a plain one, or one without a page.
            const root = special === 0 ? 900 : (next++ % 80) * 10 + role;
            cache.current = root;
            cache.currentPgd = pgd;
            model.current = true;
            model.list.unshift([root, pgd]);
          }
          expect(shown(cache)).toEqual(model.list);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('rotates a hit in slot i to the front and shifts those before it down', () => {
    const cache = new RootCache();
    [cache.current, cache.currentPgd] = [0, 1];
    cache.previous.set([10, 20, 30]);
    cache.previousPgd.set([2, 3, 4]);
    expect(cache.findKeepingCurrent(matcher, 3, 0)).toBe(true);
    expect(shown(cache)).toEqual([
      [20, 3],
      [0, 1],
      [10, 2],
      [30, 4],
    ]);
  });

  it('leaves the least recent root current after a miss, to be freed', () => {
    const cache = new RootCache();
    [cache.current, cache.currentPgd] = [0, 1];
    cache.previous.set([10, 20, 30]);
    cache.previousPgd.set([2, 3, 4]);
    expect(cache.findKeepingCurrent(matcher, 9, 0)).toBe(false);
    expect(cache.current).toBe(30);
    expect(Array.from(cache.previous)).toEqual([0, 10, 20]);
  });

  it('moves a root found without a current one out, and empties the last slot', () => {
    const cache = new RootCache();
    cache.previous.set([10, 20, 30]);
    cache.previousPgd.set([2, 3, 4]);
    expect(cache.findWithoutCurrent(matcher, 3, 0)).toBe(true);
    expect(cache.current).toBe(20);
    expect(Array.from(cache.previous)).toEqual([10, 30, INVALID_ROOT]);
  });

  it('is not asked before 5.18 unless both sides have four levels: the current root is freed', () => {
    const cache = new RootCache();
    [cache.current, cache.currentPgd] = [0, 1];
    cache.previous.set([10, -1, -1]);
    cache.previousPgd.set([2, 0, 0]);
    const pages = new Freed();
    expect(switchPgd(cache, pages, 2, 0, false, false)).toBe('miss');
    expect(pages.freed).toEqual([0]);
    expect(cache.current).toBe(INVALID_ROOT);
    expect(cache.previous[0]).toBe(10);
  });
});
