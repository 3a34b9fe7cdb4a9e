/**
 * Light, dark, or as the system has it.
 */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

const THEMES = ['system', 'light', 'dark'] as const;
const SIGNS = { system: '◐', light: '○', dark: '●' } as const;

/** A button that goes from one to the next. @param changed told afterwards: what is painted by hand has to be painted again */
export function ThemeButton({ changed }: { readonly changed: () => void }): JSX.Element {
  const [at, setAt] = useState(0);
  const theme = THEMES[at] ?? 'system';
  const change = (): void => {
    const next = THEMES[(at + 1) % THEMES.length] ?? 'system';
    setAt(THEMES.indexOf(next));
    document.documentElement.dataset['theme'] = next;
    changed();
  };
  return (
    <button type="button" class="theme" onClick={change} aria-label={`Colours: ${theme}`}>
      {SIGNS[theme]} {theme}
    </button>
  );
}
