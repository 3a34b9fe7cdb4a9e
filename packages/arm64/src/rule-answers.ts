/**
 * What the rules of stage 2 answer to typical entries, in words: the policy, and the map walker on its way down.
 */
import { Action, EntryKind, verdictAction, verdictOutcome, type Entry, type RuleAnswer, type RuleServices } from '@mmulab/api';
import { Stage2Attrs } from './descriptor';
import { MapOp, MapStep, mapStep } from './map';
import { MmuLockMode, Stage2PolicyReader } from './policy';
import { Stage2Rules } from './stage2-rules';

const LEVELS = [1, 2, 3];
const STEPS = new Map<number, string>(Object.entries(MapStep).map(([name, step]) => [step, name.toLowerCase()]));

/** See RuleAnswers of the API. */
export function stage2RuleAnswers(_backend: string, services: RuleServices): readonly RuleAnswer[] {
  const policy = services.get<Stage2PolicyReader>(Stage2PolicyReader)(services.options, services.host);
  const switches = Object.entries(policy).map(([asked, value]) => ({ rule: 'Stage2PolicyReader', asked, answer: JSON.stringify(value) }));
  const { map, protocols } = services.get<Stage2Rules>(Stage2Rules);
  const attrs = new Stage2Attrs();
  const rule = new map(attrs, policy.mapEagain);
  const answers: RuleAnswer[] = [];
  for (const writable of [false, true]) {
    for (const [asked, entry] of entriesMet(attrs)) {
      const op = Object.assign(new MapOp(), {
        goal: entry.goal,
        attr: attrs.leaf(writable, false, false),
        shared: policy.lockMode === MmuLockMode.Shared,
      });
      const verdict = rule.visit(entry, op);
      const action = verdictAction(verdict);
      const protocol = protocols[action - Action.FirstProtocol]?.name ?? 'end here';
      const answer = `${protocol}, ${STEPS.get(mapStep(verdictOutcome(verdict))) ?? 'and on'}`;
      answers.push({
        rule: 'Stage2Rules.map',
        asked: `a ${writable ? 'writable' : 'read-only'} leaf of level ${entry.goal} is wanted: ${asked}`,
        answer,
      });
    }
  }
  return [...switches, ...answers];
}

function* entriesMet(attrs: Stage2Attrs): Iterable<readonly [string, Entry]> {
  for (const goal of LEVELS) {
    for (const level of LEVELS.filter(one => one >= goal)) {
      const entry = { level, goal, gfn: 0, start: 0, end: 1, tableAttr: 0, attr: 0, childCount: () => 1, firstLeafBelow: () => -1 };
      yield [`nothing at level ${level}`, { ...entry, kind: EntryKind.Empty }];
      for (const writable of [false, true]) {
        const attr = attrs.leaf(writable, false, false);
        yield [`a ${writable ? 'writable' : 'read-only'} leaf there is of level ${level}`, { ...entry, kind: EntryKind.Leaf, attr }];
      }
      yield [`an entry of level ${level} is locked by another walker`, { ...entry, kind: EntryKind.Special, attr: attrs.locked }];
      if (level === goal && level > 1) yield [`a table at level ${level}`, { ...entry, kind: EntryKind.Table }];
    }
  }
}
