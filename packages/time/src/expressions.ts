/**
 * Expressions of models: mathjs syntax over counters (`fast_page_fault.fixed` is one name), parameters with units, host facts and other named
 * expressions. Units are checked once, when the model is read; evaluation is on plain numbers in SI units, by functions mathjs compiles.
 *
 * mathjs takes most of a second to load: it is, when the first model is read.
 */
import { suggestName } from '@mmulab/api';
import type * as MathJs from 'mathjs' with { 'resolution-mode': 'import' };
import { modelCycle, modelExpression, modelUnit, modelUnknownName } from './errors';

/** Exponent of seconds in a unit; models know no other dimension. */
export type Dimension = number;
export const PLAIN: Dimension = 0;
export const TIME: Dimension = 1;

/** Values by name, as an expression sees them. */
export type Scope = Map<string, number>;

/** An expression that can be evaluated. */
export interface Expression {
  readonly text: string;
  readonly dimension: Dimension;
  /** Names it needs, those of named expressions resolved to what they need. */
  readonly needs: ReadonlySet<string>;
  evaluate(scope: Scope): number;
}

const NAME = /[A-Za-z_]\w*(?:\.\w+)+/g;
const FUNCTIONS = ['min', 'max', 'sqrt', 'abs', 'log', 'exp'];
const COMPARISONS = ['<', '>', '<=', '>=', '==', '!=', 'and', 'or'];

let loaded: typeof MathJs | undefined;

function mathjs(): typeof MathJs {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when a time is asked for, see the header
  loaded ??= require('mathjs') as typeof MathJs;
  return loaded;
}

/** Name of a counter as mathjs reads it: dots would be property accesses. */
export function plainName(name: string): string {
  return name.replaceAll('.', '__');
}

/**
 * A quantity: `0.3 us` or a plain number.
 * @returns its value in SI units and its dimension; undefined when it is none, or of something else than time
 */
export function readQuantity(value: unknown): { readonly value: number; readonly dimension: Dimension } | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? { value, dimension: PLAIN } : undefined;
  if (typeof value !== 'string') return undefined;
  try {
    const unit = mathjs().unit(value);
    const dimension = unit.equalBase(mathjs().unit('s')) ? TIME : undefined;
    const number = unit.toSI().toNumber('s');
    return dimension === undefined || !Number.isFinite(number) ? undefined : { value: number, dimension };
  } catch {
    return undefined;
  }
}

/** The names expressions may use, with their dimensions, and the named expressions among them. */
export class Vocabulary {
  private readonly named = new Map<string, { readonly text: unknown; readonly place: string }>();
  private readonly compiled = new Map<string, Expression>();
  private readonly underway: string[] = [];

  /** @param fixed dimension by plain name */
  constructor(private readonly fixed: ReadonlyMap<string, Dimension>) {}

  /** Adds a named expression; compiled when first needed. */
  define(name: string, text: unknown, place: string): void {
    this.named.set(name, { text, place });
  }

  /** The named expressions, in the order in which they can be evaluated. */
  order(): readonly (readonly [string, Expression])[] {
    for (const name of this.named.keys()) this.resolve(name);
    return [...this.compiled];
  }

  /**
   * Reads and checks an expression.
   * @param expected dimension it has to have; undefined: any
   * @throws MODEL_EXPRESSION, MODEL_UNKNOWN_NAME, MODEL_UNIT, MODEL_CYCLE
   */
  compile(text: unknown, place: string, expected?: Dimension): Expression {
    if (typeof text !== 'string' && typeof text !== 'number') throw modelExpression(place, text, 'expected an expression in quotes');
    const source = String(text);
    const node = this.chosen(this.parse(source, place), place, source);
    const needs = new Set<string>();
    const dimension = this.dimensionOf(node, { place, source, needs });
    // Zero is zero in every unit.
    if (expected !== undefined && dimension !== expected && source.trim() !== '0')
      throw modelUnit(place, source, nameOf(dimension), nameOf(expected));
    const code = node.compile();
    return { text: source, dimension, needs, evaluate: scope => Number(code.evaluate(scope)) };
  }

  private parse(source: string, place: string): MathJs.MathNode {
    try {
      return mathjs().parse(source.replace(NAME, plainName));
    } catch (error) {
      throw modelExpression(place, source, error instanceof Error ? error.message : String(error));
    }
  }

  /** `known(a, b)`: a where there is such a name, else b. Models take a counter that not every backend has, and reckon where it is missing. */
  private chosen(node: MathJs.MathNode, place: string, source: string): MathJs.MathNode {
    const math = mathjs();
    return node.transform(one => {
      if (!math.isFunctionNode(one) || nameOfCall(one) !== 'known') return one;
      const [wanted, otherwise] = one.args;
      if (wanted === undefined || otherwise === undefined || one.args.length !== 2 || !math.isSymbolNode(wanted))
        throw modelExpression(place, source, 'known takes the name of a counter and an expression');
      return this.fixed.has(wanted.name) || this.named.has(wanted.name) ? wanted : this.chosen(otherwise, place, source);
    });
  }

