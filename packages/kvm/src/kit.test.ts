/**
 * The parts of this package keep the laws in a small backend composed of them; and the kit finds what it is for: each bug put into that backend on purpose
 * breaks a law, or a promise of the conformance suite.
 */
import { AccessKind } from '@mmulab/api';
import { LAWS, checkLaws, checkScenario, describeConformance, describeLaws, findBrokenLaw } from '@mmulab/testkit';
import type { CreateBackend, LawName, LawScenario, LawsOptions, Scenario } from '@mmulab/testkit';
import { LoggingToy } from './fixtures/logging-toy';
import { toyDefinition, type ToyBug } from './fixtures/toy-definition';

const create =
  (bug?: ToyBug): CreateBackend =>
  (_options, _host, counters, engines) =>
    new LoggingToy(counters, bug, engines);

const options: LawsOptions = {
  flushes: { asked: ['flush.asked'], served: ['flush.served'] },
  mappedPages: counters => counters('pages_mapped'),
};

describeLaws(toyDefinition, create(), { ...options, sequences: 20 });
describeConformance(toyDefinition, create(), { sequences: 2, hugeSequences: 0 });

/** The law that tells of each bug first; what a lifted run does to side state is told by the comparison with single accesses instead. */
const toldBy: Readonly<Record<Exclude<ToyBug, 'cache_not_replayed'>, LawName>> = {
  get_keeps_writable: 'protected',
  permission_fault_is_clean: 'logged',
  protection_leaves_w: 'protected',
  read_maps_writable: 'protected',
  every_seventh_lost: 'logged',
  dirty_map_left_out: 'logged',
  root_not_cleared: 'nothing_left',
  table_not_in_memory: 'tables',
  clear_without_flush: 'flushed',
  enable_without_flush: 'flushed',
  words_without_flush: 'flushed',
  no_retry: 'flushed',
  destroy_without_unmap: 'nothing_left',
  unmap_one_short: 'gone',
  unmap_without_flush: 'flushed',
  delete_keeps_mappings: 'gone',
  split_maps_writable: 'protected',
  huge_while_logged: 'protected',
  clear_takes_unread: 'logged',
  served_without_flush: 'flushed',
  flush_first_vcpu_only: 'flushed',
  age_keeps_young: 'aged',
  taken_for_spurious: 'gets_through',
  gauge_off_on_split: 'gauges',
  stages_skip_dirty: 'logged',
};

describe('the laws', () => {
  it.each(Object.entries(toldBy) as [keyof typeof toldBy, LawName][])('find %s by the law of what is %s', (bug, law) => {
    const found = findBrokenLaw(toyDefinition, create(bug), { ...options, seed: 1, sequences: 600 }, false);
    expect(found?.law).toBe(law);
  });

  it('have a bug each that only they tell of, but for the one of `current`, which a stale translation breaks first', () => {
    expect([...new Set(Object.values(toldBy))].sort()).toEqual(
      Object.keys(LAWS)
        .filter(law => law !== 'current')
        .sort(),
    );
  });

  it('tell of a fault that maps a page the host has dropped, on memory of which that can be seen', () => {
    const scenario: LawScenario = {
      profile: '1.0',
      vcpus: 1,
      slots: [{ backing: 'fickle', npages: 64, shift: 0, congruent: true, readonly: false, populated: false }],
      steps: [
        {
          do: 'together',
          touches: [{ vcpu: 0, slot: 0, page: 3, kind: 'read' }],
          order: [0, 0],
          host: { do: 'unmap', slot: 0, page: 0, npages: 64 },
          hostAfter: 2,
        },
      ],
    };
    const check = (bug?: ToyBug) => (): void => checkLaws(toyDefinition, create(bug), scenario, options);
    expect(check()).not.toThrow();
    expect(check('no_retry')).toThrow(LAWS.current);
  });

  it('print the shortest scenario as code to paste', () => {
    const found = findBrokenLaw(toyDefinition, create('unmap_one_short'), { ...options, seed: 1 });
    expect(found?.scenario.steps).toHaveLength(2);
    expect(() => checkLaws(toyDefinition, create('unmap_one_short'), found?.scenario as LawScenario, options)).toThrow(
      "checkLaws(definition, create, {\n  profile: '1.0',\n  vcpus: 1,\n  slots: [\n    { backing: ",
    );
  });
});

describe('the conformance suite', () => {
  it('finds cache_not_replayed, which no law tells of: whole runs count otherwise than single accesses', () => {
    const slot = { backing: 'anonymous', npages: 2048, shift: 0, congruent: true, readonly: false, populated: false };
    const write = { do: 'run' as const, vcpu: 0, from: 0, pages: 2048, stride: 1, kind: AccessKind.Write, writeEvery: 0 };
    // Two blocks of the first slot are taken from memory; what they took of the cache shows when the second slot takes more.
    const scenario: Scenario = {
      profile: 0,
      overrides: [],
      host: [],
      vm: { vcpus: 1, slots: [slot, slot] },
      operations: [
        { ...write, slot: 0 },
        { ...write, slot: 1 },
      ],
    };
    const check = (bug?: ToyBug) => (): void => checkScenario(toyDefinition, create(bug), scenario);
    expect(check()).not.toThrow();
    expect(check('cache_not_replayed')).toThrow('cache.filled');
  });
});
