/**
 * A fitted model written as a file again, and models with a mechanism left out.
 */
import { parseDocument } from 'yaml';
import type { Fit } from './calibrate';
import type { Factor } from './host';
import type { Model, Parameter, PhaseRule } from './model';
import { priorOf } from './unknowns';

/** Share of its prior error that a parameter keeps when figures do not pin it down. */
const UNPINNED = 0.9;

/** Whether figures have told something of a parameter. @param sigma error of its logarithm after the fit; undefined: it was not fitted */
export function isPinned(parameter: Parameter, sigma: number | undefined): boolean {
  return sigma !== undefined && parameter.factor > 1 && sigma < UNPINNED * priorOf(parameter).sigma;
}

/** The file of a model with the fitted values, their errors and where they come from; all else stays as it was, comments included. */
export function calibratedText(model: Model, { values, sigmas, told }: Fit, origin: string): string {
  const document = parseDocument(model.text);
  for (const parameter of model.parameters) {
    const { key, name, value, dimension } = parameter;
    // A cost that no figure tells follows the one it is like, sure or not.
    const follows = parameter.like !== undefined && sigmas.has(key) && !told.has(key);
    if (!follows && !isPinned(parameter, sigmas.get(key))) continue;
    const fitted = values.get(key) ?? value;
    document.setIn(['parameters', name, 'value'], dimension === 1 ? timeText(fitted) : digits(fitted));
    document.setIn(['parameters', name, 'factor'], Math.max(1.001, digits(Math.exp(sigmas.get(key) ?? 0))));
    document.setIn(['parameters', name, 'origin'], follows ? `prior ${parameter.like.key}` : origin);
  }
  return document.toString({ lineWidth: 0 });
}

function digits(number: number): number {
  return Number(number.toPrecision(4));
}

function timeText(seconds: number): string {
  return seconds >= 1e-3 ? `${digits(seconds * 1e3)} ms` : `${digits(seconds * 1e6)} us`;
}

/** Names of the delays, stations and effects of a model. */
export function mechanismsOf(model: Model): readonly string[] {
  return [
    ...new Set(model.rules.flatMap(({ delays, stations, extra, serial }) => [...delays, ...stations, ...extra, ...serial].map(({ name }) => name))),
  ];
}

/** The model without terms of a name. */
export function withoutMechanism(model: Model, name: string): Model {
  const without = (rule: PhaseRule): PhaseRule => ({
    ...rule,
    delays: rule.delays.filter(term => term.name !== name),
    stations: rule.stations.filter(term => term.name !== name),
    extra: rule.extra.filter(term => term.name !== name),
    serial: rule.serial.filter(term => term.name !== name),
  });
  return { ...model, rules: model.rules.map(without) };
}

/** A machine's file with the factors that a fit found; all else stays as it was. @param before the file as it is, empty for a new one */
export function machineText(
  before: string,
  machine: string,
  factors: Readonly<Partial<Record<Factor, { readonly value: number; readonly sigma?: number }>>>,
): string {
  const document = parseDocument(before === '' ? `name: ${machine}\n` : before);
  for (const [factor, { value, sigma }] of Object.entries(factors)) {
    const node = document.createNode(
      { value: digits(value), ...(sigma === undefined ? {} : { sigma: Math.max(0.05, digits(sigma)) }) },
      { flow: true },
    );
    document.setIn(['factors', factor], node);
  }
  return document.toString({ lineWidth: 0 });
}
