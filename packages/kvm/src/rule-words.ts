/**
 * Questions to rules and their answers in words: what backends tell `mmulab explain PATCH` by (`RuleAnswers`).
 */
import { Action, Effect, Step, verdictAction, verdictAttr, verdictEffects, verdictOutcome } from '@mmulab/api';
import type { Entry, EntryKind, Protocol, RuleAnswer, Verdict } from '@mmulab/api';

/** What else a rule is shown of an entry. */
export interface AskedEntry {
  /** Level the walk aims at; the entry's own unless given. */
  readonly goal?: number;
  readonly attr?: number;
  /** Of a table: entries below that are not empty, and the attribute of the first leaf; none. */
  readonly children?: number;
  readonly firstLeaf?: number;
}

/** An entry at the beginning of memory, to ask a rule about. */
export function askedEntry(kind: EntryKind, level: number, { goal = level, attr = 0, children = 0, firstLeaf = -1 }: AskedEntry = {}): Entry {
  return { kind, level, goal, attr, gfn: 0, start: 0, end: 1, tableAttr: 0, childCount: () => children, firstLeafBelow: () => firstLeaf };
}

const ACTIONS = new Map<number, string>([
  [Action.Keep, 'leave it'],
  [Action.Descend, 'go on below'],
  [Action.Stop, 'end here'],
  [Action.LowerGoal, 'aim one level lower'],
]);
const EFFECTS = [
  [Effect.FlushNow, 'flush now'],
  [Effect.FlushLater, 'flush'],
  [Effect.Track, 'list the table'],
  [Effect.MarkDirty, 'mark dirty'],
] as const;
const STEPS = new Map<number, string>(
  Object.entries(Step).map(([name, step]) => [step, name.replace(/(?<=[a-z])[A-Z]/g, letter => ` ${letter.toLowerCase()}`).toLowerCase()]),
);

/** The words of one architecture. */
export interface VerdictWords {
  readonly protocols: readonly Protocol[];
  /** Rights of a leaf, `RWX`. */
  readonly rights: (attr: number) => string;
  /** How the walk ends; undefined where it does not. */
  readonly outcome: (code: number) => string | undefined;
}

/** A verdict in words: `set-atomic (RX), flush`; `end here, spurious`. */
export function verdictInWords(verdict: Verdict, { protocols, rights, outcome }: VerdictWords): string {
  const action = verdictAction(verdict);
  const protocol = protocols[action - Action.FirstProtocol]?.name;
  const attr = verdictAttr(verdict);
  const leaf = protocol === undefined || attr === 0 ? '' : ` (${rights(attr)})`;
  const effects = EFFECTS.filter(([effect]) => (verdictEffects(verdict) & effect) !== 0).map(([, name]) => name);
  return [`${protocol ?? ACTIONS.get(action) ?? String(action)}${leaf}`, ...effects, outcome(verdictOutcome(verdict)) ?? '']
    .filter(Boolean)
    .join(', ');
}

/** The steps of each protocol. @param rule name of the list, `TdpRules.protocols` */
export function protocolAnswers(rule: string, protocols: readonly Protocol[]): readonly RuleAnswer[] {
  return protocols.map(({ name, steps }) => ({
    rule,
    asked: `steps of ${name}`,
    answer: steps.map(step => STEPS.get(step) ?? String(step)).join(', '),
  }));
}
