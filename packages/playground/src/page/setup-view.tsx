/**
 * The controls of a run: backend, kernel, policy, machine, workload; of one policy, or of two that are gone through in lockstep.
 */
import type { BackendDefinition, OptionSpec, OptionValues } from '@mmulab/api';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { choicesOf, ownValues, workloadOf, type Choices, type LabConfig, type Typed } from '../lab/lab-config';
import { registry } from './engine';

const WORKLOADS: readonly string[] = [
  'dirty_log_perf_test -v 1 -b 16M -s anonymous_hugetlb_2mb',
  'execute_perf_test -v 1 -b 16M -s anonymous_hugetlb_2mb',
  'kvm_page_table_test -v 2 -b 4M -s anonymous_thp',
  'access_rounds -v 1 -b 16M -s anonymous_hugetlb_2mb -p w,r,D,w,G,K,U,r,Z,w,A,N -M 1',
  'cr_churn -m w -n 8 -p 20 -r 1',
  'nested_rounds -b 8M -L -s anonymous_hugetlb_2mb -p w,D,x,w',
];

export interface SetupProps {
  readonly configs: readonly LabConfig[];
  readonly run: (configs: readonly LabConfig[]) => string | undefined;
}

export function SetupView({ configs, run }: SetupProps): JSX.Element {
  const choices = useMemo(() => choicesOf(registry), []);
  const [drafts, setDrafts] = useState(configs);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [first] = drafts;
  if (first === undefined) return <p>No run.</p>;
  const change = (index: number, changes: Partial<LabConfig>): void =>
    setDrafts(drafts.map((draft, i) => (i === index ? { ...draft, ...changes } : draft)));
  const changeAll = (changes: Partial<LabConfig>): void => setDrafts(drafts.map(draft => ({ ...draft, ...changes })));
  const submit = (event: Event): void => {
    event.preventDefault();
    setProblem(run(drafts));
  };
  return (
    <form class="setup" onSubmit={submit} aria-label="What to run">
      <WorkloadFields config={first} choices={choices} change={changeAll} complain={setProblem} />
      <div class="sides">
        {drafts.map((draft, i) => (
          <PolicyFields
            key={i}
            id={`side-${i}`}
            title={drafts.length === 1 ? 'Policy' : `Policy ${'AB'[i] ?? ''}`}
            config={draft}
            choices={choices}
            change={changes => change(i, changes)}
          />
        ))}
      </div>
      <div class="controls">
        <button type="submit" class="main">
          Run
        </button>
        <label>
          <input type="checkbox" checked={drafts.length > 1} onChange={event => setDrafts(event.currentTarget.checked ? [first, first] : [first])} />{' '}
          two policies in lockstep
        </label>
      </div>
      <p role="alert" class="bad">
        {problem ?? ''}
      </p>
    </form>
  );
}

