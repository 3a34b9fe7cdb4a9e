/**
 * What counters mean, at hand wherever their names stand: pointing at a name, focusing it or tapping on it shows its sentence at the foot of the window.
 */
import { signal } from './signal';
import type { JSX } from 'preact';
import type { CounterDoc } from '../report-data';

const docs = new Map<string, CounterDoc>();
const shown = signal<string | undefined>(undefined);

/** Tells the page what the counters mean. */
export function documentCounters(counters: Readonly<Record<string, CounterDoc>>): void {
  docs.clear();
  for (const [name, doc] of Object.entries(counters)) docs.set(name, doc);
}

/** Whether a text is the name of a counter that can be explained. */
export function isDocumented(name: string): boolean {
  return docs.has(name);
}

/** A counter's name. */
export function CounterName({ name }: { readonly name: string }): JSX.Element {
  const show = (): void => shown.set(name);
  const hide = (): void => shown.set(undefined);
  return (
    <button type="button" class="counter" onMouseEnter={show} onMouseLeave={hide} onFocus={show} onBlur={hide} onClick={show}>
      {name}
    </button>
  );
}

/** The line at the foot of the window. */
export function CounterDocBar(): JSX.Element {
  const name = shown.use();
  const doc = name === undefined ? undefined : docs.get(name);
  return (
    <div role="status" class={doc === undefined ? 'doc-bar empty' : 'doc-bar'}>
      {doc !== undefined && (
        <p>
          <strong>{name}</strong> ({doc.gauge ? `${doc.unit}, at the end of the phase` : doc.unit}): {doc.doc}
        </p>
      )}
    </div>
  );
}