  private resolve(name: string): Expression | undefined {
    const done = this.compiled.get(name);
    const named = this.named.get(name);
    if (done !== undefined || named === undefined) return done;
    if (this.underway.includes(name)) throw modelCycle(named.place, [...this.underway.slice(this.underway.indexOf(name)), name]);
    this.underway.push(name);
    const expression = this.compile(named.text, named.place);
    this.underway.pop();
    this.compiled.set(name, expression);
    return expression;
  }

  private dimensionOf(node: MathJs.MathNode, at: Where): Dimension {
    const math = mathjs();
    if (math.isParenthesisNode(node)) return this.dimensionOf(node.content, at);
    if (math.isConstantNode(node)) return PLAIN;
    if (math.isSymbolNode(node)) return this.dimensionOfName(node.name, at);
    if (math.isConditionalNode(node)) {
      this.expect(node.condition, PLAIN, at);
      return this.same([node.trueExpr, node.falseExpr], at);
    }
    if (math.isFunctionNode(node)) return this.dimensionOfCall(node, at);
    if (math.isOperatorNode(node)) return this.dimensionOfOperator(node, at);
    throw modelExpression(at.place, at.source, `${node.type} is not known to models`);
  }

  private dimensionOfName(name: string, { place, needs }: Where): Dimension {
    const known = this.fixed.get(name);
    if (known !== undefined) {
      needs.add(name);
      return known;
    }
    const expression = this.resolve(name);
    if (expression === undefined) {
      const dotted = name.replaceAll('__', '.');
      throw modelUnknownName(
        place,
        dotted,
        suggestName(
          dotted,
          [...this.fixed.keys(), ...this.named.keys()].map(one => one.replaceAll('__', '.')),
        ),
      );
    }
    for (const need of expression.needs) needs.add(need);
    return expression.dimension;
  }

  private dimensionOfCall(node: MathJs.FunctionNode, at: Where): Dimension {
    const name = nameOfCall(node);
    if (!FUNCTIONS.includes(name))
      throw modelExpression(at.place, at.source, `${name} is no function of models (known: ${[...FUNCTIONS, 'known'].join(', ')})`);
    const dimension = this.same(node.args, at);
    if (name === 'sqrt') return dimension / 2;
    if ((name === 'log' || name === 'exp') && dimension !== PLAIN)
      throw modelUnit(at.place, at.source, `${name} of ${nameOf(dimension)}`, 'a plain number');
    return dimension;
  }

  private dimensionOfOperator({ op, args }: Operator, at: Where): Dimension {
    const [a, b] = args;
    if (a === undefined) throw modelExpression(at.place, at.source, `${op} without operands`);
    if (b === undefined) return this.dimensionOf(a, at);
    if (op === '*') return this.dimensionOf(a, at) + this.dimensionOf(b, at);
    if (op === '/') return this.dimensionOf(a, at) - this.dimensionOf(b, at);
    if (op === '^') return this.dimensionOfPower(a, b, at);
    const dimension = this.same(args, at);
    if (COMPARISONS.includes(op)) return PLAIN;
    if (op === '+' || op === '-') return dimension;
    throw modelExpression(at.place, at.source, `${op} is no operator of models`);
  }

  private dimensionOfPower(base: MathJs.MathNode, exponent: MathJs.MathNode, at: Where): Dimension {
    const dimension = this.dimensionOf(base, at);
    this.expect(exponent, PLAIN, at);
    if (dimension !== PLAIN) throw modelUnit(at.place, at.source, `a power of ${nameOf(dimension)}`, 'a power of a plain number');
    return PLAIN;
  }

  private same(nodes: readonly MathJs.MathNode[], at: Where): Dimension {
    const dimensions = nodes.filter(node => !isZero(node)).map(node => this.dimensionOf(node, at));
    const [first = PLAIN] = dimensions;
    const other = dimensions.find(dimension => dimension !== first);
    if (other !== undefined) throw modelUnit(at.place, at.source, `${nameOf(first)} beside ${nameOf(other)}`, 'the same unit on both sides');
    return first;
  }

  private expect(node: MathJs.MathNode, expected: Dimension, at: Where): void {
    const dimension = this.dimensionOf(node, at);
    if (dimension !== expected) throw modelUnit(at.place, at.source, nameOf(dimension), nameOf(expected));
  }
}

interface Operator {
  readonly op: string;
  readonly args: readonly MathJs.MathNode[];
}

interface Where {
  readonly place: string;
  readonly source: string;
  readonly needs: Set<string>;
}

function nameOfCall(node: MathJs.FunctionNode): string {
  return (node.fn as { readonly name?: string }).name ?? '';
}

function isZero(node: MathJs.MathNode): boolean {
  return mathjs().isConstantNode(node) && node.value === 0;
}

function nameOf(dimension: Dimension): string {
  return dimension === PLAIN ? 'a plain number' : dimension === TIME ? 'a time' : `a time to the power of ${dimension}`;
}
