/**
 * Runs that failed, as every format marks them: a KVM_RUN that the modelled kernel answers with an error ends the test, and its counts are those up to there; a
 * check of the test that fails leaves the run whole.
 */
import type { RunFailure, RunResult } from '@mmulab/api';
import { checkText, expectedText, failedChecks } from './checks';

/** Errors of KVM_RUN as the C library has them. */
const ERRNOS: Readonly<Record<string, readonly [number: number, text: string]>> = {
  ENOENT: [2, 'No such file or directory'],
  EINTR: [4, 'Interrupted system call'],
  EIO: [5, 'Input/output error'],
  EAGAIN: [11, 'Resource temporarily unavailable'],
  ENOMEM: [12, 'Cannot allocate memory'],
  EFAULT: [14, 'Bad address'],
  EEXIST: [17, 'File exists'],
  EINVAL: [22, 'Invalid argument'],
  ENOSPC: [28, 'No space left on device'],
};

/** `FAILED in 3_w: KVM_RUN of vCPU 0 at gfn 0x80000 returned EEXIST: why`. */
export function failureText({ phase, errno, vcpu, gfn, reason }: RunFailure): string {
  const where = gfn === undefined ? '' : ` at gfn 0x${gfn.toString(16)}`;
  const how = errno === undefined ? 'did not come back' : `returned ${errno}`;
  return `FAILED in ${phase}: KVM_RUN of vCPU ${vcpu}${where} ${how}: ${reason}`;
}

/** Lines of a result that failed, one per failed check; none of others. */
export function failureLines({ failure, checks }: Pick<RunResult, 'failure' | 'checks'>): readonly string[] {
  return [...(failure === undefined ? [] : [failureText(failure)]), ...failedChecks(checks).map(check => `CHECK FAILED in ${checkText(check)}`)];
}

/** What stands for the failure among counters, in formats of counters alone: `run.failed.EEXIST`. */
export function failureCounter({ errno }: RunFailure): string {
  return errno === undefined ? 'run.failed' : `run.failed.${errno}`;
}

/** What a test of the library prints when an assertion fails: of its own, or that about KVM_RUN. It ends with the first one; here all stand. */
export function assertionLines({ failure, checks = [] }: Pick<RunResult, 'failure' | 'checks'>): readonly string[] {
  const passed = checks.length - failedChecks(checks).length;
  return [
    ...failedChecks(checks).flatMap(check => ['==== Test Assertion Failure ====', `  ${check.name}: ${expectedText(check)}`, `  in ${check.phase}`]),
    ...(checks.length === 0 ? [] : [`Assertions passed: ${passed} of ${checks.length}`]),
    ...runAssertion(failure),
  ];
}

function runAssertion(failure: RunFailure | undefined): readonly string[] {
  if (failure === undefined) return [];
  const { errno, reason } = failure;
  const [number, text] = ERRNOS[errno ?? ''] ?? [];
  const shown = number === undefined ? (errno ?? 'none, it does not return') : `${number} (${text})`;
  return ['==== Test Assertion Failure ====', `  KVM_RUN failed, rc: -1 errno: ${shown}`, `  ${reason}`];
}
