/**
 * The checker of exported traces on roots: which trees threads may load, and what happens when they let go of them.
 */
import { CasemateRule } from './casemate-rules';
import { CHILD, LOCK, OTHER, ROOT, TABLES, Trace, block, rejected, table, tree } from './fixtures/casemate-text';

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

  it('are the same with and without the bit that shares TLB entries, and begin where a page does', () => {
    expect(
      rejected(
        tree()
          .on(1)
          .register('vttbr_el2', (1n << 48n) | BigInt(ROOT) | 1n),
      ),
    ).toBe('accepted');
    expect(
      rejected(
        tree()
          .on(1)
          .register('vttbr_el2', (2n << 48n) | 0x5800n),
      ),
    ).toBe(CasemateRule.StartTable);
  });

  it('count from when translation is on', () => {
    const off = (): Trace =>
      new Trace()
        .init(...TABLES, 0x5000)
        .register('hcr_el2', 0n)
        .load();
    expect(rejected(off().store(ROOT, table(CHILD)))).toBe('unchecked');
    expect(rejected(off().register('hcr_el2', 1n).store(ROOT, table(CHILD)))).toBe(CasemateRule.Lock);
    expect(rejected(off().register('hcr_el2', 1n).register('hcr_el2', 0n).hint('release_table', ROOT, 0))).toBe('accepted');
    expect(rejected(off().register('hcr_el2', 1n).hint('release_table', ROOT, 0))).toBe(CasemateRule.Release);
  });

  it('have pages of 4 KiB', () => {
    expect(rejected(new Trace().init(ROOT).register('vtcr_el2', 0x4010n).load())).toBe(CasemateRule.StartTable);
  });

  it('are no more than 64', () => {
    const trace = new Trace();
    for (let i = 1; i <= 65; i++) trace.init(i * 0x1000).load(i * 0x1000, i);
    expect(trace.check()).toMatchObject({ verdict: 'rejected', rule: CasemateRule.Limit, line: 130 });
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
    expect(rejected(tree().hint('release_table', 0x7000, 0))).toBe('accepted');
  });

  it('leave pages that are initialised anew and become another tree', () => {
    const gone = tree()
      .unlock()
      .init(0x5000)
      .hint('set_root_lock', 0x5000, LOCK + 8)
      .load(0x5000, 2)
      .hint('release_table', ROOT, 0);
    expect(rejected(gone.init(ROOT).hint('set_root_lock', ROOT, LOCK).load(ROOT, 3).lock().store(ROOT, table(CHILD)))).toBe('accepted');
    expect(rejected(gone.init(OTHER))).toBe(CasemateRule.TablePage);
  });
});

describe('the hypervisor’s own tree', () => {
  const own = (): Trace =>
    new Trace()
      .init(ROOT, CHILD)
      .hint('set_root_lock', ROOT, LOCK)
      .store(ROOT, table(CHILD))
      .register('tcr_el2', 0x10n)
      .register('mair_el2', 0n)
      .register('ttbr0_el2', BigInt(ROOT))
      .lock();
  const broken = (): Trace => own().store(CHILD, block(1024)).store(CHILD, 0n).dsb('ishst');

  it('is checked as a guest’s is, and cleaned by one invalidation of its own', () => {
    expect(rejected(own().store(CHILD, block(1024)).store(CHILD, block(2048)))).toBe(CasemateRule.LeafForLeaf);
    expect(rejected(broken().tlbi('vae2is (value 0x0)').dsb('ish').store(CHILD, block(2048)))).toBe('accepted');
    expect(rejected(broken().tlbi('alle2is').dsb('ish').store(CHILD, block(2048)))).toBe('accepted');
    expect(rejected(broken().dsb('ish').store(CHILD, block(2048)))).toBe(CasemateRule.UncleanToValid);
  });

  it.each([
    ['another address', 'vae2is (value 0x40000)', CasemateRule.UncleanToValid],
    ['the last level', 'vale2is (value 0x0)', CasemateRule.UncleanToValid],
    ['a guest', 'alle1is', CasemateRule.UncleanToValid],
    ['this CPU alone', 'alle2', CasemateRule.Local],
  ])('is not cleaned by an invalidation for %s', (_what, operation, expected) => {
    expect(rejected(broken().tlbi(operation).dsb('ish').store(CHILD, block(2048)))).toBe(expected);
  });

  it('is the only one of ASID 0, which is its only ASID', () => {
    expect(rejected(own().register('ttbr0_el2', (1n << 48n) | BigInt(ROOT)))).toBe(CasemateRule.Vttbr);
    expect(rejected(own().init(0x5000).register('ttbr0_el2', 0x5000n))).toBe(CasemateRule.Vttbr);
    expect(rejected(own().load(ROOT, 1))).toBe(CasemateRule.Vttbr);
    expect(rejected(own().init(0x5000).load(0x5000, 0))).toBe('accepted');
  });

  it('starts at the level its size says', () => {
    const start = (t0sz: number): string =>
      rejected(
        new Trace()
          .init(ROOT)
          .register('tcr_el2', BigInt(t0sz))
          .hint('set_root_lock', ROOT, LOCK)
          .register('ttbr0_el2', BigInt(ROOT))
          .lock()
          .store(ROOT, block(0)),
      );
    expect([16, 24, 25, 33, 34, 43, 15].map(start)).toEqual([
      CasemateRule.Encoding,
      CasemateRule.Encoding,
      'accepted',
      'accepted',
      'accepted',
      CasemateRule.StartTable,
      CasemateRule.StartTable,
    ]);
  });

  it('counts from when its translation is on', () => {
    const off = new Trace().init(ROOT).register('sctlr_el2', 0n).register('ttbr0_el2', BigInt(ROOT));
    expect(rejected(off)).toBe('unchecked');
    expect(rejected(off.register('sctlr_el2', 1n).store(ROOT, 0x400n))).toBe(CasemateRule.Lock);
  });
});
