/**
 * Groups of dirty rings against the kernel's way of making them, entry by entry with a mask of 64 bits.
 */
import * as fc from 'fast-check';
import { EntryRuns } from './entry-runs';
import { PageGroups, eachGroup, pagesPerGroup } from './ring-groups';

type Entry = readonly [slot: number, page: number];

/** One entry at a time. */
function groupsByMask(entries: readonly Entry[]): string[] {
  const groups: string[] = [];
  let [slot, offset, mask] = [0, 0, 0n];
  const close = (): void => {
    if (mask === 0n) return;
    const pages = Array.from({ length: 64 }, (_, bit) => bit).filter(bit => ((mask >> BigInt(bit)) & 1n) === 1n);
    groups.push(`${slot}: ${pages.map(bit => offset + bit).join(' ')}`);
  };
  for (const [nextSlot, page] of entries) {
    const delta = page - offset;
    if (mask !== 0n && nextSlot === slot) {
      if (delta >= 0 && delta < 64) {
        mask |= 1n << BigInt(delta);
        continue;
      }
      if (delta > -64 && delta < 0 && BigInt.asUintN(64, mask << BigInt(-delta)) >> BigInt(-delta) === mask) {
        offset = page;
        mask = (mask << BigInt(-delta)) | 1n;
        continue;
      }
    }
    close();
    [slot, offset, mask] = [nextSlot, page, 1n];
  }
  close();
  return groups;
}

function groupsByRuns(entries: readonly Entry[]): string[] {
  const list = new EntryRuns();
  for (const [slot, page] of entries) list.add(slot, page);
  const groups: string[] = [];
  eachGroup(list.runs, {
    group: (slot, pages) => void groups.push(`${slot}: ${pages.join(' ')}`),
    stretch: (slot, low, step, count) => {
      const made: string[] = [];
      let pages: number[] = [];
      const taker = {
        word: () => {
          pages = [];
          made.push('');
        },
        page: (gfn: number) => {
          pages.push(gfn);
          made[made.length - 1] = `${slot}: ${pages.join(' ')}`;
        },
      };
      const end = low + (count * pagesPerGroup(step) - 1) * step + 1;
      const program = new PageGroups('', low, step, end, taker);
      // In two pieces that meet between two groups.
      const middle = low + Math.floor(count / 2) * program.period;
      program.block(low, middle);
      program.block(middle, end);
      // Groups of a stretch are told in ascending order, whichever way the entries came.
      groups.push(...made);
    },
  });
  return groups;
}

const sorted = (groups: readonly string[]): string[] => [...groups].sort();

/** Entries of a guest that goes through its pages in stretches. */
const stretches = fc.array(
  fc.record({ slot: fc.nat(1), first: fc.nat(400), step: fc.constantFrom(1, 1, 1, -1, -1, 2, 3, -5, 20, 63, 64, 65, -100, 512), count: fc.nat(200) }),
  { minLength: 1, maxLength: 8 },
);

it('makes the groups that the kernel makes with a mask, of 40 random rings', () => {
  fc.assert(
    fc.property(stretches, drawn => {
      const entries = drawn.flatMap(({ slot, first, step, count }) =>
        Array.from({ length: count + 1 }, (_, i): Entry => [slot, first + (step < 0 ? -step * count : 0) + i * step]),
      );
      expect(sorted(groupsByRuns(entries))).toEqual(sorted(groupsByMask(entries)));
    }),
    { numRuns: 40, seed: 7 },
  );
});

it('keeps 3 stretches of 1000 entries as 3 runs, whichever way they are appended', () => {
  const list = new EntryRuns();
  for (let page = 0; page < 1000; page++) list.add(1, page);
  list.addRun(1, 5000, 20, 1000);
  for (let page = 999; page >= 0; page--) list.add(2, page);
  const reversed = new EntryRuns();
  reversed.addAll(list, true);
  const again = new EntryRuns();
  again.addAll(reversed, true);
  expect([list.count, reversed.count, again.count]).toEqual([3000, 3000, 3000]);
  expect(list.runs.map(({ first, step, count }) => [first, step, count])).toEqual([
    [0, 1, 1000],
    [5000, 20, 1000],
    [999, -1, 1000],
  ]);
  expect(again.key()).toBe(list.key());
});
