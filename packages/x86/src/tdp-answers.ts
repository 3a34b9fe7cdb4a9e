/**
 * What the rules of the TDP MMU answer to typical entries, in words: a fault on its way down, the lockless path, the hardware's walk, and the operations over ranges.
 */
import { AccessKind, EntryKind, type Entry, type RuleAnswer, type Verdict } from '@mmulab/api';
import { askedEntry, protocolAnswers, verdictInWords } from '@mmulab/kvm';
import type { X86Policy } from './policy';
import { RetPf } from './ret-pf';
import { Spte, SpteAttrs } from './spte';
import { FastOp, HwOp, HwWalk, MapOp } from './tdp/map-rule';
import type { TdpRules } from './tdp/tdp-rules';

/** Sizes by level. */
export const SIZES = ['', '4K', '2M', '1G'];
/** Accesses by name. */
export const ACCESSES = [
  ['read', AccessKind.Read],
  ['write', AccessKind.Write],
  ['instruction fetch', AccessKind.Exec],
] as const;
const { Empty, Leaf, Table, Special } = EntryKind;
const { MmuWritable, Writable } = Spte;

const OUTCOMES = new Map<number, string>(Object.entries(RetPf).map(([name, outcome]) => [outcome, name.toLowerCase()]));
OUTCOMES.delete(RetPf.Continue);
const WALKS = new Map<number, string>([
  [HwWalk.Hit, 'it goes through'],
  [HwWalk.HitDirtied, 'it goes through and sets D'],
  [HwWalk.NotPresent, 'a fault: not present'],
  [HwWalk.Denied, 'a fault: no right'],
  [HwWalk.Mmio, 'a fault: MMIO'],
]);
const RIGHTS = [
  [Spte.Executable, 'X'],
  [Spte.Accessed, 'A'],
  [Spte.Dirty, 'D'],
  [Spte.AccessTracked, 't'],
] as const;

/** Rights of a leaf: W it has, w KVM may give back; t: none before the lockless path restores them. */
export function rightsOf(bits: number): string {
  const write = (bits & Writable) !== 0 ? 'W' : (bits & MmuWritable) !== 0 ? 'w' : '';
  const others = RIGHTS.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name);
  return ['R', write, ...others].join('');
}

/** What all rules of the TDP MMU answer. */
export function tdpAnswers(rules: TdpRules, policy: X86Policy): readonly RuleAnswer[] {
  const asking = new AskedRules(rules, policy);
  return [
    ...asking.map(),
    ...asking.lockless(),
    ...asking.hardware(),
    ...asking.ranges(),
    ...asking.logStop(),
    ...protocolAnswers('TdpRules.protocols', rules.protocols),
  ];
}

class AskedRules {
  private readonly spte: SpteAttrs;

  constructor(
    private readonly rules: TdpRules,
    private readonly policy: X86Policy,
  ) {
    this.spte = new SpteAttrs(policy.adBits, policy.nxHugePages);
  }

  /** Every kind of entry that a fault may meet, for every access, in slots that are logged and not, with huge pages that may be executed and not. */
  map(): RuleAnswer[] {
    const answers: RuleAnswer[] = [];
    for (const nxHugePages of [false, true]) {
      const rule = new this.rules.map(this.spte, { ...this.policy, nxHugePages });
      for (const [access, kind] of ACCESSES) {
        for (const [found, entry] of this.met()) {
          for (const logged of [false, true]) {
            const isFetch = nxHugePages && kind === AccessKind.Exec;
            const op = Object.assign(new MapOp(), { kind, hostWritable: true, logged, reqLevel: logged ? 1 : 3, hugePageDisallowed: isFetch });
            const wants = SIZES[entry.goal] ?? '';
            const asked = `${access} that wants ${wants} finds ${found}${logged ? ', logged' : ''}${nxHugePages ? ', nx_huge_pages' : ''}`;
            answers.push(this.told('map', asked, rule.visit(entry, op)));
          }
        }
      }
    }
    return answers;
  }

  lockless(): RuleAnswer[] {
    const rule = new this.rules.fastFault(this.spte, this.policy.fastFixHuge);
    return [false, true].flatMap(logged =>
      this.accessed([1, 2]).map(([asked, kind, entry]) =>
        this.told('fastFault', `${asked}${logged ? ', logged' : ''}`, rule.visit(entry, Object.assign(new FastOp(), { kind, logged }))),
      ),
    );
  }

  hardware(): RuleAnswer[] {
    const rule = new this.rules.hardwareWalk(this.spte);
    const nothing = ACCESSES.map(([access, kind]) => [`${access} finds nothing`, kind, askedEntry(Empty, 1)] as const);
    return [...nothing, ...this.accessed([1])].map(([asked, kind, entry]) =>
      this.told('hardwareWalk', asked, rule.visit(entry, Object.assign(new HwOp(), { kind })), code => WALKS.get(code)),
    );
  }