function WorkloadFields(props: {
  readonly config: LabConfig;
  readonly choices: Choices;
  readonly change: (changes: Partial<LabConfig>) => void;
  readonly complain: (problem: string | undefined) => void;
}): JSX.Element {
  const { config, choices, change, complain } = props;
  const [command, setCommand] = useState('');
  const definition = choices.workloads.find(({ name }) => name === config.workload);
  const take = (line: string): void => {
    setCommand(line);
    if (line.trim() === '') return;
    try {
      change(workloadOf(line, registry));
      complain(undefined);
    } catch (error) {
      complain(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <fieldset>
      <legend>Workload</legend>
      <label>
        Test{' '}
        <select value={config.workload} onChange={event => change({ workload: event.currentTarget.value, workloadOptions: {} })}>
          {choices.workloads.map(({ name }) => (
            <option value={name} key={name}>
              {name}
            </option>
          ))}
        </select>
      </label>{' '}
      <label class="wide">
        or a command line{' '}
        <input
          type="text"
          value={command}
          list="workloads"
          placeholder="execute_perf_test -v 2 -b 4M"
          onChange={event => take(event.currentTarget.value)}
        />
      </label>
      <datalist id="workloads">
        {WORKLOADS.map(line => (
          <option value={line} key={line} />
        ))}
      </datalist>
      <OptionList
        title="Options of the test"
        specs={definition?.options ?? []}
        own={{}}
        typed={config.workloadOptions}
        change={workloadOptions => change({ workloadOptions })}
      />
      <label>
        Seed <input type="number" min={0} value={config.seed} onChange={event => change({ seed: Number(event.currentTarget.value) })} />
      </label>
    </fieldset>
  );
}

function PolicyFields(props: {
  readonly id: string;
  readonly title: string;
  readonly config: LabConfig;
  readonly choices: Choices;
  readonly change: (changes: Partial<LabConfig>) => void;
}): JSX.Element {
  const { title, config, choices, change } = props;
  const definition = choices.backends.find(({ name }) => name === config.backend);
  const own = useMemo(() => ownValues(config.backend, config.kernel, config.workload, registry), [config.backend, config.kernel, config.workload]);
  const setBackend = (name: string): void => {
    const backend = choices.backends.find(one => one.name === name);
    if (backend !== undefined) change({ backend: name, kernel: newestOf(backend), options: {}, host: {} });
  };
  return (
    <fieldset>
      <legend>{title}</legend>
      <label>
        Backend{' '}
        <select value={config.backend} onChange={event => setBackend(event.currentTarget.value)}>
          {choices.backends.map(({ name }) => (
            <option value={name} key={name}>
              {name}
            </option>
          ))}
        </select>
      </label>{' '}
      <label>
        Kernel{' '}
        <select value={config.kernel} onChange={event => change({ kernel: event.currentTarget.value })}>
          {kernelsOf(definition, config.kernel).map(name => (
            <option value={name} key={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <OptionList
        title="Policy options"
        specs={definition?.options ?? []}
        own={own?.backend.options ?? {}}
        typed={config.options}
        change={options => change({ options })}
      />
      <OptionList
        title="Machine"
        specs={definition === undefined ? [] : choices.hostOptions(definition.name)}
        own={own?.host ?? {}}
        typed={config.host}
        change={host => change({ host })}
      />
    </fieldset>
  );
}

function kernelsOf(definition: BackendDefinition | undefined, present: string): readonly string[] {
  const names = (definition?.profiles ?? []).map(profile => profile.name);
  return names.includes(present) ? names : [present, ...names];
}

function newestOf(definition: BackendDefinition): string {
  return definition.profiles.at(-1)?.name ?? '';
}

function OptionList(props: {
  readonly title: string;
  readonly specs: readonly OptionSpec[];
  readonly own: OptionValues;
  readonly typed: Typed;
  readonly change: (typed: Typed) => void;
}): JSX.Element {
  const { title, specs, own, typed, change } = props;
  const set = (name: string, value: string): void => {
    const { [name]: _gone, ...rest } = typed;
    change(value === '' ? rest : { ...rest, [name]: value });
  };
  const given = specs.filter(({ name }) => typed[name] !== undefined).map(({ name }) => `${name}=${typed[name] ?? ''}`);
  return (
    <details>
      <summary>
        {title}
        {given.length === 0 ? '' : `: ${given.join(', ')}`}
      </summary>
      <div class="options">
        {specs.map(spec => (
          <OptionField
            key={spec.name}
            spec={spec}
            own={String(own[spec.name] ?? spec.default)}
            value={typed[spec.name] ?? ''}
            set={value => set(spec.name, value)}
          />
        ))}
      </div>
    </details>
  );
}

function OptionField({
  spec,
  own,
  value,
  set,
}: {
  readonly spec: OptionSpec;
  readonly own: string;
  readonly value: string;
  readonly set: (value: string) => void;
}): JSX.Element {
  const values = spec.kind === 'choice' ? spec.choices : spec.kind === 'flag' ? ['Y', 'N'] : spec.kind === 'switch' ? ['true', 'false'] : undefined;
  return (
    <label title={spec.doc}>
      <span>{spec.name}</span>
      {values === undefined ? (
        <input type="text" value={value} placeholder={own} onChange={event => set(event.currentTarget.value)} />
      ) : (
        <select value={value} onChange={event => set(event.currentTarget.value)}>
          <option value="">({own})</option>
          {values.map(one => (
            <option value={one} key={one}>
              {one}
            </option>
          ))}
        </select>
      )}
    </label>
  );
}
