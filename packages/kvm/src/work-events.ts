/**
 * Places of the counters of work in their group: `WorkCounts` counts them for every backend.
 */
import { workEvents, type WorkEventName } from '@mmulab/api';

/** Place of an event in the group. */
function at(name: WorkEventName): number {
  return workEvents.findIndex(event => event.name === name);
}

/** Places of the events in the group, by what they count. */
export const Work = {
  lockRead: at('mmu_lock.read'),
  lockWrite: at('mmu_lock.write'),
  lockYield: at('mmu_lock.yield'),
  getCalls: at('dirty_log.get_calls'),
  clearCalls: at('dirty_log.clear_calls'),
  copiedWords: at('dirty_log.copied_words'),
  words: at('dirty_log.words'),
  bits: at('dirty_log.bits'),
  leavesVisited: at('leaves.visited'),
  leavesChanged: at('leaves.changed'),
  tablesWalked: at('tables.walked'),
  clear: at('host_page.clear'),
  copy: at('host_page.copy'),
  mapShared: at('host_page.map_shared'),
  splitZero: at('host_page.split_zero'),
  lost: at('exchange.lost'),
  frozen: at('exchange.frozen'),
  rcuFree: at('table.rcu_free'),
  call: at('host_call'),
  callBytes: at('host_call.bytes'),
} as const;
