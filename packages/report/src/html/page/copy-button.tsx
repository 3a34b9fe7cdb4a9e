/**
 * A button that copies, and says whether it could.
 */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { copyText } from './clipboard';

/** How long the button says that it has copied. */
const SAID_MS = 1500;

/** @param text made when the button is pressed */
export function CopyButton({ label, text }: { readonly label: string; readonly text: () => string }): JSX.Element {
  const [said, say] = useState('');
  const copy = async (): Promise<void> => {
    say((await copyText(text())) ? 'Copied' : 'Not allowed here');
    setTimeout(() => say(''), SAID_MS);
  };
  return (
    <button type="button" onClick={() => void copy()}>
      {said === '' ? label : said}
    </button>
  );
}
