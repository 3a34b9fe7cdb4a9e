/**
 * A session as a page shows it: how to go through it, and for each run the map, the last step, the walk and the tables; the counters of both below.
 */
import type { JSX } from 'preact';
import type { Session, Side } from '../lab/session';
import { CountersView } from './counters-view';
import { useSession } from './hooks';
import { Legend, MapView, WindowControls } from './map-view';
import { StepView } from './step-view';
import { TablesView } from './tables-view';
import { Transport } from './transport';
import { WalkView } from './walk-view';

export function ExplorerView({ session }: { readonly session: Session }): JSX.Element {
  useSession(session);
  const labels = session.sides.map((side, i) => labelOf(session, side, i));
  const vcpus = session.sides[0]?.lab.plan.vm.vcpus ?? 1;
  return (
    <div class="explorer">
      <Transport session={session} />
      <WindowControls session={session} />
      <div class="controls">
        <label>
          vCPU{' '}
          <select value={String(session.vcpu)} onChange={event => session.lookAt(Number(event.currentTarget.value))}>
            {Array.from({ length: vcpus }, (_, vcpu) => (
              <option value={String(vcpu)} key={vcpu}>
                {vcpu}
              </option>
            ))}
          </select>
        </label>
        <label>
          <input type="checkbox" checked={session.follows} onChange={event => session.follow(event.currentTarget.checked)} /> choose the page that is
          accessed
        </label>
      </div>
      <Legend />
      <div class="sides">
        {session.sides.map((side, i) => (
          <SideView key={i} session={session} side={side} label={labels[i] ?? ''} />
        ))}
      </div>
      <Differences session={session} />
      <CountersView session={session} />
    </div>
  );
}

function SideView({ session, side, label }: { readonly session: Session; readonly side: Side; readonly label: string }): JSX.Element {
  return (
    <section class={session.sides.length > 1 ? 'side' : 'side alone'} aria-label={label}>
      <div>
        <h2>{label}</h2>
        <MapView session={session} side={side} label={label} />
        <h3>Tables</h3>
        <TablesView session={session} side={side} />
      </div>
      <div>
        <h3>This step</h3>
        <StepView side={side} isAlone={session.sides.length === 1} />
        <WalkView session={session} side={side} label={label} />
      </div>
    </section>
  );
}

/** Cells in which two runs differ. */
function Differences({ session: { sides } }: { readonly session: Session }): JSX.Element | null {
  const [a, b] = sides;
  if (a === undefined || b === undefined) return null;
  let differing = 0;
  a.map.cells.forEach((cell, i) => (differing += cell === b.map.cells[i] ? 0 : 1));
  return (
    <p class={differing === 0 ? 'faint' : 'differs-text'}>
      {differing === 0
        ? 'Memory is mapped alike in both.'
        : `${differing.toLocaleString('en-US')} of ${a.map.cells.length.toLocaleString('en-US')} cells are mapped differently: those with a marked corner.`}
    </p>
  );
}

/** `A: x86-tdp 6.1.192, huge_page_fault=zap`: the settings in which two runs differ. */
function labelOf({ sides }: Session, { lab: { run } }: Side, index: number): string {
  const other = sides[1 - index]?.lab.run;
  const { name, kernel, options } = run.backend;
  const differing = other === undefined ? [] : Object.entries(options).filter(([key, value]) => other.backend.options[key] !== value);
  const isOtherKernel = other !== undefined && (other.backend.kernel !== kernel || other.backend.name !== name);
  const settings = isOtherKernel ? '' : differing.map(([key, value]) => `, ${key}=${String(value)}`).join('');
  return `${sides.length > 1 ? `${'AB'[index] ?? ''}: ` : ''}${name} ${kernel}${settings}`;
}
