/**
 * A place in the sources, as a link where they lie beside the page.
 */
import { createContext, type JSX } from 'preact';
import { useContext } from 'preact/hooks';
import type { Decider } from '../lab/deciders';

/** Where the packages' folders lie, seen from the page. */
export const SourcesContext = createContext<string | undefined>(undefined);

export function SourceLink({ decider: { file, symbol } }: { readonly decider: Decider }): JSX.Element {
  const sources = useContext(SourcesContext);
  const text = `${file}: ${symbol}`;
  return sources === undefined ? (
    <code class="source">{text}</code>
  ) : (
    <a class="source" href={`${sources}/${file}`}>
      {text}
    </a>
  );
}
