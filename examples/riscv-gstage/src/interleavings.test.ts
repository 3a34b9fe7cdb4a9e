/**
 * The steps of the G-stage in every order, on tables of four entries.
 */
import { describeInterleavings, findBadOrder, ignoreLostExchange, linkBeforeFill, neverFlush } from '@mmulab/testkit';
import type { InterleavedTables } from '@mmulab/testkit';
import { definition, readPolicy } from './definition';
import { Ptes } from './pte';
import { ClearRule, FixRule, MapRule, ProtectRule, protocols } from './rules';

/** Entries of the tables that are explored: as many pages lie under each. */
const SPAN = [0, 1, 4, 16];

function tablesOf(profile: number, over: Partial<InterleavedTables> = {}): InterleavedTables {
  const defaults = Object.fromEntries([...definition.options, ...definition.hostOptions].map(option => [option.name, option.default]));
  const policy = readPolicy({ ...defaults, ...definition.profiles[profile].values }, defaults);
  const ptes = new Ptes();
  return {
    attrs: ptes.table,
    protocols,
    leaf: { read: ptes.readOnly, write: ptes.writable },
    isWritable: attr => ptes.isWritable(attr),
    map: attr => ({ rule: new MapRule(policy), op: { attr }, lock: 'write' }),
    ...(policy.fastFault ? { fix: () => ({ rule: new FixRule(ptes), op: {}, lock: 'read' as const }) } : {}),
    host: {
      unmap: { rule: new ClearRule(policy, SPAN), op: {}, lock: 'write' },
      protect: { rule: new ProtectRule(policy, ptes, SPAN), op: {}, lock: 'write' },
    },
    ...over,
  };
}

describeInterleavings('the G-stage of 6.12.117', tablesOf(0), { splits: false });
describeInterleavings('the G-stage of 7.2.13', tablesOf(1));

describe('an order in which something goes wrong is found', () => {
  it('where a table is linked before it is filled', () => {
    expect(findBadOrder(tablesOf(1, { protocols: linkBeforeFill(protocols) }))?.code).toBe('TABLE_UNFILLED');
  });

  it('where a leaf that goes is not fenced, on 6.12', () => {
    expect(findBadOrder(tablesOf(0, { protocols: neverFlush(protocols) }), { splits: false })).toEqual({
      title: 'a write and the host that would unmap it, with nothing mapped',
      code: 'TRANSLATION_STALE',
    });
  });

  it('where a fault maps without the lock', () => {
    const { map } = tablesOf(1);
    const unlocked = { map: (attr: number) => ({ ...map(attr), lock: 'read' as const }), protocols: ignoreLostExchange(protocols) };
    expect(findBadOrder(tablesOf(1, unlocked))).toBeDefined();
  });
});
