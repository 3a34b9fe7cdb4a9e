/**
 * The process in which cases run, one after the other, each told of before it begins: what does not come back is known by that.
 */
import type { Order, Said } from './campaign';
import { runCase, type FuzzCase, type Outcome } from './case';
import { casesOf, repeat } from './cases';

const say = (said: Said): void => void process.send?.(said);

async function runAll({ seed, kind, from, to }: Order): Promise<void> {
  const cases = casesOf(kind);
  for (let index = from; index < to; index++) {
    say({ say: 'begin', index });
    const outcomes: Outcome[] = [];
    const run = async (one: FuzzCase): Promise<Outcome> => {
      const outcome = await runCase(one, index * 1000 + outcomes.length);
      outcomes.push(outcome);
      return outcome;
    };
    const smallest = await repeat(cases, seed, index, run);
    const [first] = outcomes;
    if (smallest !== undefined) say({ say: 'fault', index, fault: smallest.fault, smallest: smallest.one });
    else say({ say: 'end', index, codes: first.codes, errors: first.errors });
  }
  process.disconnect();
}

process.on('message', (order: Order) => {
  runAll(order).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});

say({ say: 'ready' });