  /** Operations over a range, for every leaf they may find in it. */
  ranges(): RuleAnswer[] {
    const { rules, spte } = this;
    const unmapTables = new rules.unmapTables(pagesAt);
    const over = (name: keyof TdpRules, levels: readonly number[], visit: (entry: Entry) => Verdict): RuleAnswer[] =>
      levels.flatMap(level => this.leaves(level).map(([found, entry]) => this.told(name, found, visit(entry))));
    const [writeProtect, writeProtectHuge, clearDirty] = [new rules.writeProtect(spte), new rules.writeProtectHuge(spte), new rules.clearDirty(spte)];
    const [eagerSplit, age, unmap] = [new rules.eagerSplit(spte), new rules.age(spte), new rules.unmap()];
    const whole = { start: 0, end: pagesAt(2) };
    const tableIn = (range: string, end: number): RuleAnswer =>
      this.told('unmapTables', `a table at 2M that lies ${range} the range`, unmapTables.visit(askedEntry(Table, 2), { start: 0, end }));
    return [
      ...over('writeProtect', [1, 2], entry => writeProtect.visit(entry)),
      ...over('writeProtectHuge', [2, 3], entry => writeProtectHuge.visit(entry)),
      ...over('clearDirty', [1, 2], entry => clearDirty.visit(entry)),
      ...over('eagerSplit', [2, 3], entry => eagerSplit.visit(entry)),
      ...over('age', [1, 2], entry => age.visit(entry)),
      ...over('unmap', [1, 2], entry => unmap.visit(entry)),
      this.told('unmap', 'an MMIO entry', unmap.visit(askedEntry(Special, 1, { attr: spte.mmio }))),
      ...over('unmapTables', [1, 2], entry => unmapTables.visit(entry, whole)),
      tableIn('wholly in', whole.end),
      tableIn('partly in', whole.end - 1),
    ];
  }

  /** The rule is used where huge leaves come back in place. */
  logStop(): RuleAnswer[] {
    const { rules, spte, policy } = this;
    if (policy.logStop !== 'recover') return [];
    const rule = new rules.recover(spte);
    return [1, 2, 3].flatMap(largest => {
      const op = { start: 0, end: pagesAt(3), maxMappingLevel: () => largest };
      const could = `where ${SIZES[largest]} could be`;
      const leaves = this.leaves(1).map(([leaf, { attr }]) => [`a table at 2M whose first leaf is ${leaf}`, attr] as const);
      return [['a table at 2M without leaves', -1] as const, ...leaves].map(([found, firstLeaf]) =>
        this.told('recover', `${found}, ${could}`, rule.visit(askedEntry(Table, 2, { firstLeaf }), op)),
      );
    });
  }

  /** Entries on the way of a fault, by what they are. */
  private *met(): Iterable<readonly [string, Entry]> {
    const { spte } = this;
    for (const goal of [1, 2, 3]) {
      for (let level = goal; level <= 3; level++) {
        const size = SIZES[level] ?? '';
        yield [`nothing at ${size}`, askedEntry(Empty, level, { goal })];
        yield [`a writable leaf of ${size}`, askedEntry(Leaf, level, { goal, attr: spte.leaf(level, true, true) })];
        yield [`a read-only leaf of ${size}`, askedEntry(Leaf, level, { goal, attr: spte.leaf(level, false, true) })];
        if (level === goal && level > 1) yield [`a table at ${size}`, askedEntry(Table, level, { goal, children: 1 })];
      }
    }
  }

  /** Leaves of a size in every state that operations leave them in. */
  private leaves(level: number): readonly (readonly [string, Entry])[] {
    const { spte } = this;
    const writable = spte.leaf(level, true, true);
    const states = [
      ['a writable leaf', writable],
      ['a write-protected leaf', spte.writeProtect(writable)],
      ['a leaf that is clean', spte.clearDirty(writable)],
      ['an aged leaf', spte.age(writable)],
      ['a read-only leaf', spte.leaf(level, false, true)],
    ] as const;
    return states.map(([state, attr]) => [`${state} of ${SIZES[level]}`, askedEntry(Leaf, level, { attr })]);
  }

  private accessed(levels: readonly number[]): readonly (readonly [string, number, Entry])[] {
    return ACCESSES.flatMap(([access, kind]) =>
      levels.flatMap(level => this.leaves(level).map(([found, entry]) => [`${access} finds ${found}`, kind, entry] as const)),
    );
  }

  private told(
    rule: keyof TdpRules,
    asked: string,
    verdict: Verdict,
    outcome = (code: number): string | undefined => OUTCOMES.get(code),
  ): RuleAnswer {
    const { spte, rules } = this;
    const words = { protocols: rules.protocols, rights: (attr: number) => rightsOf(spte.bits(attr)), outcome };
    return { rule: `TdpRules.${rule}`, asked, answer: verdictInWords(verdict, words) };
  }
}

function pagesAt(level: number): number {
  return 512 ** (level - 1);
}
