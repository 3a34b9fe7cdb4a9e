/**
 * What the command returns to the shell.
 */
import { constants } from 'node:os';

/** All well; a threshold, verification or comparison failed; wrong usage, config or record; a bug; ended by a signal, whose number is added (Ctrl-C: 130). */
export const ExitCode = { Ok: 0, Failed: 1, Usage: 2, Internal: 3, Signalled: 128 } as const;

/** The code of a command that came to its end because of a signal; undefined when nothing interrupted it. */
export function interruptedCode({ aborted, reason }: AbortSignal): number | undefined {
  return aborted ? ExitCode.Signalled + (constants.signals[reason as NodeJS.Signals] ?? constants.signals.SIGINT) : undefined;
}
