/**
 * What a command sees of the place it was typed in. Commands write to a terminal and nowhere else, so that they run the same in this process,
 * in a thread beside it, and in tests.
 */

/** How far a long command has come. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** What is being worked on. */
  readonly label: string;
}

export interface Terminal {
  /** Width of the standard output in characters. */
  readonly columns: number;
  /** Whether the standard output shows colours. */
  readonly color: boolean;
  /** Results. */
  out(text: string): void;
  /** Notes and errors. */
  err(text: string): void;
  /** Shows how far the command has come; undefined when it is done. */
  progress(progress: Progress | undefined): void;
}

/** What a terminal is like, as far as another thread has to know. */
export interface TerminalLook extends Pick<Terminal, 'columns' | 'color'> {
  /** Whether progress is shown to somebody. */
  readonly showsProgress: boolean;
}
