/**
 * Rounds: the comma-separated list behind `-p` of access_rounds and nested_rounds, and the phases it stands for.
 *
 * A round is a pass over memory or an operation of the host, one phase each, named as it is written. What the kernel would refuse at that point is refused here. The letters
 * stand in round-letters.ts, what may stand behind them in round-syntax.ts.
 */
import {
  changeRefusal,
  type AccessKind,
  type DirtyRingSpec,
  type HostOp,
  type MemslotSpec,
  type NumberOption,
  type OptionSpec,
  type OptionValues,
  type SwitchOption,
  type TextOption,
  type ChoiceOption,
  type WorkloadPhase,
} from '@mmulab/api';
import type { CommandFlag } from './command-line';
import { invalidRound, optionConflict } from './errors';
import { backingFlag, backingOption, bytesFlag, bytesOption, numberValue, switchOption, switchValue } from './option-values';
import { IdleRounds } from './idle-rounds';
import { HOST_LETTERS, PASS_KINDS, ROUND_SHAPES, type RoundLetter } from './round-letters';
import { parseRound, rangeOf, roundsFault, roundsPattern, type ByteRange, type ParsedRound, type RoundShape } from './round-syntax';
import { hostSteps, phase } from './steps';

/** A pass over memory. */
export interface PassRound {
  readonly kind: AccessKind;
  /** Pages from one access to the next. */
  readonly stride: number;
  /** The part of the test memory it goes over. */
  readonly range: ByteRange;
}

const LETTERS_DOC = [...HOST_LETTERS].map(([letters, { doc }]) => `${letters} ${doc}`).join('; ');

const roundsOption = roundsOptionWith({ shapes: new Map(), names: '', doc: '' }, 'w,r');

/** Letters of one test alone. */
export interface OwnLetters {
  /** What may stand behind each. */
  readonly shapes: ReadonlyMap<string, RoundShape>;
  /** The letters in words, with a comma behind, for messages; and what they do, with a semicolon behind. */
  readonly names: string;
  readonly doc: string;
}

/** The list of rounds as an option. */
export function roundsOptionWith(own: OwnLetters, usual: string): TextOption {
  const letters = `w, r, x, ${own.names}${[...HOST_LETTERS.keys()].join(', ')}`;
  const shapes = new Map([...ROUND_SHAPES, ...own.shapes]);
  return {
    kind: 'text',
    name: 'rounds',
    doc:
      `Rounds, comma-separated: LETTER[NUMBER][@FIRST[+COUNT]]. w, r, x touch memory, every NUMBER-th page; ${own.doc}capitals are the host’s, with a NUMBER one call ` +
      `per page, every NUMBER-th page. FIRST and COUNT are pages, or bytes with K, M, G. ${LETTERS_DOC}.`,
    default: usual,
    pattern: roundsPattern(shapes),
    expected: `rounds separated by commas, each letters of ${letters} with what may follow them, as in w512, K@0+64, Z512@4M+2M`,
    refusal: list => roundsFault(list, shapes, letters),
  };
}

const protectOption: ChoiceOption = {
  kind: 'choice',
  name: 'manual_protect',
  doc: 'Manual dirty log protection as the number the capability takes: 0 off, 1 manual, 3 manual with an initially set bitmap.',
  choices: ['0', '1', '3'],
  default: '0',
};

const ringOption: NumberOption = {
  kind: 'number',
  name: 'dirty_ring',
  doc: 'Entries of a dirty ring per vCPU, a power of two; 0: dirty pages go to bitmaps. A vCPU whose ring is full has all rings collected and reset.',
  default: 0,
  min: 0,
  max: 65_536,
  integer: true,
  expected: 'a power of two from 1024 to 65536 (some machines take less), or 0 for none',
};
const ringBitmapOption: SwitchOption = switchOption('dirty_ring_bitmap', 'Beside dirty rings there are bitmaps, for what no vCPU writes.');

const prefilledOption: SwitchOption = switchOption('prefilled', 'The host has written the test memory before the guest starts.');
const hugeEntriesOption: SwitchOption = switchOption('huge_guest_entries', 'The guest maps test memory with 2 MiB entries.');

/** Options that access_rounds and nested_rounds have in common, `vcpus` aside. */
export const roundOptions: readonly OptionSpec[] = [
  bytesOption('Test memory per vCPU; with overlap for all together.', 16 * 2 ** 20),
  backingOption,
  roundsOption,
  protectOption,
  ringOption,
  ringBitmapOption,
  prefilledOption,
  hugeEntriesOption,
];

