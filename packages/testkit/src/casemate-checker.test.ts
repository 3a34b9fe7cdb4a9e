/**
 * The checker of exported traces on traces written by hand: what each rule lets pass, and what it refuses.
 */
import { CasemateRule } from './casemate-rules';
import { CHILD, OTHER, ROOT, Trace, block, rejected, table, tree } from './fixtures/casemate-text';

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
    ['a last DSB for loads too', (t: Trace) => t.dsb('ishst').tlbi('vmalls12e1is').dsb('ishst')],
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

  it.each([
    ['rights are taken from a leaf without access flag', 0x3fdn, 0x37dn, CasemateRule.ValidToValid],
    ['the flag goes as the rights do', 0x7fdn, 0x37dn, 'accepted'],
    ['it comes as they do', 0x3fdn, 0x77dn, 'accepted'],
    ['software bits alone change', 0x3fdn, 0x3fdn | (1n << 55n), 'accepted'],
    ['nothing changes', 0x3fdn, 0x3fdn, 'accepted'],
  ])('is asked of leaves neither of which has the access flag: %s', (_what, before, after, expected) => {
    expect(rejected(tree().store(OTHER, block(2, before)).store(OTHER, block(2, after)))).toBe(expected);
  });

  it.each([0, 1, 2, 3, 4])('takes DSBs that other CPUs take part in: number %i of five is none with nsh', which => {
    const kinds = ['ishst', 'ish', 'ish'];
    const byIpa = tree().store(OTHER, block(2)).store(OTHER, 0n);
    const tlbis = ['ipas2e1is (value 0x600000000000)', 'vmalle1is'];
    const byVmid = tree().store(OTHER, block(2)).store(OTHER, 0n);
    kinds.forEach((kind, i) => {
      byIpa.dsb(i === which ? 'nsh' : kind);
      if (i < 2) byIpa.tlbi(tlbis[i]);
    });
    ['ishst', 'ish'].forEach((kind, i) => {
      byVmid.dsb(i + 3 === which ? 'nsh' : kind);
      if (i < 1) byVmid.tlbi('vmalls12e1is');
    });
    expect([rejected(byIpa), rejected(byVmid)]).toEqual(which < 3 ? [CasemateRule.Local, 'accepted'] : ['accepted', CasemateRule.Local]);
  });

  it.each(['vmalle1', 'vmalls12e1', 'alle1'])('takes invalidations that are broadcast: not %s', operation => {
    expect(rejected(tree().store(OTHER, block(2)).store(OTHER, 0n).dsb('ishst').tlbi(operation))).toBe(CasemateRule.Local);
  });

  it('lets each CPU do for itself what it likes while nothing is unclean, or the tree is another thread’s', () => {
    expect(rejected(tree().store(OTHER, block(2)).dsb('nsh').tlbi('vmalle1'))).toBe('accepted');
    expect(rejected(tree().store(OTHER, block(2)).store(OTHER, 0n).on(1).load().dsb('nsh').tlbi('vmalle1'))).toBe('accepted');
  });

  it('is done by an invalidation of all VMIDs whatever tree the thread has loaded', () => {
    const elsewhere = tree().store(OTHER, block(2)).store(OTHER, 0n).init(0x5000).load(0x5000, 2);
    expect(rejected(elsewhere.dsb('ishst').tlbi('alle1is').dsb('ish').load().store(OTHER, block(4)))).toBe('accepted');
  });

  it('is not done by an invalidation of another VMID', () => {
    const elsewhere = tree().store(OTHER, block(2)).store(OTHER, 0n).init(0x5000).load(0x5000, 2);
    expect(rejected(elsewhere.dsb('ishst').tlbi('vmalls12e1is').dsb('ish').load().store(OTHER, block(4)))).toBe(CasemateRule.UncleanToValid);
  });

  it('refuses a leaf for a leaf, a table for a leaf and a leaf for a table', () => {
    expect(rejected(tree().store(OTHER, block(2)).store(OTHER, block(4)))).toBe(CasemateRule.LeafForLeaf);
    expect(rejected(tree().store(OTHER, block(2)).init(0x4000).store(OTHER, table(0x4000)))).toBe(CasemateRule.ValidToValid);
    expect(rejected(tree().store(CHILD, block(1024)))).toBe(CasemateRule.ValidToValid);
  });

  it('refuses a table for itself: tables are never written over', () => {
    expect(rejected(tree().store(CHILD, table(OTHER)))).toBe(CasemateRule.ValidToValid);
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

  it('are initialised again only after they were freed', () => {
    expect(rejected(tree().init(0x5000, 0x5000))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().init(0x5000).free(0x5000).init(0x5000))).toBe('accepted');
    expect(rejected(tree().init(0x5000).free(0x5000).free(0x5000))).toBe(CasemateRule.TablePage);
    expect(rejected(tree().store(CHILD, 0n).byVmid().init(OTHER))).toBe(CasemateRule.TablePage);
  });

  it('hold no blocks at levels 0 and 3, written or found when they are linked', () => {
    const filled = (page: number, value: bigint): Trace => tree().init(page).store(page, value);
    expect(rejected(filled(0x4000, block(2, 0x7fdn)).store(OTHER, table(0x4000)))).toBe(CasemateRule.Encoding);
    expect(rejected(filled(0x4000, block(2, 0x7ffn)).store(OTHER, table(0x4000)))).toBe('accepted');
    expect(rejected(filled(0x4000, 0n).store(OTHER, table(0x4000)).store(0x4000, block(2)))).toBe(CasemateRule.Encoding);
    expect(rejected(filled(0x4000, block(2, 0x7ffn)).store(OTHER, table(0x4000)).store(0x4000, block(2, 0x77dn)))).toBe(CasemateRule.Encoding);
    expect(rejected(tree().store(ROOT + 8, block(0)))).toBe(CasemateRule.Encoding);
  });

  it('are no more than 8192 pages at a time', () => {
    const many = (pages: number): Trace => tree().add('mem-init', `(address 0x1000000) (size 0x${(pages * 0x1000).toString(16)})`);
    expect([8189, 8190].map(pages => rejected(many(pages)))).toEqual(['accepted', CasemateRule.Limit]);
  });

  it('are cleared byte by byte, by plain stores', () => {
    expect(rejected(tree().set(OTHER, 0))).toBe('accepted');
    expect(rejected(tree().store(OTHER, block(2)).dsb('ishst').set(OTHER, 0))).toBe('accepted');
    expect(
      rejected(
        tree()
          .store(OTHER, block(2))
          .store(OTHER + 8, block(4))
          .dsb('ishst')
          .set(OTHER, 0),
      ),
    ).toBe(CasemateRule.PlainStore);
    expect(rejected(tree().set(0x7000, 0))).toBe(CasemateRule.TablePage);
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

  it('is not needed for an entry that was given to the thread, and does not help another', () => {
    const given = (): Trace => tree().init(0x4000).store(OTHER, table(0x4000)).hint('set_pte_thread_owner', 0x4000, 1).unlock();
    const page = block(2, 0x7ffn);
    expect(
      rejected(
        given()
          .on(1)
          .store(0x4000, page, 'plain')
          .store(0x4000, page ^ 0x80n, 'plain'),
      ),
    ).toBe('accepted');
    expect(rejected(given().lock().store(0x4000, page))).toBe(CasemateRule.Lock);
    expect(rejected(given().lock().store(OTHER, 0n))).toBe(CasemateRule.BrokenParent);
    expect(rejected(tree().hint('set_pte_thread_owner', OTHER, 1))).toBe(CasemateRule.Lock);
    expect(rejected(given().on(1).store(0x4000, page).store(0x4000, 0n).dsb('ishst').tlbi('vmalls12e1is'))).toBe(CasemateRule.Vttbr);
  });

  it('is told from another by all 64 bits of its address', () => {
    const trace = new Trace().init(ROOT).add('hint', `(kind set_root_lock) (location 0x1000) (value 0xffff800012345678)`).load();
    expect(rejected(trace.add('lock', '(address 0xffff800012345679)').store(ROOT, 0x400n))).toBe(CasemateRule.Lock);
    expect(rejected(trace.add('trylock', '(address 0xffff800012345678)').store(ROOT, 0x400n))).toBe(CasemateRule.Lock);
  });
});
