/**
 * What the rules of stage 2 answer to typical entries, in words: the policy, the map walker on its way down, the walkers over ranges, the hardware's walk.
 */
import { AccessKind, EntryKind, type Entry, type RuleAnswer, type RuleServices, type Verdict } from '@mmulab/api';
import { askedEntry, protocolAnswers, verdictInWords } from '@mmulab/kvm';
import { AttrStep, RelaxOp, Walk, WalkOp, walkResult } from './attr';
import { makeAction } from './cmo';
import { Pte, Stage2Attrs } from './descriptor';
import { MakeOp, MapOp, MapStep, mapStep } from './map';
import { MmuLockMode, Stage2PolicyReader, type Stage2Policy } from './policy';
import { Stage2Rules } from './stage2-rules';

const LEVELS = [1, 2, 3];
const ACCESSES = [
  ['read', AccessKind.Read],
  ['write', AccessKind.Write],
  ['instruction fetch', AccessKind.Exec],
] as const;
const { Empty, Leaf, Table, Special } = EntryKind;

const STEPS = new Map<number, string>(Object.entries(MapStep).map(([name, step]) => [step, name.toLowerCase()]));
const WALKS = new Map<number, string>([
  [Walk.Hit, 'it goes through'],
  [Walk.Translation, 'a translation fault'],
  [Walk.Permission, 'a permission fault'],
  [Walk.AccessFlag, 'an access flag fault'],
]);

type Outcome = (code: number) => string | undefined;
const onTheWay: Outcome = code => STEPS.get(mapStep(code));
const atAttr: Outcome = code => (code === AttrStep.Eagain ? 'eagain' : undefined);
const ofWalk: Outcome = code => WALKS.get(walkResult(code));
const silent: Outcome = () => undefined;

/** See RuleAnswers of the API. */
export function stage2RuleAnswers(_backend: string, services: RuleServices): readonly RuleAnswer[] {
  const policy = services.get<Stage2PolicyReader>(Stage2PolicyReader)(services.options, services.host);
  const switches = Object.entries(policy).map(([asked, value]) => ({ rule: 'Stage2PolicyReader', asked, answer: JSON.stringify(value) }));
  const rules = services.get<Stage2Rules>(Stage2Rules);
  const asking = new AskedRules(rules, policy);
  const ofProtocols = protocolAnswers('Stage2Rules.protocols', rules.protocols);
  return [
    ...switches,
    ...asking.map(),
    ...asking.make(),
    ...asking.attributes(),
    ...asking.hardware(),
    ...asking.unmap(),
    ...asking.split(),
    ...ofProtocols,
  ];
}

class AskedRules {
  private readonly attrs = new Stage2Attrs();

  constructor(
    private readonly rules: Stage2Rules,
    private readonly policy: Stage2Policy,
  ) {}

  map(): RuleAnswer[] {
    const { attrs, policy } = this;
    const rule = new this.rules.map(attrs, policy.mapEagain);
    const answers: RuleAnswer[] = [];
    for (const writable of [false, true]) {
      for (const [found, entry] of this.met()) {
        const attr = attrs.leaf(writable, false, false);
        const op = Object.assign(new MapOp(), { goal: entry.goal, attr, shared: policy.lockMode === MmuLockMode.Shared });
        const asked = `a ${writable ? 'writable' : 'read-only'} leaf of level ${entry.goal} is wanted: ${found}`;
        answers.push(this.told('map', asked, rule.visit(entry, op), onTheWay));
      }
    }
    return answers;
  }

  /** The store of a new leaf, with the maintenance that is the walker's. */
  make(): RuleAnswer[] {
    const { attrs, policy } = this;
    const rule = new this.rules.make();
    return this.fresh().map(([leaf, attr]) => {
      const op = Object.assign(new MakeOp(), { action: makeAction(attrs, attr, policy.walkerCmo), attr });
      return this.told('make', leaf, rule.visit(askedEntry(Empty, 1), op), silent);
    });
  }

  /** Rights that are added, the access flag, write protection, age. */
  attributes(): RuleAnswer[] {
    const { attrs, policy, rules } = this;
    const relax = new rules.relax(attrs, policy.walkerCmo, policy.attrEagain);
    const rights = [
      ['write', { write: true, exec: false }],
      ['execute', { write: false, exec: true }],
    ] as const;
    const relaxed = rights.flatMap(([right, more]) =>
      this.leavesAndNone().map(([found, entry]) =>
        this.told('relax', `${right} is added to ${found}`, relax.visit(entry, Object.assign(new RelaxOp(), more)), atAttr),
      ),
    );
    const [mkyoung, writeProtect, age] = [new rules.mkyoung(attrs), new rules.writeProtect(attrs), new rules.age(attrs)];
    return [
      ...relaxed,
      ...this.leavesAndNone().map(([found, entry]) => this.told('mkyoung', found, mkyoung.visit(entry), atAttr)),
      ...this.leaves().map(([found, entry]) => this.told('writeProtect', found, writeProtect.visit(entry), silent)),
      ...this.leaves().map(([found, entry]) => this.told('age', found, age.visit(entry), silent)),
    ];
  }

