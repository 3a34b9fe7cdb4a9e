/**
 * What the x86 rules answer to typical entries, in words: the policy, a fault on its way down the TDP MMU, the decisions of the legacy MMU.
 */
import {
  AccessKind,
  Action,
  EntryKind,
  verdictAction,
  verdictAttr,
  verdictOutcome,
  type Entry,
  type Protocol,
  type RuleAnswer,
  type RuleServices,
  type Verdict,
} from '@mmulab/api';
import { X86PolicyReader, type X86Policy } from './policy';
import { RetPf } from './ret-pf';
import { readShadowPolicy } from './shadow/shadow-policy';
import { ShadowRules } from './shadow/shadow-rules';
import { Spte, SpteAttrs } from './spte';
import { MapOp } from './tdp/map-rule';
import { TdpRules } from './tdp/tdp-rules';

const SIZES = ['', '4K', '2M', '1G'];
const ACCESSES = [
  ['read', AccessKind.Read],
  ['write', AccessKind.Write],
  ['instruction fetch', AccessKind.Exec],
] as const;
const OUTCOMES = new Map<number, string>(Object.entries(RetPf).map(([name, outcome]) => [outcome, name.toLowerCase()]));
const ACTIONS = new Map<number, string>([
  [Action.Keep, 'leave it'],
  [Action.Descend, 'go on below'],
  [Action.Stop, 'end here'],
  [Action.LowerGoal, 'aim one level lower'],
]);
const RIGHTS = [
  [Spte.Writable, 'W'],
  [Spte.Executable, 'X'],
  [Spte.Accessed, 'A'],
  [Spte.Dirty, 'D'],
] as const;

/** See RuleAnswers of the API. */
export function x86RuleAnswers(backend: string, services: RuleServices): readonly RuleAnswer[] {
  const policy = services.get<X86PolicyReader>(X86PolicyReader)(services.options, services.host);
  const switches = Object.entries(policy).map(([asked, value]) => ({ rule: 'X86PolicyReader', asked, answer: JSON.stringify(value) }));
  const ofBackend = backend === 'x86-tdp' ? faultAnswers(services.get<TdpRules>(TdpRules), policy) : treeAnswers(services, policy);
  return [...switches, ...ofBackend];
}

/** Every kind of entry that a fault may meet, for every access, in slots that are logged and not, with huge pages that may be executed and not. */
function faultAnswers({ map, protocols }: TdpRules, policy: X86Policy): readonly RuleAnswer[] {
  const spte = new SpteAttrs(policy.adBits, policy.nxHugePages);
  const answers: RuleAnswer[] = [];
  for (const nxHugePages of [false, true]) {
    const rule = new map(spte, { ...policy, nxHugePages });
    for (const [access, kind] of ACCESSES) {
      for (const [found, entry] of entriesMet(spte)) {
        for (const logged of [false, true]) {
          const isFetch = nxHugePages && kind === AccessKind.Exec;
          const op = Object.assign(new MapOp(), { kind, hostWritable: true, logged, reqLevel: logged ? 1 : 3, hugePageDisallowed: isFetch });
          const wants = SIZES[entry.goal] ?? '';
          const asked = `${access} that wants ${wants} finds ${found}${logged ? ', logged' : ''}${nxHugePages ? ', nx_huge_pages' : ''}`;
          answers.push({ rule: 'TdpRules.map', asked, answer: inWords(rule.visit(entry, op), protocols, spte) });
        }
      }
    }
  }
  return answers;
}

function* entriesMet(spte: SpteAttrs): Iterable<readonly [string, Entry]> {
  for (const goal of [1, 2, 3]) {
    for (let level = goal; level <= 3; level++) {
      const entry = { level, goal, gfn: 0, start: 0, end: 1, tableAttr: 0, attr: 0, childCount: () => 1, firstLeafBelow: () => -1 };
      const size = SIZES[level] ?? '';
      yield [`nothing at ${size}`, { ...entry, kind: EntryKind.Empty }];
      yield [`a writable leaf of ${size}`, { ...entry, kind: EntryKind.Leaf, attr: spte.leaf(level, true, true) }];
      yield [`a read-only leaf of ${size}`, { ...entry, kind: EntryKind.Leaf, attr: spte.leaf(level, false, true) }];
      if (level === goal && level > 1) yield [`a table at ${size}`, { ...entry, kind: EntryKind.Table }];
    }
  }
}

function inWords(verdict: Verdict, protocols: readonly Protocol[], spte: SpteAttrs): string {
  const action = verdictAction(verdict);
  const protocol = protocols[action - Action.FirstProtocol]?.name;
  const attr = verdictAttr(verdict);
  const bits = spte.bits(attr);
  const rights = RIGHTS.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name);
  const outcome = verdictOutcome(verdict);
  const leaf = protocol === undefined || attr === 0 ? '' : ` (${['R', ...rights].join('')})`;
  return `${protocol ?? ACTIONS.get(action) ?? String(action)}${leaf}${outcome === RetPf.Continue ? '' : `, ${OUTCOMES.get(outcome) ?? String(outcome)}`}`;
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
  ];
}