/** Flags that access_rounds and nested_rounds have in common, `-v` aside. */
export const roundFlags: readonly CommandFlag[] = [
  bytesFlag,
  backingFlag,
  {
    letter: 'p',
    argument: 'rounds',
    option: 'rounds',
    doc: `rounds, LETTER[NUMBER][@FIRST[+COUNT]]: w,r,x touch memory; ${LETTERS_DOC}`,
  },
  { letter: 'M', argument: 'n', option: 'manual_protect', doc: 'manual dirty log protection: 0, 1 or 3' },
  { letter: 'R', argument: 'entries', option: 'dirty_ring', doc: 'dirty rings of so many entries instead of bitmaps' },
  { letter: 'B', option: 'dirty_ring_bitmap', value: true, doc: 'bitmaps beside the dirty rings' },
  { letter: 'H', option: 'prefilled', value: true, doc: 'the host fills the memory first' },
  { letter: 'L', option: 'huge_guest_entries', value: true, doc: 'the guest maps the memory with 2 MiB entries' },
];

const NOT_DROPPABLE =
  'this kernel does not drop hugetlb memory (MADV_DONTNEED answers EINVAL before 5.18); the host option hugetlb_dontneed=Y has it go all the same, as when it is mapped over';
const NX_NEVER = 'nx_huge_pages=never lasts until the module is loaded again (EPERM): expected nx_huge_pages=Y, N or auto';
const CLEAR_UNIT_PAGES = 64;

/** What the rounds need to know of their test. */
export interface RoundContext {
  readonly workload: string;
  readonly rounds: string;
  /** `0`, `1` or `3`. */
  readonly manualProtect: string;
  readonly dirtyRing: DirtyRingSpec | undefined;
  /** The memslot of the test memory, and the one below it that holds the guest's own pages. */
  readonly slot: MemslotSpec;
  readonly systemSlot: MemslotSpec;
  /** Bytes of a page of the host, and of what plain numbers of a pass count; ranges of passes begin on multiples of `passUnitBytes`. */
  readonly pageBytes: number;
  readonly passPageBytes: number;
  readonly passUnitBytes: number;
  /** Frames of one page of the backing. */
  readonly backingFrames: number;
  /** Options of the backend; absent: none are known. */
  readonly settings: OptionValues | undefined;
  /** The guest part of a pass. */
  readonly pass: (round: PassRound) => WorkloadPhase['steps'];
  /** Rounds of this test alone; undefined where the letters are none of them. @throws MmulabError WORKLOAD_ROUND_INVALID */
  readonly own?: (name: string, letters: string, stride: number, range: ByteRange) => WorkloadPhase['steps'] | undefined;
}

/** The dirty rings that the options ask for. @throws WORKLOAD_OPTION_CONFLICT for bitmaps beside none */
export function ringOf(workload: string, values: OptionValues): DirtyRingSpec | undefined {
  const entries = numberValue(values, 'dirty_ring');
  const withBitmap = switchValue(values, 'dirty_ring_bitmap');
  if (entries === 0 && withBitmap) throw optionConflict(workload, 'dirty_ring_bitmap', 'there are no dirty rings (expected dirty_ring entries)');
  return entries === 0 ? undefined : { entries, withBitmap, given: `${workload}: dirty_ring=${entries} (-R, 0 for none)` };
}

/** The host step that enables manual protection, if any. */
export function protectSteps(manualProtect: string): WorkloadPhase['steps'] {
  return manualProtect === '0' ? [] : hostSteps([{ op: 'manual_protect', initiallySet: manualProtect === '3' }]);
}

/**
 * The phases of a list of rounds, named as they are written, from 1 on: `3_Z512`; and which of them do nothing, in notes.
 * @throws MmulabError WORKLOAD_ROUND_INVALID where the kernel would refuse the operation, or a range does not lie in the memory
 */
export function planRounds(context: RoundContext): { readonly phases: readonly WorkloadPhase[]; readonly notes: readonly string[] } {
  const list = new RoundList(context);
  const phases = context.rounds.split(',').map((text, index) => list.phase(`${index + 1}_${text}`, text));
  return { phases, notes: list.notes() };
}

/** What has become of memslots and log on the way through the list. */
class RoundList {
  private isLogging = false;
  private exists = true;
  private slot: MemslotSpec;
  private other: MemslotSpec;
  private hasOther = false;
  private readonly idle: IdleRounds;

