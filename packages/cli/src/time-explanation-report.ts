/**
 * A predicted time taken apart, as a report: its terms, the counts they name, and the costs behind them.
 */
import { formatTime, type Cell, type Report, type Sheet } from '@mmulab/report';
import type { ExplainedCost, Explanation } from '@mmulab/time';

/** A phase of a run, explained. */
export interface ExplainedPhase {
  readonly run: string;
  readonly phase: string;
  readonly vcpus: number;
  readonly model: string;
  readonly solver: string;
  readonly explanation: Explanation;
}

const NS = 1e9;
const left = (name: string): Sheet['columns'][number] => ({ name, align: 'left' });
const right = (name: string): Sheet['columns'][number] => ({ name, align: 'right' });

/** @param phases one per run */
export function timeExplanationReport(phases: readonly ExplainedPhase[]): Report {
  return {
    what: 'an explanation of times',
    document: phases,
    sheets: () => phases.flatMap(phase => [termSheet(phase), countSheet(phase), costSheet(phase)]),
    csv: () => ({
      header: ['run', 'phase', 'term', 'kind', 'expression', 'seconds', 'waiting_s', 'utilisation'],
      rows: phases.flatMap(({ run, phase, explanation }) =>
        explanation.terms.map(({ name, kind, expression, seconds, waitingS, utilisation }) => [
          ...[run, phase, name, kind, expression],
          ...[seconds, waitingS, utilisation ?? ''],
        ]),
      ),
    }),
  };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** `fitted A, B, C` is `fitted A and 2 more`. */
function shortOrigin(origin: string): string {
  const [first = '', ...others] = origin.split(', ');
  return others.length === 0 ? first : `${first} and ${String(others.length)} more`;
}

function termSheet({ run, phase, vcpus, model, solver, explanation }: ExplainedPhase): Sheet {
  const { prediction, terms, rule } = explanation;
  const { timeS, lowS, highS, basis, bottleneck } = prediction;
  const [time, low, high] = [timeS, lowS, highS].map(s => formatTime(s * NS));
  return {
    title: `${run}: ${phase}`,
    lines: [
      `${time ?? ''}, 90 % interval ${low ?? ''} - ${high ?? ''}, ${basis}; most of it ${bottleneck}`,
      `model ${model}, rule ${rule}, solver ${solver}, ${vcpus === 0 ? 'the host alone' : `${String(vcpus)} vCPUs`}`,
    ],
    keys: 1,
    columns: [left('term'), left('kind'), right('time'), right('share'), right('waiting'), right('busy'), left('expression')],
    rows: terms.map(({ name, kind, expression, seconds, waitingS, utilisation }): Cell[] => [
      ...[name, kind, formatTime(seconds * NS), percent(timeS === 0 ? 0 : seconds / timeS)],
      ...[kind === 'station' ? formatTime(waitingS * NS) : '', utilisation === undefined ? '' : percent(utilisation), expression],
    ]),
    notes: [],
  };
}

function countSheet({ explanation: { counts } }: ExplainedPhase): Sheet {
  return {
    title: 'What was counted, of one vCPU unless it says host',
    lines: [],
    keys: 1,
    columns: [left('name'), right('value')],
    rows: counts.map(({ name, value }) => [name, value]),
    notes: [],
  };
}

function costSheet({ explanation: { costs, scatterShare } }: ExplainedPhase): Sheet {
  const value = ({ isTime, value: number }: ExplainedCost): string => (isTime ? formatTime(number * NS) : String(Number(number.toPrecision(4))));
  return {
    title: 'Costs: what a per cent more of each does to the time, and its part in the interval',
    lines: [],
    keys: 1,
    columns: [left('cost'), right('value'), right('time'), right('of the variance'), left('origin'), left('what it is')],
    rows: costs.map((cost): Cell[] => [
      cost.name,
      value(cost),
      `${cost.slope >= 0 ? '+' : ''}${cost.slope.toFixed(2)} %`,
      percent(cost.varianceShare),
      shortOrigin(cost.origin),
      cost.doc,
    ]),
    notes: [`${percent(scatterShare)} of the variance is scatter of measurements and what models of this form leave out.`],
  };
}
