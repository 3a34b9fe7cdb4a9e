/**
 * What every KVM shares (virt/kvm), as parts a backend composes. Reading order: memslots and the host memory behind them, the MMU notifier, dirty bitmaps.
 */
export { Memslot } from './memslot';
export { Memslots } from './memslots';
export type { MemslotsParts } from './memslots';
export { dropPages } from './drop-pages';
export type { FrameRange } from './drop-pages';
export { InvalidateSequence } from './mmu-notifier';
export { BitmapWords, WORD_PAGES } from './bitmap-words';
export type { WordTaker } from './bitmap-words';
export { guestUnmapped } from './errors';
