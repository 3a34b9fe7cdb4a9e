/**
 * What the x86 rules answer to typical entries, in words: the policy, the rules of the TDP MMU (tdp-answers.ts), the decisions of the legacy MMU.
 */
import { AccessKind, type RuleAnswer, type RuleServices } from '@mmulab/api';
import { X86PolicyReader, type X86Policy } from './policy';
import { readShadowPolicy } from './shadow/shadow-policy';
import { ShadowRules } from './shadow/shadow-rules';
import { ACCESSES, SIZES, rightsOf, tdpAnswers } from './tdp-answers';
import { TdpRules } from './tdp/tdp-rules';

/** See RuleAnswers of the API. */
export function x86RuleAnswers(backend: string, services: RuleServices): readonly RuleAnswer[] {
  const policy = services.get<X86PolicyReader>(X86PolicyReader)(services.options, services.host);
  const switches = Object.entries(policy).map(([asked, value]) => ({ rule: 'X86PolicyReader', asked, answer: JSON.stringify(value) }));
  const ofBackend = backend === 'x86-tdp' ? tdpAnswers(services.get<TdpRules>(TdpRules), policy) : treeAnswers(services, policy);
  return [...switches, ...ofBackend];
}

function treeAnswers(services: RuleServices, policy: X86Policy): readonly RuleAnswer[] {
  const { tree, leaf } = services.get<ShadowRules>(ShadowRules);
  const shadow = readShadowPolicy(services.options, policy);
  const told = (rule: string, asked: string, answer: unknown): RuleAnswer => ({ rule: `ShadowRules.${rule}`, asked, answer: String(answer) });
  const decisions = new tree(shadow);
  const leaves = new leaf(shadow.adBits, shadow.nxHugePages, shadow.dirtyOnRefault, !shadow.syncKeepsAccessed);
  const levels = [1, 2, 3];
  const writable = leaves.writable(leaves.base({ level: 1, access: 7, hostWritable: true, old: 0, prefetch: false }), 0);
  return [
    ...levels.map(level => told('tree', `level of a fault that may map ${SIZES[level]}`, SIZES[decisions.goal(level, false)])),
    ...levels.map(level => told('tree', `the same of a fetch under nx_huge_pages: ${SIZES[level]}`, SIZES[decisions.goal(level, true)])),
    ...[true, false].map(nx => told('tree', `a table at the goal stays${nx ? ', made for nx_huge_pages' : ''}`, decisions.keepsTable(nx))),
    ...[true, false].map(fits => told('tree', `a linked page stays that ${fits ? 'fits' : 'does not fit'}`, decisions.keepsChild(fits))),
    ...[2, 3].map(largest => told('tree', `a leaf of 4K goes at log stop where ${SIZES[largest]} could be`, decisions.isCollapsible(1, largest))),
    told('leaf', 'a new writable leaf is young', leaves.isYoung(writable)),
    told('leaf', 'an aged leaf is young', leaves.isYoung(leaves.aged(writable))),
    told('leaf', 'a leaf that loses W asks for a flush', leaves.needsFlush(writable, leaves.writeProtect(writable, false))),
    told('leaf', 'a leaf that loses A asks for a flush', leaves.needsFlush(writable, leaves.aged(writable))),
    ...ACCESSES.map(([access, kind]) => told('leaf', `a prefetched leaf lets a ${access} through`, leaves.allows(leaves.prefetched(writable), kind))),
    ...leafAnswers(leaves, writable).map(([asked, bits]) => told('leaf', asked, rightsOf(bits))),
  ];
}

/** Bits of a leaf after what happens to it, the leaf being a writable one of 4K. */
function leafAnswers(leaves: InstanceType<ShadowRules['leaf']>, writable: number): readonly (readonly [asked: string, bits: number])[] {
  const material = { level: 1, access: 7, hostWritable: true, old: 0, prefetch: false };
  const aged = leaves.aged(writable);
  return [
    ['a new leaf of 4K, before W', leaves.base(material)],
    ['a new leaf of 2M, before W', leaves.base({ ...material, level: 2 })],
    ['a new leaf of 4K that nobody asked for, before W', leaves.base({ ...material, prefetch: true })],
    ['W for a new leaf', leaves.writable(leaves.base(material), 0)],
    ['W where a writable leaf stood', leaves.writable(leaves.base(material), writable)],
    ['a part of 4K of a split leaf', leaves.splitChild(leaves.base({ ...material, level: 2 }), 1, material.access)],
    ['a part of 2M of a split leaf', leaves.splitChild(leaves.base({ ...material, level: 3 }), 2, material.access)],
    ['write protection for the log', leaves.writeProtect(writable, false)],
    ['write protection for shadowing', leaves.writeProtect(writable, true)],
    ['a dirty leaf that is cleared', leaves.clearDirty(writable)],
    ['a leaf that is aged', aged],
    ['an aged leaf after a write', leaves.afterAccess(aged, AccessKind.Write)],
    ['an aged leaf after the lockless path', leaves.restored(aged, false)],
    ['a write-protected leaf after the lockless path of a write', leaves.restored(leaves.writeProtect(writable, false), true)],
  ];
}
