/**
 * What the thread of a command and the thread of the process say to each other.
 */
import type { Progress, TerminalLook } from './terminal';

/** What the command's thread is started with. */
export interface ThreadOrder {
  readonly argv: readonly string[];
  readonly look: TerminalLook;
}

/** What it answers. */
export type ThreadMessage =
  | { readonly kind: 'out'; readonly text: string }
  | { readonly kind: 'err'; readonly text: string }
  | { readonly kind: 'progress'; readonly progress: Progress | undefined }
  | { readonly kind: 'exit'; readonly code: number };
