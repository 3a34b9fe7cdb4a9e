/**
 * The machine around an x86 VM: how wide guest addresses are, and where guest memory ends.
 */
import type { Machine, OptionValues } from '@mmulab/api';
import { physBits } from './errors';
import { physBitsOf, tdpLevels } from './policy';

/** Pages of the range below the top of AMD's physical memory that no guest can use (HyperTransport, 12 GiB). */
const HYPERTRANSPORT_PAGES = 12 * 2 ** 18;

/** Where guest memory ends. */
export function x86Machine(host: OptionValues): Machine {
  const amd = host['vendor'] === 'amd';
  return {
    arch: 'x86',
    pageSizeBytes: 4096,
    physBits: physBitsOf(host),
    nesting: amd ? 'svm' : 'vmx',
    maxGfn: bits => {
      const last = 2 ** (bits - 12) - 1;
      return amd && bits >= 40 ? last - HYPERTRANSPORT_PAGES - 1 : last;
    },
  };
}

/** Refuses an address width the tables cannot map. */
export function checkPhysBits(host: OptionValues): void {
  const levels = tdpLevels(host);
  const limit = levels === 5 ? 52 : 48;
  const bits = physBitsOf(host);
  if (bits < 32 || bits > limit) throw physBits(bits, levels, limit);
}
