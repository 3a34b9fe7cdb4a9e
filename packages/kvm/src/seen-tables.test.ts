import { GuestLayout } from './guest-layout';
import { EpochSet, SeenTables } from './seen-tables';

describe('a set that is emptied in one step', () => {
  it('of 3,000 counts its members, whether they come one by one, in rows or again', () => {
    const set = new EpochSet(3000);
    const members = (): number => Array.from({ length: 3000 }, (_, i) => i).filter(i => set.has(i)).length;
    set.add(40);
    set.add(40);
    set.addAll(33, 200);
    set.addAll(1000, 2100);
    expect([set.count, members()]).toEqual([1267, 1267]);
    set.clear();
    set.add(1030);
    expect([set.count, members()]).toEqual([1, 1]);
  });
});

describe('tables that need no touch', () => {
  const run = { vfn: 0, gfn: 0, npages: 1024, level: 1, writable: true, user: true, executable: true, accessed: true, dirty: true } as const;
  const table = (level: number, count: number, gfn: number) => ({ level: level as 1 | 2 | 3, first: 0, count, gfn });
  const layout = new GuestLayout({ name: '', levels: 4, root: 9, runs: [run], tables: [table(1, 2, 20), table(2, 1, 30), table(3, 1, 40)] });

  it('make the way to a frame one that touches nothing, once the last of its four has been touched', () => {
    const seen = new SeenTables(layout);
    const frames = [4, 3, 2, 1].map(level => [seen.isWaySeen(0, 7), seen.firstTouch(level, 0)]);
    expect(frames).toEqual([9, 40, 30, 20].map(frame => [false, frame]));
    expect([seen.isWaySeen(0, 7), seen.isWaySeen(1, 512)]).toEqual([true, false]);
    seen.firstTouch(1, 1);
    expect(seen.isWaySeen(1, 512)).toBe(true);
    seen.forget();
    expect([seen.isWaySeen(0, 7), seen.isWaySeen(1, 512)]).toEqual([false, false]);
  });
});
