/**
 * `mmulab analyse`: pivot tables, break-even maps and growth from the results of a sweep.
 */
import { analysisReport, renderReport, workCounters } from '@mmulab/report';
import { STATISTIC_NAMES, breakEven, growth, overview, pivot, type Analysis, type AnalysisRequest } from '@mmulab/sweep';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { usage } from '../errors';
import { formatOf } from '../format';
import { addOutputOptions, readPair, viewOf, type OutputOptions, type Setting } from '../options';

interface Options extends OutputOptions {
  readonly value?: string;
  readonly rows?: readonly string[];
  readonly columns?: string;
  readonly stat: string;
  readonly where?: readonly Setting[];
  readonly breakEven?: string;
  readonly higher?: boolean;
  readonly growth?: string;
}

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  const names = (text: string): readonly string[] => text.split(',').map(name => name.trim());
  const condition = (text: string, before: readonly Setting[] = []): readonly Setting[] => [...before, readPair('--where', 'axis=value', text)];
  command
    .argument('<results>', 'the folder of a sweep, a file of results (NDJSON), or a directory of saved results')
    .option('--value <counter>', 'what is looked at: page_fault, phases.dirty_1.counters.tlb_flush, memory.tableBytesReal, time, phases.dirty_1.time')
    .option('--rows <a,b>', 'axes that go down; what is left over without it', names)
    .option('--columns <axis>', 'the axis that goes across; the last one without it')
    .option('--stat <name>', `what several runs of a cell amount to: ${STATISTIC_NAMES.join(', ')}`, 'mean')
    .option('--where <axis=value>', 'only these runs (repeatable)', condition)
    .option('--break-even <axis>', 'a map of which value of this axis has the least, and the border')
    .option('--higher', 'with --break-even: which has the most')
    .option('--growth <axis>', 'the exponent with which the value grows along this axis');
  addOutputOptions(command)
    .addHelpText('after', '\nWithout --value: what varies, and which counters differ.\n')
    .action((results: string, options: Options) => {
      const format = formatOf(options);
      context.terminal.out(renderReport(analysisReport(analyse(results, options)), format, viewOf(context.terminal, options)));
    });
}

function analyse(results: string, options: Options): Analysis {
  const { value, rows, columns, stat, where = [], breakEven: policy, growth: along, higher = false } = options;
  if (value === undefined) {
    if (policy !== undefined || along !== undefined) throw usage('analyse: expected --value beside --break-even and --growth');
    return overview(results, options.all === true ? undefined : workCounters({ backends: loadRegistry().backends() }));
  }
  if (policy !== undefined && along !== undefined) throw usage('analyse: expected one of --break-even and --growth');
  const conditions = Object.fromEntries(where.map(setting => [setting.key, setting.value]));
  const request: AnalysisRequest = { value, rows, columns, statistic: stat, where: conditions };
  if (policy !== undefined) return breakEven(results, policy, higher, request);
  return along === undefined ? pivot(results, request) : growth(results, along, request);
}
