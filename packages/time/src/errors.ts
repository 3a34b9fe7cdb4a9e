/**
 * The errors of this package, sorted by code.
 */
import { MmulabError } from '@mmulab/api';

const usage = (code: string, message: string): MmulabError => new MmulabError(code, message);
const shown = (value: unknown): string => JSON.stringify(value) ?? String(value);

/** A fit has fewer figures than it has parameters. */
export const tooFewFigures = (figures: number, parameters: number): MmulabError =>
  usage('CALIBRATE_TOO_FEW_FIGURES', `${figures} figures for ${parameters} parameters; expected at least as many figures as parameters`);

/** A cell has figures, and the model cannot be priced there. */
export const impossibleTime = (place: string, value: number): MmulabError =>
  usage('MODEL_IMPOSSIBLE_TIME', `${place}: ${value}; expected a time above 0`);

/** A named expression needs itself. */
export const modelCycle = (place: string, names: readonly string[]): MmulabError =>
  usage('MODEL_CYCLE', `${place}: ${names.join(' -> ')}: expected expressions that do not need themselves`);

/** An expression cannot be read. */
export const modelExpression = (place: string, text: unknown, problem: string): MmulabError =>
  usage('MODEL_EXPRESSION', `${place}: ${shown(text)}: ${problem}`);

/** A model, mapping or host file is no YAML. */
export const notYaml = (place: string, problem: string): MmulabError => usage('MODEL_NOT_YAML', `${place}: ${problem}`);

/** A model is missing something, or has something else there. */
export const modelShape = (place: string, value: unknown, expected: string): MmulabError =>
  usage('MODEL_SHAPE', `${place}: ${shown(value)}; expected ${expected}`);

/** A key that no model has. */
export const modelUnknownKey = (place: string, key: string, suggestion: string): MmulabError =>
  usage('MODEL_UNKNOWN_KEY', `${place}: ${key}: not a key here${suggestion}`);

/** An expression names what is neither counter, parameter, expression nor host fact. */
export const modelUnknownName = (place: string, name: string, suggestion: string): MmulabError =>
  usage('MODEL_UNKNOWN_NAME', `${place}: ${name}: no counter, parameter, expression or host fact of this name${suggestion}`);

/** Units do not go together. */
export const modelUnit = (place: string, text: string, unit: string, expected: string): MmulabError =>
  usage('MODEL_UNIT', `${place}: ${text}: ${unit}; expected ${expected}`);

/** No such machine. */
export const unknownMachine = (name: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_MACHINE', `time.machine: ${name}: not a machine that comes with mmulab, nor a YAML file${suggestion}`);

/** A row selection that cannot be read. */
export const badSelection = (text: string): MmulabError =>
  usage('TABLE_BAD_SELECTION', `--fit: ${text}: expected COLUMN in [value,value...], or not in; several are joined by and`);

/** A published table is not one. */
export const tableShape = (place: string, value: unknown, expected: string): MmulabError =>
  usage('TABLE_SHAPE', `${place}: ${shown(value)}; expected ${expected}`);
