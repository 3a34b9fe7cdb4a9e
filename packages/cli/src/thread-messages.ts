/**
 * What the thread of a command and the thread of the process say to each other.
 */
import type { Progress, TerminalLook } from './terminal';

/** What the command's thread is started with. */
export interface ThreadOrder {
  readonly argv: readonly string[];
  readonly look: TerminalLook;
  /** One Int32: characters of results that have been sent and not yet been taken by whoever reads them. */
  readonly underway: SharedArrayBuffer;
}

/** What a command that waits is told, by name, to come to its end. */
export type InterruptSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** What it answers. */
export type ThreadMessage =
  | { readonly kind: 'out'; readonly text: string }
  | { readonly kind: 'err'; readonly text: string }
  | { readonly kind: 'progress'; readonly progress: Progress | undefined }
  /** A file beside its target has been made, or is gone: the process removes those that are left when it is interrupted. */
  | { readonly kind: 'unfinished'; readonly path: string; readonly isThere: boolean }
  | { readonly kind: 'exit'; readonly code: number };
