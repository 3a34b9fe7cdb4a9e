/**
 * Traces of real kernels.
 */
export { readTrace } from './trace-source';
export { TraceParser } from './trace-parser';
export { Kind, TraceEvent } from './trace-event';
export { checkTrace } from './check';
export type { CheckOutcome } from './check';
export type { MemoryOptions } from './traced-vm';
export type { GivenSlot } from './guest-memory';
export { TraceSigns } from './signs';
export type { SignedMachine } from './signs';
export { readSlot } from './slot-option';
export { isUsed } from './event-kinds';
export type { TraceLines } from './drive';
export { replayTrace } from './replay';
export type { ReplayOutcome } from './replay';
export { recordScript } from './record-script';
export { readRecord } from './record-read';
export type { RecordRead } from './record-read';
