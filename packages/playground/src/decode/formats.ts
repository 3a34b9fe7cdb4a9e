/**
 * Formats by the names that backends and guests give them.
 */
import { vmsaStage1, vmsaStage2 } from './arm64-formats';
import type { DescriptorFormat } from './field';
import { ept, guestPaging, npt, shadowPaging } from './x86-formats';

const FORMATS: Readonly<Record<string, DescriptorFormat>> = { ept, npt, paging: shadowPaging, 'vmsa-stage2': vmsaStage2 };

/** The format of second-stage (or shadow) entries; undefined for one that is not known here: a plugin's. */
export function hostFormat(name: string): DescriptorFormat | undefined {
  return Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
}

/** The format of the guest's own entries. */
export function guestFormat(arch: string): DescriptorFormat {
  return arch === 'arm64' ? vmsaStage1 : guestPaging;
}
