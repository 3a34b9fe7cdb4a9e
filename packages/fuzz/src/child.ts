/**
 * The process in which cases run, one after the other, each told of before it begins: what does not come back is known by that.
 */
import type { Order, Said } from './campaign';
import { runCase, type FuzzCase, type Outcome } from './case';
import { casesOf, repeat } from './cases';

const say = (said: Said): void => void process.send?.(said);

process.on('message', ({ seed, kind, from, to }: Order) => {
  const cases = casesOf(kind);
  for (let index = from; index < to; index++) {
    say({ say: 'begin', index });
    let first: Outcome | undefined;
    let number = 0;
    const run = (one: FuzzCase): Outcome => {
      const outcome = runCase(one, index * 1000 + number++);
      first ??= outcome;
      return outcome;
    };
    const smallest = repeat(cases, seed, index, run);
    if (smallest !== undefined) say({ say: 'fault', index, fault: smallest.fault, smallest: smallest.one });
    else say({ say: 'end', index, codes: first?.codes ?? [], errors: first?.errors ?? [] });
  }
  process.disconnect();
});

say({ say: 'ready' });
