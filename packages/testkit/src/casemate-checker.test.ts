/**
 * The checker of exported traces on traces written by hand: what each rule lets pass, and what it refuses.
 */
import { CasemateRule, checkCasemateTrace } from './casemate-checker';
import { readCasemateTrace } from './casemate-reader';

const ROOT = 0x1000;
const CHILD = 0x2000;
const OTHER = 0x3000;
const LOCK = 0x9000;
/** Levels 1 and 2 of the tree: where the leaves of these traces lie (level 2, so 2 MiB blocks at frames 0 and 512). */
const TABLES = [ROOT, CHILD, OTHER];
const block = (megabytes: number, flags = 0x7fdn): bigint => (BigInt(megabytes) << 20n) | flags;
const table = (page: number): bigint => BigInt(page) | 3n;

/** A trace, record by record; ids count up by themselves. */
class Trace {
  private readonly lines: string[] = [];
  private tid = 0;

  on(tid: number): this {
    this.tid = tid;
    return this;
  }

  add(name: string, fields: string): this {
    this.lines.push(`(${name} (id ${this.lines.length}) (tid ${this.tid}) ${fields} (src "test:${this.lines.length}"))`);
    return this;
  }

  init(...pages: number[]): this {
    for (const page of pages) this.add('mem-init', `(address 0x${page.toString(16)}) (size 0x1000)`);
    return this;
  }

  free(page: number): this {
    return this.add('mem-free', `(address 0x${page.toString(16)}) (size 0x1000)`);
  }

  store(address: number, value: bigint, order = 'release'): this {
    return this.add('mem-write', `(mem-order ${order}) (address 0x${address.toString(16)}) (value 0x${value.toString(16)})`);
  }

  load(root = ROOT, vmid = 1): this {
    return this.add('sysreg-write', `(sysreg vttbr_el2) (value 0x${((BigInt(vmid) << 48n) | BigInt(root)).toString(16)})`);
  }

  lock(): this {
    return this.add('lock', `(address 0x${LOCK.toString(16)})`);
  }

  unlock(): this {
    return this.add('unlock', `(address 0x${LOCK.toString(16)})`);
  }

  hint(kind: string, location: number, value: number): this {
    return this.add('hint', `(kind ${kind}) (location 0x${location.toString(16)}) (value 0x${value.toString(16)})`);
  }

  dsb(kind: string): this {
    return this.add('barrier', `dsb (kind ${kind})`);
  }

  tlbi(operation: string): this {
    return this.add('tlbi', operation);
  }

  /** The whole of an invalidation by IPA of the 2 MiB block at frame 0. */
  byIpa(value = '0x600000000000'): this {
    return this.dsb('ishst').tlbi(`ipas2e1is (value ${value})`).dsb('ish').tlbi('vmalle1is').dsb('ish');
  }

  byVmid(): this {
    return this.dsb('ishst').tlbi('vmalls12e1is').dsb('ish');
  }

  check(): ReturnType<typeof checkCasemateTrace> {
    return checkCasemateTrace(`${this.lines.join('\n')}\n`);
  }
}

/** A tree of three tables, levels 0 to 2, loaded and locked by thread 0. */
function tree(): Trace {
  return new Trace()
    .init(...TABLES)
    .hint('set_root_lock', ROOT, LOCK)
    .store(ROOT, table(CHILD))
    .store(CHILD, table(OTHER))
    .load()
    .lock();
}

function rejected(trace: Trace): string {
  const verdict = trace.check();
  return verdict.verdict === 'rejected' ? verdict.rule : verdict.verdict;
}

