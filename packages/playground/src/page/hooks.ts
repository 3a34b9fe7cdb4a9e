/**
 * How views follow a session.
 */
import { useEffect, useState } from 'preact/hooks';
import type { Session } from '../lab/session';

/** Draws the component anew whenever the session changes. */
export function useSession(session: Session): void {
  const [, draw] = useState(0);
  useEffect(() => session.watch(() => draw(count => count + 1)), [session]);
}
