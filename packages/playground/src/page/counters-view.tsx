/**
 * The counters: in the last step, in the phase under way, in all; of two runs side by side, differences marked.
 */
import type { EventDef } from '@mmulab/api';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Session, Side } from '../lab/session';
import { count } from './numbers';

/** One counter of one run. */
interface Count {
  readonly step: number;
  readonly phase: number;
  readonly all: number;
}

export function CountersView({ session }: { readonly session: Session }): JSX.Element {
  const [isAll, setAll] = useState(false);
  const { sides } = session;
  const rows = rowsOf(sides).filter(
    ({ counts }) => isAll || counts.some(one => one !== undefined && (one.step !== 0 || one.phase !== 0 || one.all !== 0)),
  );
  return (
    <section aria-labelledby="counters">
      <h2 id="counters">Counters</h2>
      <label>
        <input type="checkbox" checked={isAll} onChange={event => setAll(event.currentTarget.checked)} /> zero ones too
      </label>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of counters">
        <table>
          <thead>
            <tr>
              <th scope="col">Counter</th>
              {sides.flatMap((_, i) => [
                <th scope="col" class="right" key={`s${i}`}>
                  {sides.length > 1 ? `${'AB'[i] ?? ''}: step` : 'step'}
                </th>,
                <th scope="col" class="right" key={`p${i}`}>
                  phase
                </th>,
                <th scope="col" class="right" key={`a${i}`}>
                  in all
                </th>,
              ])}
              {sides.length > 1 ? <th scope="col">differs</th> : null}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ event, counts }) => {
              const differs = counts.length > 1 && counts[0]?.all !== counts[1]?.all;
              return (
                <tr key={event.name} class={differs ? 'differs' : ''}>
                  <th scope="row" title={event.doc}>
                    {event.name}
                  </th>
                  {counts.flatMap((one, i) => [
                    <td class={one !== undefined && one.step !== 0 ? 'right strong' : 'right'} key={`s${i}`}>
                      {one === undefined || one.step === 0 ? '' : `${one.step > 0 ? '+' : ''}${count(one.step)}`}
                    </td>,
                    <td class="right" key={`p${i}`}>
                      {one === undefined ? '' : count(one.phase)}
                    </td>,
                    <td class="right" key={`a${i}`}>
                      {one === undefined ? '' : count(one.all)}
                    </td>,
                  ])}
                  {counts.length > 1 ? <td>{differs ? '≠' : ''}</td> : null}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function rowsOf(sides: readonly Side[]): readonly { readonly event: EventDef; readonly counts: readonly (Count | undefined)[] }[] {
  const events = new Map<string, EventDef>();
  for (const { lab } of sides)
    for (const event of lab.definition.events) if (event.group === undefined && !events.has(event.name)) events.set(event.name, event);
  return [...events.values()].map(event => ({ event, counts: sides.map(side => countOf(side, event)) }));
}

function countOf({ lab, acted }: Side, { name, gauge }: EventDef): Count | undefined {
  const index = lab.definition.events.findIndex(event => event.name === name);
  if (index < 0) return undefined;
  const all = lab.now[index] ?? 0;
  return { all, step: acted ? all - (lab.before[index] ?? 0) : 0, phase: gauge ? all : all - (lab.atPhase[index] ?? 0) };
}
