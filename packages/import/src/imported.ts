/**
 * What every format is read into: settings of a config, the memory of a VM, command lines of tests, counts; and whatever was left out, with the reason.
 */

/** One setting of a config. */
export interface ImportedSetting {
  /** Dotted path: `backend.options.tdp_mmu`. */
  readonly key: string;
  readonly value: string | number;
  /** As the file says it: `options kvm tdp_mmu=0`. */
  readonly said: string;
  readonly line?: number | undefined;
}

/** Something of the file that has no part in a run, and why; or that was taken in one of several ways. */
export interface LeftOut {
  readonly said: string;
  readonly why: string;
  /** It has a part: `why` says which. */
  readonly decided?: true;
  readonly line?: number | undefined;
}

/** Guest memory that the VM's programs can touch, all vCPUs together. */
export interface ImportedMemory {
  readonly bytes: number;
  readonly said: string;
  readonly line?: number | undefined;
}

/** A command line of a test, in words, the directory of its program left out. */
export interface ImportedCommand {
  readonly name: string;
  readonly words: readonly string[];
  readonly line?: number | undefined;
}

/** Counts of a real kernel over a whole run. */
export interface ImportedCounts {
  readonly counters: Readonly<Record<string, number>>;
  /** The test that was counted, where the file says so. */
  readonly words?: readonly string[] | undefined;
}

/** A file, understood. */
export interface Imported {
  readonly file: string;
  /** `libvirt domain`, for readers. */
  readonly format: string;
  readonly settings: readonly ImportedSetting[];
  readonly memory?: ImportedMemory | undefined;
  readonly commands: readonly ImportedCommand[];
  readonly counts?: ImportedCounts | undefined;
  readonly leftOut: readonly LeftOut[];
}

/** What a format's reader answers. */
export type Reading = Partial<Omit<Imported, 'file' | 'format'>>;

/** What a reader may want to know of the machine and of mmulab. */
export interface ReadContext {
  /** Counters that results have. */
  readonly counters: ReadonlySet<string>;
  /** Names of the tests that can be run. */
  readonly tests: ReadonlySet<string>;
  /** CPUs of this machine: what `$(nproc)` means. */
  readonly cpus: number;
}

/** A format: how to tell it, and how to read it. */
export interface Format {
  readonly name: string;
  /** What a file of it should hold, for messages. */
  readonly expected: string;
  isFormat(text: string, file: string): boolean;
  read(text: string, file: string, context: ReadContext): Reading;
}
