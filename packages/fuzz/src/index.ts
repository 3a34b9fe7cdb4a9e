/**
 * Input that nobody means, and what becomes of it. Reading order: what one case is and when it is a fault, the words and the odd values that cases are made of, the three kinds,
 * cases by number, a campaign of them.
 */
export { KINDS, runCase } from './case';
export type { FuzzCase, Kind, Outcome } from './case';
export { vocabularyOf } from './vocabulary';
export type { Vocabulary } from './vocabulary';
export { edit, edits, mutate, mutations, oddKey, oddValue } from './values';
export type { Edit, Mutation } from './values';
export { configCases } from './configs';
export { commandCases, testLine } from './command-lines';
export { recordCases } from './records';
export { caseAt, casesOf, kindOf, repeat } from './cases';
export { campaign } from './campaign';
export type { Fault, Findings, Order, Watch } from './campaign';
