/**
 * What the last step was: who did what, the way of a fault through its stages with the file that decides in each, what became of entries, and what was counted.
 */
import type { ControlWrite, EntryKind, HostOp, StageDef } from '@mmulab/api';
import type { StepAct } from '@mmulab/runner';
import type { JSX } from 'preact';
import { ruleDecider, stageDecider, type Decider } from '../lab/deciders';
import type { Side } from '../lab/session';
import type { TableChange } from '../lab/table-changes';
import { count, hex, VERBS } from './numbers';
import { SourceLink } from './source-link';

/** Changes that are shown. */
const SHOWN = 12;
const KINDS: Readonly<Record<EntryKind, string>> = { 0: 'nothing', 1: 'leaf', 2: 'table', 3: 'special' };

export function StepView({ side, isAlone }: { readonly side: Side; readonly isAlone: boolean }): JSX.Element {
  const { lab } = side;
  const step = lab.last;
  if (step === undefined) return <p class="faint">Nothing has happened yet: the VM is there, its tables are empty.</p>;
  const waits = !side.acted && !isAlone;
  const who = step.vcpu < 0 ? (step.acts[0]?.act === 'program' ? 'All vCPUs' : 'The host') : `vCPU ${step.vcpu}`;
  return (
    <div class={waits ? 'step waits' : 'step'}>
      <p class="what">
        <span class="phase">{step.phaseName}</span> {who}{' '}
        {step.acts
          .slice(0, 6)
          .map(act => says(act, lab.backend.stages, step.vcpu < 0))
          .join('; ')}
        {step.acts.length > 6 ? `; and ${step.acts.length - 6} more` : ''}.{waits ? ' It waits here for the other run.' : ''}
      </p>
      <FaultPath side={side} acts={step.acts} />
      <Changes side={side} />
    </div>
  );
}

function says(act: StepAct, stages: readonly StageDef[], isAll: boolean): string {
  switch (act.act) {
    case 'enter':
      return 'enters the guest';
    case 'access':
      return `${VERBS[act.kind]} virtual frame ${hex(act.vfn)}: ${act.stages.length > 0 || !act.done ? 'a fault' : 'a hit'}`;
    case 'stage':
      return `is through stage ${stages[act.stage]?.name ?? ''} of its access to ${hex(act.vfn)}${act.done ? ', and has made it' : ''}`;
    case 'control':
      return controlSays(act.write);
    case 'table':
      return `writes ${act.writes.count === 1 ? 'an entry' : `${act.writes.count} entries`} of its page tables, through virtual frame ${hex(act.writes.vfn)}`;
    case 'host':
      return hostSays(act.op);
    case 'program':
      return isAll ? 'run their whole programs' : 'runs a whole program';
  }
}

function controlSays(write: ControlWrite): string {
  if ('bit' in write)
    return `writes ${write.register.toUpperCase()}.${write.bit.toUpperCase()}: ${write.value === 'toggle' ? 'toggled' : String(write.value)}`;
  if (write.register === 'cr3') return `writes CR3: address space ${write.space}`;
  return `executes ${write.register}`;
}

function hostSays(op: HostOp): string {
  const rest = Object.entries(op).filter(([key]) => key !== 'op' && key !== 'slot');
  const what = op.op.replaceAll('_', ' ');
  return `performs ${what}${rest.length === 0 ? '' : ` (${rest.map(([key, value]) => `${key} ${String(value)}`).join(', ')})`}`;
}

function FaultPath({ side, acts }: { readonly side: Side; readonly acts: readonly StepAct[] }): JSX.Element | null {
  const { lab } = side;
  const stages = acts.flatMap(act => (act.act === 'access' ? act.stages : act.act === 'stage' ? [act.stage] : []));
  if (stages.length === 0) return null;
  return (
    <ol class="path" aria-label="The fault's way">
      {stages.slice(0, 40).map((stage, i) => {
        const name = lab.backend.stages[stage]?.name ?? '';
        return (
          <li key={i}>
            <strong>{name}</strong> <Deciding decider={stageDecider(lab.definition.name, name)} />
          </li>
        );
      })}
    </ol>
  );
}

function Deciding({ decider }: { readonly decider: Decider | undefined }): JSX.Element | null {
  if (decider === undefined) return null;
  return (
    <span>
      {decider.says} <SourceLink decider={decider} />
    </span>
  );
}

function Changes({ side }: { readonly side: Side }): JSX.Element | null {
  const { changes, count: all } = side.lab.changes;
  if (all === 0) return null;
  const groups = grouped(changes);
  return (
    <ul class="changes" aria-label="What became of entries">
      {groups.slice(0, SHOWN).map(({ change, times }, i) => (
        <li key={i}>
          {change.quiet ? 'Rights, A or D of a leaf' : `${KINDS[change.from]} → ${KINDS[change.to]}`} at level {change.level},{' '}
          {times > 1 ? `${count(times)} entries from ` : ''}
          <code>{hex(change.gfn)}</code> <span class="faint">by {change.cause}</span> <RuleLink cause={change.cause} />
        </li>
      ))}
      {all > changes.length || groups.length > SHOWN ? <li class="faint">{count(all)} entries in all.</li> : null}
    </ul>
  );
}

function RuleLink({ cause }: { readonly cause: string }): JSX.Element | null {
  const decider = ruleDecider(cause);
  return decider === undefined ? null : <SourceLink decider={decider} />;
}

/** Neighbouring changes of one kind, put together. */
function grouped(changes: readonly TableChange[]): readonly { readonly change: TableChange; readonly times: number }[] {
  const groups: { change: TableChange; times: number }[] = [];
  for (const change of changes) {
    const last = groups.at(-1);
    const isSame =
      last !== undefined &&
      last.change.cause === change.cause &&
      last.change.level === change.level &&
      last.change.from === change.from &&
      last.change.to === change.to &&
      last.change.quiet === change.quiet;
    if (isSame) last.times++;
    else groups.push({ change, times: 1 });
  }
  return groups;
}
