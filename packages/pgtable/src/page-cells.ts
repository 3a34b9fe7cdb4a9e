/**
 * What accesses do to blocks that look alike, as cells of views: found from outcomes, by the heads of a block's two tables.
 */
import { CAN_NOT, makeCell, stepTo } from './block-view';
import { MAP_VALUES, NEW_ENTRY, NEW_VALUE, type PageOutcomes, Say } from './page-outcomes';

const { Nobody: NOBODY, Map: MAP, Many: MANY } = Say;

/** What an access does to pages whose entry and value are the first or second of their tables, as a cell; 0 where it is not known, or can not be brought about. */
export function cellOf(outcomes: PageOutcomes, map: number, entryHead: number, valueHead: number, cell: number): number {
  const attr = (entryHead >> ((cell & 1) << 3)) & 255;
  const say = outcomes.say[attr];
  if (say !== NOBODY && (map < 0 || say !== MAP + map)) return 0;
  const value = say === NOBODY ? 0 : (valueHead >> ((cell >> 1) << 3)) & 255;
  const outcome = value < MAP_VALUES ? outcomes.bySituation[attr | (value << 8)] : -1;
  if (outcome <= 0) return 0;
  const result = outcomes.results[outcome];
  const step = (result & NEW_ENTRY) === 0 ? 0 : stepTo(entryHead, cell & 1, result & 255);
  const valueStep = (result & NEW_VALUE) === 0 ? 0 : stepTo(valueHead, cell >> 1, (result >> 8) & 255);
  return step === CAN_NOT || valueStep === CAN_NOT ? 0 : makeCell(outcome, step, valueStep);
}

/** Number of the map that has a say for entries of a table, -1 for none. Where both its attributes have one each, the first one's. */
export function mapOf({ say }: PageOutcomes, head: number): number {
  for (const attr of [head & 255, (head >> 8) & 255]) if (say[attr] >= MAP && say[attr] !== MANY) return say[attr] - MAP;
  return -1;
}
