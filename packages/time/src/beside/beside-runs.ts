/**
 * The host operations of a run, each beside the vCPUs of the phase that follows it: how many pages fault again because of it is counted there, what a fault costs and
 * how the lock is held the model says.
 */
import type { PhaseTime } from '@mmulab/api';
import { networkFor, priceOf, ruleFor, scopeOf, type ParameterValues, type PriceRequest } from '../prediction';
import { simulateBeside, type BesideRequest } from './simulation';

/** What discrete events add to the times of phases. */
export type Beside = Pick<PhaseTime, 'stalls' | 'refaults'>;

type Request = Omit<PriceRequest, 'values'>;

const SEED = 0x2545f491;
const NS = 1e9;
/** Stations that are no lock: what they cost belongs to accesses. */
const MEMORY = /memory/;

/** One entry per phase: stalls of host operations, refaults of phases in which vCPUs run. */
export function besideRuns(requests: readonly Request[], values: ParameterValues): readonly Beside[] {
  let cause: number | undefined;
  const found: Beside[] = requests.map(() => ({}));
  requests.forEach((request, i) => {
    const { phase, vcpus, host } = request.work;
    if (vcpus === 0) {
      if (ruleFor(request.model, phase) !== undefined && takesPages(host)) cause = i;
      return;
    }
    if (cause === undefined) return;
    const operation = requests[cause];
    const faults = Math.round((request.work.vcpu['page_fault'] ?? request.work.vcpu['guest_abort'] ?? 0) * vcpus);
    if (operation === undefined || faults === 0) return;
    found[i] = { refaults: { [operation.work.phase]: faults } };
    const simulated = besideRequest({ ...operation, values }, { ...request, values });
    if (simulated !== undefined) found[cause] = { stalls: simulateBeside(simulated).stalls };
    cause = undefined;
  });
  return found;
}

/** Whether the host changed any entry, or asked for a flush because it might have. */
function takesPages(host: Request['work']['host']): boolean {
  return Object.entries(host).some(
    ([name, count]) => count > 0 && /^(?:spte\.|huge_split|stage2\.|remote_tlb_flush|tlbi\.|mmu_shadow_zapped|eager_split)/.test(name),
  );
}

function besideRequest(operation: PriceRequest, guest: PriceRequest): BesideRequest | undefined {
  const [hostRule, guestRule] = [ruleFor(operation.model, operation.work.phase), ruleFor(guest.model, guest.work.phase)];
  const totalS = priceOf(operation)?.timeS ?? 0;
  const { vcpus, vcpu, pages, accesses } = guest.work;
  const faults = vcpu['page_fault'] ?? vcpu['guest_abort'] ?? 0;
  const touched = accesses.reads + accesses.writes + accesses.executes;
  if (hostRule === undefined || guestRule === undefined || faults === 0 || touched === 0) return undefined;
  const scope = scopeOf(guest);
  const delays = guestRule.delays.map(({ name, expression }) => ({ isAccess: name === 'access', s: expression.evaluate(scope) }));
  const sum = (isAccess: boolean): number => delays.filter(delay => delay.isAccess === isAccess).reduce((total, { s }) => total + s, 0);
  const locks = networkFor(guest, guestRule).stations.filter(({ name }) => !MEMORY.test(name));
  const lockS = locks.reduce((total, { demandS }) => total + demandS, 0);
  const perVcpu = Math.max(1, Math.round(pages / vcpus));
  return {
    vcpus,
    pages: perVcpu,
    accessNs: (sum(true) / touched) * NS,
    faultNs: (sum(false) / faults) * NS,
    holdNs: (lockS / faults) * NS,
    isShared: guestRule.lock === 'shared',
    refaultShare: Math.min(1, faults / perVcpu),
    host: {
      totalNs: totalS * NS,
      holds: Math.max(1, Math.round(hostRule.holds?.evaluate(scopeOf(operation)) ?? 1)),
      isShared: hostRule.lock === 'shared' && guestRule.lock === 'shared',
    },
    seed: SEED,
  };
}
