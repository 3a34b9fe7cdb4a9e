/**
 * Numbers as the page writes them.
 */
import type { AccessKind, Level } from '@mmulab/api';

/** `262,144`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** A frame or address. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** What an access does. */
export const VERBS: Readonly<Record<AccessKind, string>> = { 0: 'reads', 1: 'writes', 2: 'executes' };

/** `level 1`, with the architecture's own number where that counts the other way. */
export function levelName(level: Level, arch: string): string {
  return arch === 'arm64' ? `level ${level} (Arm’s ${4 - level})` : `level ${level}`;
}