describe('the order of break-before-make', () => {
  it('is break, DSB, TLBI by IPA, DSB, TLBI of stage 1, DSB, make', () => {
    expect(rejected(tree().store(OTHER, block(2)).dsb('ish').store(OTHER, 0n, 'plain').byIpa().store(OTHER, block(4)))).toBe('accepted');
  });

  it('is break, DSB, TLBI of the VMID, DSB, make', () => {
    expect(rejected(tree().store(OTHER, block(2)).store(OTHER, 0x400n).byVmid().store(OTHER, block(4)))).toBe('accepted');
  });

  it.each([
    ['the first DSB', (t: Trace) => t.tlbi('ipas2e1is (value 0x600000000000)').dsb('ish').tlbi('vmalle1is').dsb('ish')],
    ['the TLBI', (t: Trace) => t.dsb('ishst').dsb('ish').tlbi('vmalle1is').dsb('ish')],
    ['the DSB between both halves', (t: Trace) => t.dsb('ishst').tlbi('ipas2e1is (value 0x600000000000)').tlbi('vmalle1is').dsb('ish')],
    ['the half of stage 1', (t: Trace) => t.dsb('ishst').tlbi('ipas2e1is (value 0x600000000000)').dsb('ish').dsb('ish')],
    ['the last DSB', (t: Trace) => t.dsb('ishst').tlbi('ipas2e1is (value 0x600000000000)').dsb('ish').tlbi('vmalle1is')],
    ['an inner shareable last DSB', (t: Trace) => t.dsb('ishst').tlbi('vmalls12e1is').dsb('ishst')],
    ['the right address', (t: Trace) => t.byIpa('0x600000000200')],
    ['the right level', (t: Trace) => t.byIpa('0x700000000000')],
    ['anything at all', (t: Trace) => t],
  ])('does without none of it: %s', (_what, invalidate) => {
    const broken = tree().store(OTHER, block(2)).store(OTHER, 0n);
    expect(rejected(invalidate(broken).store(OTHER, block(4)))).toBe(CasemateRule.UncleanToValid);
  });

  it('asks nothing of invalid entries, or of rights and access flag', () => {
    expect(rejected(tree().store(OTHER, 0x400n).store(OTHER, block(2)).store(OTHER, block(2, 0x77dn)).store(OTHER, block(2, 0x3fdn)))).toBe(
      'accepted',
    );
  });

  it('refuses a leaf for a leaf, a table for a leaf and a leaf for a table', () => {
    expect(rejected(tree().store(OTHER, block(2)).store(OTHER, block(4)))).toBe(CasemateRule.LeafForLeaf);
    expect(rejected(tree().store(OTHER, block(2)).init(0x4000).store(OTHER, table(0x4000)))).toBe(CasemateRule.ValidToValid);
    expect(rejected(tree().store(CHILD, block(1024)))).toBe(CasemateRule.ValidToValid);
  });

  it('is kept by the thread that broke the entry', () => {
    const broken = tree().store(OTHER, block(2)).store(OTHER, 0n).unlock().on(1).load().lock();
    expect(rejected(broken.byVmid().store(OTHER, block(4)))).toBe(CasemateRule.UncleanToValid);
  });

  it('is kept under the lock', () => {
    const broken = tree().store(OTHER, block(2)).store(OTHER, 0n).unlock();
    expect(rejected(broken.byVmid().lock().store(OTHER, block(4)))).toBe(CasemateRule.UncleanToValid);
  });
});

describe('tables', () => {
  it('are not reached by an invalidation by IPA, but by one of the VMID', () => {
    expect(rejected(tree().store(CHILD, 0n).byIpa('0x500000000000').free(OTHER))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().store(CHILD, 0n).byVmid().free(OTHER))).toBe('accepted');
  });

  it('are initialised before each use, and used once at a time', () => {
    expect(rejected(tree().store(OTHER, table(0x5000)))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().store(CHILD, 0n).byVmid().free(OTHER).store(CHILD, table(OTHER)))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().store(CHILD, 0n).byVmid().free(OTHER).init(OTHER).store(CHILD, table(OTHER)))).toBe('accepted');
    expect(rejected(tree().store(CHILD + 8, table(OTHER)))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().init(OTHER))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().free(0x7000))).toBe(CasemateRule.TablePage);
  });

  it('are not broken above unclean entries, nor stored to below a broken one', () => {
    expect(rejected(tree().store(OTHER, block(2)).store(OTHER, 0n).store(CHILD, 0n))).toBe(CasemateRule.BrokenParent);
    expect(rejected(tree().store(CHILD, 0n).store(OTHER, block(2)))).toBe(CasemateRule.BrokenParent);
  });
});

describe('the lock', () => {
  it('is held by whoever stores, and by one thread at a time', () => {
    expect(rejected(tree().unlock().store(OTHER, block(2)))).toBe(CasemateRule.Lock);
    expect(rejected(tree().on(1).load().store(OTHER, block(2)))).toBe(CasemateRule.Lock);
    expect(rejected(tree().on(1).lock())).toBe(CasemateRule.Lock);
    expect(rejected(tree().on(1).unlock())).toBe(CasemateRule.Lock);
  });

  it('is needed by the tree: one without lock is nobody’s', () => {
    expect(rejected(new Trace().init(ROOT).load().lock().store(ROOT, 0x400n))).toBe(CasemateRule.Lock);
  });

  it('allows one plain store until the next DSB or section', () => {
    const first = (): Trace => tree().store(OTHER, block(2), 'plain');
    expect(rejected(first().store(OTHER + 8, block(4), 'plain'))).toBe(CasemateRule.PlainStore);
    expect(
      rejected(
        first()
          .dsb('ishst')
          .store(OTHER + 8, block(4), 'plain'),
      ),
    ).toBe('accepted');
    expect(
      rejected(
        first()
          .unlock()
          .lock()
          .store(OTHER + 8, block(4), 'plain'),
      ),
    ).toBe('accepted');
    expect(rejected(first().store(OTHER + 8, 0x400n, 'plain'))).toBe('accepted');
  });
});

