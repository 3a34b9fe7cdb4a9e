/**
 * What the explorer explores: agents that advance one atomic step at a time, and the world they share.
 */

/** Something that advances one atomic step at a time. */
export interface Agent {
  readonly name: string;
  readonly isDone: boolean;
  /** Whether it can go on now: false while it waits for a lock or for somebody to change something. */
  readonly isReady: boolean;
  /** Whether its next step touches nothing another agent can see. */
  readonly nextIsPrivate: boolean;
  /** What its next step is, for people. */
  readonly nextName: string;
  step(): void;
}

/** Agents and what they share. Built anew for every replay, always alike. */
export interface ExploredWorld {
  readonly agents: readonly Agent[];
  /** Everything the future depends on: equal keys, equal futures. */
  key(): string;
  /** Throws an InvariantError when something is wrong; called after every step. */
  check(): void;
  /** The same once all agents are done. */
  checkEnd(): void;
}
