/**
 * CPUs by name, as far as stage 2 depends on them: which duties their caches and TLBs take off the hypervisor.
 *
 * FWB makes stage 2 force cacheable memory (no data-cache maintenance), IDC and DIC keep instruction fetches coherent, TLBIRANGE invalidates ranges, HAFDBS
 * sets the access flag. Facts of the cores come from their technical reference manuals; `kunpeng920` is the machine of the series' measurements (its lack of
 * FWB is the author's statement, of DIC an inference); `max` is QEMU's, whose feature set is the one the records were made with.
 */

/** What a core has. */
export interface Cpu {
  readonly vhe: boolean;
  readonly fwb: boolean;
  readonly dic: boolean;
  readonly idc: boolean;
  readonly tlbiRange: boolean;
  /** The hardware sets the access flag in stage-2 descriptors. */
  readonly hafdbs: boolean;
  /** Address bits (PARange). */
  readonly ipaBits: number;
  readonly doc: string;
}

const common = { vhe: true, fwb: false, dic: false, idc: false, tlbiRange: false, hafdbs: true, ipaBits: 48 };

/** Known cores. */
export const CPUS: Readonly<Record<string, Cpu>> = {
  'neoverse-n1': { ...common, doc: 'Armv8.2 with VHE; coherent instruction caches are an integration option and left off.' },
  'neoverse-v1': { ...common, fwb: true, dic: true, idc: true, tlbiRange: true, doc: 'Armv8.4.' },
  'cortex-a72': { ...common, vhe: false, hafdbs: false, ipaBits: 44, doc: 'Armv8.0: no VHE.' },
  kunpeng920: { ...common, doc: 'Armv8.2 server core of the published measurements.' },
  max: { ...common, fwb: true, tlbiRange: true, ipaBits: 52, doc: 'The emulator’s core with everything, as recorded: no DIC, no IDC.' },
};

/** The core that a machine has unless told otherwise. */
export const DEFAULT_CPU = 'neoverse-n1';