  constructor(private readonly context: RoundContext) {
    const { slot, backingFrames } = context;
    this.idle = new IdleRounds(context);
    this.slot = slot;
    const end = slot.hvf + slot.npages;
    this.other = {
      id: slot.id + 1,
      baseGfn: alignDown(slot.baseGfn - 2 * backingFrames, backingFrames),
      npages: backingFrames,
      hvf: alignDown(end + 2 * backingFrames, backingFrames),
      backing: slot.backing,
      readonly: false,
      populated: [],
    };
  }

  phase(name: string, text: string): WorkloadPhase {
    const parsed = parseRound(text);
    const kind = PASS_KINDS[parsed?.letters ?? ''];
    if (parsed !== undefined && kind !== undefined) return this.pass(name, kind, parsed);
    const own = parsed === undefined ? undefined : this.own(name, parsed);
    if (own !== undefined) {
      this.idle.guestRuns();
      return phase(name, own);
    }
    const letter = HOST_LETTERS.get(parsed?.letters ?? '');
    if (parsed === undefined || letter === undefined) throw this.invalid(name, 'no such round');
    this.check(name, parsed.letters);
    const op = this.make(name, letter, parsed);
    const refusal = changeRefusal(op, this.context.slot.backing);
    if (refusal !== undefined) throw this.invalid(name, refusal);
    this.follow(name, op);
    if (this.isIdle(name, op)) {
      const { backingFrames } = this.context;
      this.idle.add(
        name,
        `hugetlb memory is dropped in whole pages, and no call covers one (expected ${backingFrames} pages or more, and no number)`,
      );
      return phase(name, []);
    }
    this.idle.host(name, op);
    return phase(name, hostSteps([op]));
  }

  notes(): readonly string[] {
    return this.idle.notes(this.context.workload);
  }

  /** hugetlb memory is dropped in whole pages: from the beginning of one on, or not at all, and what the range has of the last one stays. Protected or mapped over it is whole. */
  private isIdle(name: string, op: HostOp): boolean {
    const { slot, backingFrames } = this.context;
    if ((op.op !== 'unmap' && op.op !== 'protect') || !slot.backing.hugetlb) return false;
    const { firstPage = 0, npages = slot.npages, stride } = op;
    const isUnaligned = firstPage % backingFrames !== 0 || (stride !== undefined && stride % backingFrames !== 0 && stride < npages);
    const isCut = (op.op === 'protect' || op.remap === true) && (stride !== undefined || npages % backingFrames !== 0) && backingFrames > 1;
    if (isUnaligned || isCut) throw this.invalid(name, `hugetlb memory goes in whole pages, here of ${backingFrames} pages of 4K (EINVAL)`);
    return backingFrames > 1 && (stride !== undefined || (npages < backingFrames && firstPage + npages < slot.npages));
  }

  private pass(name: string, kind: AccessKind, round: ParsedRound): WorkloadPhase {
    const { passPageBytes, passUnitBytes, pass } = this.context;
    const range = this.range(name, round, passPageBytes, passUnitBytes, `a page of ${passUnitBytes} bytes`);
    this.idle.guestRuns();
    return phase(name, pass({ kind, stride: round.number ?? 1, range }));
  }

  private own(name: string, round: ParsedRound): WorkloadPhase['steps'] | undefined {
    const { own, pageBytes } = this.context;
    return own?.(name, round.letters, round.number ?? 1, this.range(name, round, pageBytes, pageBytes, 'a page'));
  }

  private make(name: string, letter: RoundLetter, round: ParsedRound): HostOp {
    const { context, slot, other } = this;
    const { pageBytes, backingFrames } = context;
    const isClear = round.letters === 'K';
    if (isClear && round.number !== undefined && round.number % CLEAR_UNIT_PAGES !== 0) {
      throw this.invalid(
        name,
        `${round.number}: expected a multiple of ${CLEAR_UNIT_PAGES} pages, the words of the bitmap that KVM_CLEAR_DIRTY_LOG takes`,
      );
    }
    const [unitPages, unit] = isClear ? [CLEAR_UNIT_PAGES, '64 pages, the words of the bitmap that KVM_CLEAR_DIRTY_LOG takes'] : [1, 'a page'];
    const { start, end } = this.range(name, round, pageBytes, unitPages * pageBytes, unit);
    const range = {
      ...(round.first === undefined ? {} : { firstPage: start / pageBytes, npages: (end - start) / pageBytes }),
      ...(round.number === undefined ? {} : { stride: round.number }),
    };
    const moved = round.letters === 'Om' ? other : slot;
    const distance = round.number ?? Math.ceil(moved.npages / backingFrames) * backingFrames;
    return letter.make({ slot, home: context.slot.baseGfn, other, range, distance });
  }

