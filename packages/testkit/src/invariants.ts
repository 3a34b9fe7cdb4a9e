/**
 * What holds of every backend's counters at any moment, whatever it models.
 */
import { InvariantError } from '@mmulab/api';
import type { EventDef } from '@mmulab/api';

/** The counters of one actor or of all together, by event index. */
export type CounterVector = Float64Array | readonly number[];

/**
 * Checks what an operation did to the counters: whole numbers, none below zero, and only gauges ever fall.
 * @param events by counter index
 * @param before sums over all actors before the operation
 * @param after the same after it
 * @param what names the operation, for the message
 * @throws InvariantError COUNTER_NOT_WHOLE, COUNTER_NEGATIVE, COUNTER_FELL
 */
export function checkCounters(events: readonly EventDef[], before: CounterVector, after: CounterVector, what: string): void {
  events.forEach((event, i) => {
    const [was, is] = [before[i] ?? 0, after[i] ?? NaN];
    const fail = (code: string, problem: string): never => {
      throw new InvariantError(code, `${event.name} ${problem} after ${what}`, 0, 0, `${was} → ${is}`);
    };
    if (!Number.isSafeInteger(is)) fail('COUNTER_NOT_WHOLE', 'is no whole number');
    if (is < 0) fail('COUNTER_NEGATIVE', 'is below zero');
    if (!event.gauge && event.fold === undefined && is < was) fail('COUNTER_FELL', 'fell');
  });
}

/**
 * Checks that nothing is left of a VM that was destroyed.
 * @param tableBytes what the backend says its tables take
 * @throws InvariantError GAUGE_LEFT, TABLES_LEFT
 */
export function checkNothingLeft(events: readonly EventDef[], totals: CounterVector, tableBytes: number): void {
  events.forEach((event, i) => {
    if (event.gauge && totals[i] !== 0) throw new InvariantError('GAUGE_LEFT', `${event.name} is not 0 once the VM is gone`, 0, 0, String(totals[i]));
  });
  if (tableBytes !== 0) throw new InvariantError('TABLES_LEFT', 'tables are left once the VM is gone', 0, 0, `${tableBytes} bytes`);
}
