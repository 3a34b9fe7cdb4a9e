import { MmuLock } from './mmu-lock';

const release = (lock: MmuLock, write: boolean): number[] => [...lock.granted.slice(0, lock.release(write))];

describe('mmu_lock', () => {
  it('lets readers in together and a writer alone', () => {
    const lock = new MmuLock(4);
    expect([lock.acquire(0, false), lock.acquire(1, false), lock.acquire(2, true)]).toEqual([true, true, false]);
    expect(release(lock, false)).toEqual([]);
    expect(release(lock, false)).toEqual([2]);
    expect(lock.acquire(0, false)).toBe(false);
    expect(release(lock, true)).toEqual([0]);
    expect(release(lock, false)).toEqual([]);
    expect(lock.isIdle).toBe(true);
  });

  it('serves in the order of arrival: a reader does not pass a waiting writer', () => {
    const lock = new MmuLock(5);
    lock.acquire(0, false);
    lock.acquire(1, true);
    lock.acquire(2, false);
    lock.acquire(3, false);
    lock.acquire(4, true);
    expect(release(lock, false)).toEqual([1]);
    expect(release(lock, true)).toEqual([2, 3]);
    expect(release(lock, false)).toEqual([]);
    expect(release(lock, false)).toEqual([4]);
    expect(release(lock, true)).toEqual([]);
  });

  it('keeps its queue when it wraps around', () => {
    const lock = new MmuLock(3);
    lock.acquire(0, true);
    for (let i = 0; i < 10; i++) {
      const next = (i + 1) % 3;
      lock.acquire(next, true);
      expect(release(lock, true)).toEqual([next]);
    }
  });
});
