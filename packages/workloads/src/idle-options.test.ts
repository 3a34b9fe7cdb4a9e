/**
 * Options that do nothing beside the others say so.
 */
import { DemandPaging, demandPagingDefinition } from './demand-paging';
import { DirtyLogTest, dirtyLogDefinition } from './dirty-log';
import { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
import { AccessRounds, accessRoundsDefinition } from './access-rounds';
import { AMD, planOf, type Exported } from './fixtures/plan-of';
import { GuestTableRounds, guestTableRoundsDefinition } from './guest-table-rounds';

const TESTS: Readonly<Record<string, Exported>> = {
  demand_paging_test: { definition: demandPagingDefinition, implementation: DemandPaging },
  dirty_log_perf_test: { definition: dirtyLogPerfDefinition, implementation: DirtyLogPerf },
  dirty_log_test: { definition: dirtyLogDefinition, implementation: DirtyLogTest },
  guest_tables: { definition: guestTableRoundsDefinition, implementation: GuestTableRounds },
  access_rounds: { definition: accessRoundsDefinition, implementation: AccessRounds },
};

it.each([
  ['demand_paging_test', '-b 4M -d 100', ['delay_us=100 (-d)']],
  ['demand_paging_test', '-b 4M -d 100 -a -r 2 -u MISSING', []],
  ['demand_paging_test', '-b 4M -a -r 2', ['single_uffd=true (-a)', 'readers=2 (-r)']],
  ['dirty_log_perf_test', '-b 4M -r 7 -p 4G', ['random_seed=7 (-r)', 'phys_offset=4G (-p)']],
  ['dirty_log_perf_test', '-b 4M -r 1', []],
  ['dirty_log_test', '-M clear-log -c 4096', ['ring_size=4096 (-c)']],
  ['dirty_log_test', '-M dirty-ring -c 4096', []],
  ['guest_tables', '-b 4M -k 3 -p w', ['spaces=3 (-k)']],
  ['guest_tables', '-b 4M -k 3 -p w,n', []],
  ['access_rounds', '-b 4M -R 1024 -B -p D,w,Qc,Qr', ['dirty_ring_bitmap=true (-B)']],
  ['access_rounds', '-b 4M -R 1024 -B -p D,w,Hk', []],
])('%s %s: notes on %j', (test, command, idle) => {
  const { notes } = planOf(TESTS[test], command, AMD);
  expect(notes.flatMap(note => /^\w+: (.*) does nothing: /.exec(note)?.[1] ?? [])).toEqual(idle);
});

it('-e of the test of 6.1 is said to imply -g, unless that is given', () => {
  const notes = (command: string): string => planOf(TESTS['dirty_log_perf_test'], command, AMD, {}, { kernel: '6.1' }).notes.join();
  expect(notes('-b 4M -e')).toContain('-e implies -g');
  expect(notes('-b 4M -e -g')).not.toContain('-e implies -g');
});
