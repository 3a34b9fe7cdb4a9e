/**
 * The files that decide are there and hold what they are said to hold; every stage and every rule of the backends has one.
 */
import { resolveRuns } from '@mmulab/runner';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { registry } from '../fixtures/registry';
import { allDeciders, ruleDecider, stageDecider } from './deciders';
import { Lab } from './lab';

const packages = join(__dirname, '../../..');

describe('the files that decide', () => {
  it('are there, and hold what is looked for', () => {
    const missing = allDeciders().filter(({ file, symbol }) => !new RegExp(`\\b${symbol}\\b`).test(readFileSync(join(packages, file), 'utf8')));
    expect(missing).toEqual([]);
  });

  it.each([
    ['x86-tdp', 'access_rounds -v 1 -b 4M -s anonymous_hugetlb_2mb -p w,x512,D,w,G,K,U,r,A,Z,N -M 1', '6.4'],
    ['x86-tdp', 'access_rounds -v 1 -b 2M -s anonymous_hugetlb_2mb -p w,D,w,G,U,A,Z', '6.16'],
    ['x86-shadow', 'access_rounds -v 1 -b 2M -p w,D,w,G,U', '6.1.192'],
    ['arm64-stage2', 'access_rounds -v 1 -b 4M -s anonymous_hugetlb_2mb -p w,D,w,G,U,r,x,A,Z', '6.6'],
  ])('are named for every stage of %s, and every rule that changes an entry in %s on %s', (name, workload, kernel) => {
    const lab = new Lab(resolveRuns({ backend: { name, kernel }, workload }, registry)[0], registry);
    expect(lab.backend.stages.map(stage => stage.name).filter(stage => stageDecider(name, stage) === undefined)).toEqual([]);
    const causes = new Set<string>();
    while (lab.forward()) for (const { cause } of lab.changes.changes) causes.add(cause);
    expect([...causes].filter(cause => ruleDecider(cause) === undefined)).toEqual([]);
  });
});
