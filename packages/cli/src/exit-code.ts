/**
 * What the command returns to the shell.
 */

/** All well; a threshold, verification or comparison failed; wrong usage, config or record; a bug; Ctrl-C. */
export const ExitCode = { Ok: 0, Failed: 1, Usage: 2, Internal: 3, Interrupted: 130 } as const;