  hardware(): RuleAnswer[] {
    const rule = new this.rules.hardwareWalk(this.attrs, this.policy.hafdbs);
    return ACCESSES.flatMap(([access, kind]) =>
      this.leavesAndNone().map(([found, entry]) =>
        this.told('hardwareWalk', `${access} finds ${found}`, rule.visit(entry, Object.assign(new WalkOp(), { kind })), ofWalk),
      ),
    );
  }

  unmap(): RuleAnswer[] {
    const rule = new this.rules.unmap(this.attrs, this.policy, () => undefined);
    const tables = [0, 1].map(
      children => [`a table with ${children === 0 ? 'nothing' : 'an entry'} in it`, askedEntry(Table, 2, { children })] as const,
    );
    return [...this.leaves(), ...tables].map(([found, entry]) => this.told('unmap', found, rule.visit(entry), silent));
  }

  split(): RuleAnswer[] {
    const rule = new this.rules.split();
    return [2, 3].flatMap(level =>
      [false, true].map(unlinked => {
        const entry = askedEntry(Leaf, 2, { attr: this.attrs.leaf(true, false, false) });
        const asked = `blocks of level ${level} are to be split${unlinked ? ', not linked yet' : ''}: a leaf of level 2`;
        return this.told('split', asked, rule.visit(entry, { level, unlinked }), silent);
      }),
    );
  }

  /** Entries on the way of the map walker, by what they are. */
  private *met(): Iterable<readonly [string, Entry]> {
    const { attrs } = this;
    for (const goal of LEVELS) {
      for (const level of LEVELS.filter(one => one >= goal)) {
        yield [`nothing at level ${level}`, askedEntry(Empty, level, { goal })];
        for (const writable of [false, true]) {
          const attr = attrs.leaf(writable, false, false);
          yield [`a ${writable ? 'writable' : 'read-only'} leaf there is of level ${level}`, askedEntry(Leaf, level, { goal, attr })];
        }
        yield [`an entry of level ${level} is locked by another walker`, askedEntry(Special, level, { goal, attr: attrs.locked })];
        if (level === goal && level > 1) yield [`a table at level ${level}`, askedEntry(Table, level, { goal, children: 1 })];
      }
    }
  }

  /** Leaves as they are made. */
  private fresh(): readonly (readonly [string, number])[] {
    const { attrs } = this;
    return [
      ['a writable leaf', attrs.leaf(true, false, false)],
      ['a read-only leaf', attrs.leaf(false, false, false)],
      ['an executable leaf', attrs.leaf(true, true, false)],
      ['a leaf of device memory', attrs.leaf(true, false, true)],
    ];
  }

  /** Leaves in every state that operations leave them in. */
  private leaves(): readonly (readonly [string, Entry])[] {
    const { attrs } = this;
    const writable = attrs.leaf(true, false, false);
    const states = [...this.fresh(), ['a write-protected leaf', attrs.writeProtected(writable)], ['an aged leaf', attrs.aged(writable)]] as const;
    return states.map(([state, attr]) => [state, askedEntry(Leaf, 1, { attr })]);
  }

  private leavesAndNone(): readonly (readonly [string, Entry])[] {
    return [...this.leaves(), ['nothing', askedEntry(Empty, 1)]];
  }

  private told(rule: keyof Stage2Rules, asked: string, verdict: Verdict, outcome: Outcome): RuleAnswer {
    const words = { protocols: this.rules.protocols, rights: (attr: number) => rightsOf(this.attrs.bits(attr)), outcome };
    return { rule: `Stage2Rules.${rule}`, asked, answer: verdictInWords(verdict, words) };
  }
}

/** Rights of a leaf, and A for its access flag. */
function rightsOf(bits: number): string {
  if ((bits & Pte.Locked) !== 0) return 'locked';
  const has = (bit: number): boolean => (bits & bit) !== 0;
  return `${has(Pte.S2apR) ? 'R' : ''}${has(Pte.S2apW) ? 'W' : ''}${has(Pte.Xn) ? '' : 'X'}${has(Pte.Af) ? 'A' : ''}`;
}
