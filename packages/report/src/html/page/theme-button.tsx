/**
 * Light, dark, or as the system has it.
 */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

const THEMES = ['system', 'light', 'dark'] as const;

/** A button that goes from one to the next. */
export function ThemeButton(): JSX.Element {
  const [at, setAt] = useState(0);
  const theme = THEMES[at] ?? 'system';
  const change = (): void => {
    const next = (at + 1) % THEMES.length;
    setAt(next);
    document.documentElement.dataset['theme'] = THEMES[next] ?? 'system';
  };
  return (
    <button type="button" class="theme" onClick={change} aria-label={`Colours: ${theme}`}>
      {theme === 'system' ? '◐' : theme === 'light' ? '○' : '●'} {theme}
    </button>
  );
}
