import { CasemateTrace, Section } from './trace';

/** A trace and the records written so far, ids and places apart. */
function trace(leaveOut?: string): { readonly trace: CasemateTrace; readonly records: () => readonly string[] } {
  let text = '';
  const made = new CasemateTrace({ name: 'casemate', leaveOut, write: piece => (text += piece) });
  const bare = (line: string): string => line.replace(/^\((\S+) \(id \d+\) \(tid (\d)\) (.*) \(src "[^"]*"\)\)$/, '$2 $1 $3');
  return { trace: made, records: () => text.trimEnd().split('\n').map(bare) };
}

const LOCK = 'lock (address 0x80000100)';
const store = (to: CasemateTrace, thread: number, address: number): void => {
  to.thread = thread;
  to.store(address, 1n, false, 'a:1');
};

describe('sections of mmu_lock', () => {
  it('show where the first store is, and end where they end', () => {
    const { trace: one, records } = trace();
    one.thread = 1;
    one.begin(Section.Write);
    store(one, 1, 0x10);
    store(one, 1, 0x18);
    one.end();
    expect(records()).toEqual([
      `1 ${LOCK}`,
      '1 mem-write (mem-order release) (address 0x10) (value 0x1)',
      '1 mem-write (mem-order release) (address 0x18) (value 0x1)',
      `1 un${LOCK}`,
    ]);
  });

  it('for reading are cut where they overlap', () => {
    const { trace: two, records } = trace();
    for (const thread of [1, 2]) {
      two.thread = thread;
      two.begin(Section.Read);
    }
    for (const thread of [1, 2, 1]) store(two, thread, 0x10);
    for (const thread of [1, 2]) {
      two.thread = thread;
      two.end();
    }
    expect(records().map(record => record.replace(/ \(.*/, ''))).toEqual([
      '1 lock',
      '1 mem-write',
      '1 unlock',
      '2 lock',
      '2 mem-write',
      '2 unlock',
      '1 lock',
      '1 mem-write',
      '1 unlock',
    ]);
  });

  it.each([
    [Section.Write, Section.Write],
    [Section.Write, Section.Read],
    [Section.Read, Section.Write],
  ])('that exclude each other never overlap: that would be a bug (%i, %i)', (first, second) => {
    const { trace: two } = trace();
    two.thread = 1;
    two.begin(first);
    two.thread = 2;
    expect(() => two.begin(second)).toThrow('EXPORT_LOCK:');
  });
});

describe('stores', () => {
  it('that withdraw are plain, but for those after another store without DSB', () => {
    const { trace: one, records } = trace();
    one.thread = 1;
    one.begin(Section.Write);
    one.store(0x10, 0n, true, 'a:1');
    one.store(0x18, 0n, true, 'a:1');
    one.breakByVmid('a:1');
    one.store(0x20, 0n, true, 'a:1');
    expect(records().flatMap(record => /mem-order (\w+)/.exec(record)?.[1] ?? [])).toEqual(['plain', 'release', 'plain']);
  });
});

describe('invalidations', () => {
  it('by IPA name frame and level, level 0 as no hint, and take both stages', () => {
    const { trace: one, records } = trace();
    one.breakByIpa(0x12345, 2, 'a:1');
    one.breakByIpa(0x40000, 0, 'a:1');
    expect(records().slice(0, 6)).toEqual([
      '0 barrier dsb (kind ishst)',
      '0 tlbi ipas2e1is (value 0x600000012345)',
      '0 barrier dsb (kind ish)',
      '0 tlbi vmalle1is',
      '0 barrier dsb (kind ish)',
      '0 barrier dsb (kind ishst)',
    ]);
    expect(records()[6]).toBe('0 tlbi ipas2e1is (value 0x40000)');
  });

  it.each([
    [undefined, [2, 1, 2]],
    ['no-tlbi', [0, 0, 0]],
    ['no-tlbi:1', [0, 1, 2]],
    ['no-tlbi:2', [2, 0, 2]],
    ['no-break', [2, 1, 2]],
  ] as const)('are left out on demand: %s', (leaveOut, expected) => {
    const { trace: one, records } = trace(leaveOut);
    const counts: number[] = [];
    for (const act of [() => one.breakByIpa(1, 3, 'a:1'), () => one.breakByVmid('a:1'), () => one.flushIpa(1, 3, 'a:1')]) {
      const before = records().filter(record => record.includes(' tlbi ')).length;
      act();
      counts.push(records().filter(record => record.includes(' tlbi ')).length - before);
    }
    expect(counts).toEqual(expected);
  });

  it.each(['', 'no-tlbi:0', 'no-tlbi:x', 'nothing'])('left out as "%s" are an error', leaveOut => {
    expect(() => trace(leaveOut)).toThrow('EXPORT_OMISSION:');
  });
});

describe('what was to be left out', () => {
  it.each([
    ['no-tlbi', 'leaves nothing out: the run invalidates after 0 breaks'],
    ['no-tlbi:2', 'leaves nothing out: the run invalidates after 1 break'],
    ['no-break', 'leaves nothing out'],
    ['no-leaf-break', 'leaves nothing out'],
  ])('has to be there: %s', (leaveOut, problem) => {
    const { trace: one } = trace(leaveOut);
    if (leaveOut !== 'no-tlbi') one.breakByVmid('a:1');
    expect(() => one.releaseRoot([])).toThrow(`export casemate: ${leaveOut}: ${problem}`);
  });

  it('may be any of its kind', () => {
    const { trace: one } = trace('no-tlbi');
    one.flushVmid('a:1');
    expect(() => one.releaseRoot([])).not.toThrow();
  });
});

describe('table pages', () => {
  it('are used again, and those that wait go back when no vCPU walks', () => {
    const { trace: one, records } = trace();
    const [first, second] = [one.zallocPage('a:1'), one.zallocPage('a:1')];
    one.freePage(first, 'a:1');
    expect(one.zallocPage('a:1')).toBe(first);
    one.freePageLater(second);
    one.thread = 1;
    one.begin(Section.Read);
    one.endGracePeriod();
    const walking = records().length;
    one.end();
    one.endGracePeriod();
    expect(records().slice(walking)).toEqual([`0 mem-free (address 0x${second.toString(16)}) (size 0x1000)`]);
  });
});
