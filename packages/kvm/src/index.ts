/**
 * What every KVM shares (virt/kvm), as parts a backend composes. Reading order: memslots and the host memory behind them, the MMU notifier, dirty bitmaps.
 */
export { Memslot } from './memslot';
export { Memslots } from './memslots';
export type { MemslotsParts } from './memslots';
export { HostMemoryOps } from './host-memory-ops';
export { dropPages } from './drop-pages';
export type { FrameRange } from './drop-pages';
export { InvalidateSequence } from './mmu-notifier';
export { HostWork, hostStages } from './host-work';
export { HostFaults, HostPage } from './host-faults';
export type { Invalidate } from './host-faults';
export { BitmapWords, WORD_PAGES } from './bitmap-words';
export type { WordTaker } from './bitmap-words';
export { DirtyLog } from './dirty-log';
export type { LoggedTables } from './dirty-log';
export { HostOps } from './host-ops';
export type { Aging, GuestMemory, HostTables, RecoveryWorker } from './host-tables';
export { GuestLayout } from './guest-layout';
export type { NumberedRun } from './guest-layout';
export { EpochSet, SeenTables } from './seen-tables';
export { AccessProgram } from './access-program';
export type { AccessPath, AccessPattern, LeafRights } from './access-program';
export { accessKind, eachPiece } from './access-runs';
export type { PieceRunner } from './access-runs';
export { PendingAccesses } from './pending-access';
export type { GuestWalks, StagedPath } from './pending-access';
export { GuestAccesses } from './guest-accesses';
export type { AccessParts } from './guest-accesses';
export { HeldCounts } from './held-counts';
export { SideState } from './side-state';
export { CommonEvents, counted, eventIndices } from './events';
export { describeEntry } from './entry-words';
export type { BitName, EntryNames } from './entry-words';
export { guestUnmapped, livelock, noHostPage, notCreated } from './errors';
