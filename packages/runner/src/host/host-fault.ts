/**
 * The one way the tables of host memory are written down: what a host fault makes of a page.
 */
import type { HostFault, HostNotification, Level } from '@mmulab/api';

const NO_NOTIFICATIONS: readonly HostNotification[] = [];

/**
 * @param state what the block of `spanLevel` around the page becomes
 * @param spanLevel 1 for small pages, the backing's own level for huge ones
 * @param writable whether the host's entry then allows writing
 * @param notifications MMU-notifier calls on the way, in order
 */
export function hostFault(
  state: number,
  spanLevel: Level,
  writable: boolean,
  notifications: readonly HostNotification[] = NO_NOTIFICATIONS,
): HostFault {
  return { ok: true, state, spanLevel, writable, notifications };
}