describe('roots', () => {
  it('make a trace worth checking: without one it is unchecked, whatever it holds', () => {
    expect(new Trace().init(ROOT).store(ROOT, table(CHILD)).store(ROOT, block(2)).check()).toEqual({ verdict: 'unchecked' });
  });

  it('are loaded by every thread that stores or invalidates, under one VMID', () => {
    expect(rejected(tree().unlock().on(2).lock().store(OTHER, block(2)))).toBe(CasemateRule.Vttbr);
    expect(rejected(tree().on(2).tlbi('vmalls12e1is'))).toBe(CasemateRule.Vttbr);
    expect(rejected(tree().on(1).load(ROOT, 2))).toBe(CasemateRule.Vttbr);
    expect(rejected(tree().init(0x5000).on(1).load(0x5000, 1))).toBe(CasemateRule.Vttbr);
  });

  it('are not concatenated', () => {
    const start = (t0sz: number): Trace =>
      new Trace()
        .init(ROOT)
        .add('sysreg-write', `(sysreg vtcr_el2) (value 0x${t0sz.toString(16)})`)
        .load();
    expect([16, 20, 24, 25, 29, 32].map(t0sz => rejected(start(t0sz)))).toEqual([
      'accepted',
      'accepted',
      CasemateRule.StartTable,
      'accepted',
      'accepted',
      CasemateRule.StartTable,
    ]);
  });

  it('are let go of when no thread uses them, clean, and their pages after that', () => {
    const other = (): Trace =>
      tree()
        .unlock()
        .init(0x5000)
        .hint('set_root_lock', 0x5000, LOCK + 8);
    expect(rejected(other().load(0x5000, 2).hint('release_table', ROOT, 0).free(ROOT).free(CHILD).free(OTHER))).toBe('accepted');
    expect(rejected(other().hint('release_table', ROOT, 0))).toBe(CasemateRule.Release);
    expect(rejected(other().load(0x5000, 2).free(ROOT))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().store(CHILD, 0n).init(0x5000).load(0x5000, 2).hint('release_table', ROOT, 0))).toBe(CasemateRule.Release);
    expect(rejected(tree().hint('release_table', OTHER, 0))).toBe(CasemateRule.Release);
  });
});

describe('the reader', () => {
  const good = '(mem-write (id 7) (tid 1) (mem-order release) (address 0x1000) (value 7ff) (src "map:3"))';

  it('reads numbers in hexadecimal with and without 0x, ids and threads in decimal', () => {
    expect(readCasemateTrace(`${good}\n`)).toEqual([
      { kind: 'mem-write', line: 1, tid: 1, src: 'map:3', release: true, address: 0x1000, value: 0x7ffn },
    ]);
  });

  it.each([
    ['fields in another order', '(mem-write (id 0) (tid 0) (address 0x0) (mem-order plain) (value 0x0) (src "a:1"))'],
    ['an id in hexadecimal', good.replace('(id 7)', '(id 0x7)')],
    ['a fifth thread', good.replace('(tid 1)', '(tid 4)')],
    ['a place without colon', good.replace('map:3', 'map')],
    ['no place', good.replace(' (src "map:3")', '')],
    ['an unknown record', good.replace('mem-write', 'mem-put')],
    ['an unknown order', good.replace('release', 'acquire')],
    ['a barrier that there is not', '(barrier (id 0) (tid 0) dsb (kind sy) (src "a:1"))'],
    ['an invalidation of a range', '(tlbi (id 0) (tid 0) ripas2e1is (value 0x0) (src "a:1"))'],
    ['an id that does not count up', `${good}\n${good}`],
    ['an empty line', `${good}\n\n`],
  ])('refuses %s', (_what, text) => {
    expect(() => readCasemateTrace(text)).toThrow('CASEMATE_SYNTAX:');
  });
});
