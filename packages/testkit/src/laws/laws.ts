/**
 * The laws that every second-stage MMU has to keep, whatever its architecture: what user space and guests rely on.
 */
import type { BackendDefinition, OptionValues } from '@mmulab/api';
import type { CreateBackend } from '../conformance-subject';
import type { LawScenario } from './scenario';

/** Each law in a sentence. */
export const LAWS = {
  gets_through: 'every access to a memslot gets through after a bounded number of stages',
  logged: 'every page written since its bit was taken is in the next bitmap that user space gets',
  protected: 'a page under dirty logging is writable only while its bit is set',
  gone: 'no page translates once the host has unmapped it, or deleted or moved its memslot',
  current: 'no page is mapped as the host had it before it dropped, protected or shared the page',
  flushed: 'no vCPU accesses a page through a translation after the flush that had to end it',
  tables: 'tables taken are tables given back and tables held, at every step',
  gauges: 'gauges are equal to what frames translate to',
  aged: 'a leaf that was aged counts as young once',
  nothing_left: 'nothing is left once the VM is gone',
} as const;

export type LawName = keyof typeof LAWS;
export const LAW_NAMES = Object.keys(LAWS) as readonly LawName[];

/** A law that a backend breaks on purpose, because the kernel it models does. */
export interface Departure {
  readonly law: LawName;
  /** What the kernel does, in a clause: shown in the title of the test. */
  readonly because: string;
  /** Under which options it does so; with all others the law holds. Absent: always. */
  when?(options: OptionValues, host: OptionValues): boolean;
  /** A scenario that shows it: what the kit printed when it found it. */
  readonly example: LawScenario;
}

/** Which counters of a backend tell of flushes. */
export interface FlushCounters {
  /** Counted when translations of all vCPUs are asked to end. */
  readonly asked: readonly string[];
  /** Counted by a vCPU when it ends its own, at the latest before it executes anything in the guest again. Absent: asking ends them at once. */
  readonly served?: readonly string[];
}

/** What a run needs to know of a backend. */
export interface LawSubject {
  readonly definition: BackendDefinition;
  readonly create: CreateBackend;
  readonly flushes: FlushCounters;
  /** Small pages that are mapped according to the gauges. */
  readonly mappedPages?: ((counters: (name: string) => number) => number) | undefined;
  /** Tables held according to the counters, roots left out. Absent: `table.alloc` less `table.free`. */
  readonly tablesHeld?: TablesHeld | undefined;
  /** A read may map its page writable under dirty logging, and then sets the page's bit. */
  readonly readsMayLog?: boolean | undefined;
}

/** Tables held according to the counters, roots left out; or counters do not tell. */
export type TablesHeld = ((counters: (name: string) => number) => number) | 'untold';

/** Thrown where a law is broken: nothing that follows can be judged by it. */
export interface Violation {
  readonly law: LawName;
  readonly message: string;
  /** Number of the step after which it was seen. */
  readonly step: number;
}
