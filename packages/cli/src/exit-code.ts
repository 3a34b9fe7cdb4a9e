/**
 * What the command returns to the shell.
 */

/** All well; a threshold, verification or comparison failed; wrong usage, config or record; a bug; ended by a signal, whose number is added (Ctrl-C: 130). */
export const ExitCode = { Ok: 0, Failed: 1, Usage: 2, Internal: 3, Signalled: 128 } as const;