  /** What the kernel refuses in the present state. */
  private check(name: string, letters: string): void {
    const { context, isLogging, exists } = this;
    const refuse = (isRefused: boolean, reason: string): void => {
      if (isRefused) throw this.invalid(name, reason);
    };
    refuse(letters === 'Sa' && exists, 'the memslot is there already (Sd deletes it)');
    refuse('DUGKPA'.includes(letters.charAt(0)) && !exists, 'the memslot is deleted at that point (Sa adds it again)');
    refuse(/^[ZHRWM]/.test(letters) && !exists, 'the host’s memory is followed only while its memslot is there (Sa adds it again)');
    refuse(/^S[dmbrw]$/.test(letters) && !exists, 'the memslot is deleted at that point (Sa adds it again)');
    refuse(letters === 'Oa' && this.hasOther, 'the other memslot is there already (Od deletes it)');
    refuse(/^O[dm]$/.test(letters) && !this.hasOther, 'there is no other memslot (Oa adds it)');
    refuse(letters.startsWith('X') && context.settings?.['nx_huge_pages'] === 'never', NX_NEVER);
    refuse(letters === 'K' && context.manualProtect === '0', 'clearing needs manual dirty log protection (-M 1 or -M 3)');
    refuse(letters === 'Z' && context.slot.backing.droppable === false, NOT_DROPPABLE);
    const rings = context.dirtyRing;
    refuse(letters.startsWith('Q') && rings === undefined, 'there are no dirty rings (-R entries)');
    const needsBitmap = letters === 'G' || letters === 'K' || (letters === 'Hk' && isLogging);
    refuse(needsBitmap && rings !== undefined && rings.withBitmap !== true, 'the VM has dirty rings and no bitmaps (-B has both)');
    refuse((letters === 'G' || letters === 'K') && !isLogging, 'dirty logging is off at that point');
  }

  /** What the operation makes of it. */
  private follow(name: string, op: HostOp): void {
    if (op.op === 'set_dirty_log') this.isLogging = op.on;
    else if (op.op === 'delete_memslot') this.delete(op.slot);
    else if (op.op === 'create_memslot') this.create(name, op.spec);
    else if (op.op === 'move_memslot') this.move(name, op.slot, op.baseGfn);
    else if (op.op === 'set_memslot_flags') this.slot = { ...this.slot, readonly: op.readonly };
  }

  private delete(slot: number): void {
    if (slot === this.other.id) {
      this.hasOther = false;
    } else {
      this.exists = false;
      this.isLogging = false;
    }
  }

  private create(name: string, spec: MemslotSpec): void {
    if (spec.id === this.slot.id) {
      this.exists = true;
      return;
    }
    this.hasOther = true;
    this.checkPlace(name, spec.baseGfn, this.slot.baseGfn);
  }

  private move(name: string, slot: number, baseGfn: number): void {
    const isOther = slot === this.other.id;
    this.checkPlace(name, baseGfn, isOther ? this.other.baseGfn : this.slot.baseGfn);
    if (isOther) this.other = { ...this.other, baseGfn };
    else this.slot = { ...this.slot, baseGfn };
  }

  private checkPlace(name: string, baseGfn: number, from: number): void {
    const { baseGfn: base, npages } = this.context.systemSlot;
    const free = from - base - npages;
    if (baseGfn < 0)
      throw this.invalid(
        name,
        `would lie below gfn 0: expected at most ${free} pages down, from gfn ${from} to where memslot 0 ends (gfn ${base + npages - 1})`,
      );
    if (baseGfn < base + npages) throw this.invalid(name, `would lie at gfn ${baseGfn}, where memslot 0 is (gfn ${base} to ${base + npages - 1})`);
  }

  private range(name: string, round: ParsedRound, pageBytes: number, unitBytes: number, unit: string): ByteRange {
    const bytes = this.context.slot.npages * this.context.pageBytes;
    const range = rangeOf(round, { bytes, pageBytes, unitBytes, unit });
    if (typeof range === 'string') throw this.invalid(name, range);
    return range;
  }

  private invalid(round: string, reason: string): Error {
    return invalidRound(this.context.workload, round, reason);
  }
}

function alignDown(frame: number, unit: number): number {
  return frame - (frame % unit);
}
