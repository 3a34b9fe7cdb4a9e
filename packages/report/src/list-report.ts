/**
 * What there is, as reports: backends, workloads, profiles, counters, cost models, plugins. Each item is an object in JSON and a line in a table.
 */
import type { BackendDefinition, EventDef, PatchDefinition, WorkloadDefinition } from '@mmulab/api';
import type { CsvRows, Report } from '@mmulab/api';
import type { Sheet } from './sheet';

/** A plugin as `list plugins` shows it. */
export interface ListedPlugin {
  readonly name: string;
  /** Directory of the package. */
  readonly path: string;
  /** What it contributes: `backend x86-tdp`. */
  readonly brings: readonly string[];
}

/** A counter and the backends that have it. */
export interface ListedEvent extends EventDef {
  readonly backends: readonly string[];
}

type Field = string | boolean | readonly string[];
type Item = Readonly<Record<string, Field>>;

/** Backends with what they model and the profile they take by default. */
export function backendsReport(backends: readonly BackendDefinition[]): Report {
  const items = backends.map(({ name, arch, models, profiles }) => ({ name, arch, models, kernel: profiles.at(-1)?.name ?? '' }));
  return listReport(
    'Backends',
    items,
    ['name', 'arch', 'models', 'kernel'],
    ['Without --kernel a backend takes its newest profile, named in the last column.'],
  );
}

/** Kernel profiles of every backend, in order of release. */
export function profilesReport(backends: readonly BackendDefinition[]): Report {
  const items = backends.flatMap(backend => backend.profiles.map(({ name, doc }) => ({ backend: backend.name, kernel: name, doc })));
  return listReport('Kernel profiles', items, ['backend', 'kernel', 'doc'], ['mmulab explain NAME shows what a profile sets.']);
}

/** Workloads with their one sentence. */
export function workloadsReport(workloads: readonly WorkloadDefinition[]): Report {
  const items = workloads.map(({ name, doc }) => ({ name, doc }));
  return listReport('Workloads', items, ['name', 'doc'], ['mmulab run -- NAME -h shows how a workload is called.']);
}

/** A kind of host memory, and the pages it has on each machine. */
export interface ListedMemory {
  readonly name: string;
  readonly doc: string;
  /** By machine, `arm64 16K`. */
  readonly pages: Readonly<Record<string, string>>;
}

/** Kinds of host memory, with a column per machine. */
export function backingsReport(backings: readonly ListedMemory[]): Report {
  const machines = [...new Set(backings.flatMap(({ pages }) => Object.keys(pages)))];
  const items = backings.map(({ name, doc, pages }) => ({
    name,
    ...Object.fromEntries(machines.map(machine => [machine, pages[machine] ?? ''])),
    doc,
  }));
  return listReport(
    'Host memory',
    items,
    ['name', ...machines, 'doc'],
    [
      'Columns: architecture and page size of the host; sizes are those of the memory’s pages, "64K in 4K" those that the second stage maps in smaller leaves. Empty: the machine has no such pages.',
    ],
  );
}

/** Counters of all backends, each once per meaning. */
export function eventsReport(backends: readonly BackendDefinition[]): Report {
  const items = listEvents(backends).map(({ name, unit, gauge, backends: owners, doc }) => ({ name, unit, gauge, backends: owners, doc }));
  return listReport(
    'Counters',
    items,
    ['name', 'unit', 'backends', 'doc'],
    ['Gauges hold the value at the end of a phase; --format json tells which they are.'],
  );
}

/** The counters of all backends in their order; a counter that several backends define alike appears once. */
export function listEvents(backends: readonly BackendDefinition[]): readonly ListedEvent[] {
  const listed = new Map<string, EventDef & { backends: string[] }>();
  for (const backend of backends) {
    for (const event of backend.events) {
      const key = JSON.stringify([event.name, event.unit, event.gauge, event.doc]);
      const known = listed.get(key);
      if (known === undefined) listed.set(key, { ...event, backends: [backend.name] });
      else known.backends.push(backend.name);
    }
  }
  return [...listed.values()];
}

/** Cost models by name. */
export function modelsReport(models: readonly { readonly name: string; readonly doc: string }[]): Report {
  const notes = models.length === 0 ? ['No cost model is installed: results carry counts, no times.'] : [];
  return listReport(
    'Cost models',
    models.map(({ name, doc }) => ({ name, doc })),
    ['name', 'doc'],
    notes,
  );
}

/** Patches with the backends they change. */
export function patchesReport(patches: readonly PatchDefinition[]): Report {
  const items = patches.map(({ name, of, doc, always }) => ({ name, of: [of].flat(), doc, always: always === true }));
  const notes = patches.length === 0 ? ['No plugin brings a patch.'] : ['mmulab compare --vary patch=none,NAME -- TEST shows before and after.'];
  return listReport('Patches', items, ['name', 'of', 'doc'], notes);
}

/** Solvers of contention by name. */
export function solversReport(solvers: readonly { readonly name: string; readonly doc: string }[]): Report {
  return listReport(
    'Solvers',
    solvers.map(({ name, doc }) => ({ name, doc })),
    ['name', 'doc'],
    [],
  );
}

/** Plugins with what they bring and where they lie. */
export function pluginsReport(plugins: readonly ListedPlugin[]): Report {
  const items = plugins.map(({ name, path, brings }) => ({ name, path, brings }));
  return listReport('Plugins', items, ['name', 'brings', 'path'], []);
}

/** Several lists as one report: their documents under their titles. */
export function overviewReport(lists: Readonly<Record<string, Report>>): Report {
  const reports = Object.values(lists);
  return {
    what: 'a list',
    document: Object.fromEntries(Object.entries(lists).map(([name, report]) => [name, report.document])),
    sheets: view => reports.flatMap(report => [...report.sheets(view)]),
    csv: view => {
      const rows = Object.entries(lists).flatMap(([name, report]) => nameRows(name, report.csv(view)));
      return { header: ['list', 'name', 'field', 'value'], rows };
    },
  };
}

/** The rows of a list in a form that lists with other columns share: list, name, field, value. */
function nameRows(list: string, { header, rows }: CsvRows): (string | number)[][] {
  return [...rows].flatMap(row => row.map((value, index) => [list, row[0] ?? '', header[index] ?? '', value]));
}

function listReport(title: string, items: readonly Item[], fields: readonly string[], notes: readonly string[]): Report {
  const rows = items.map(item => fields.map(field => fieldText(item[field] ?? '')));
  const sheet: Sheet = { title, lines: [], keys: fields.length, columns: fields.map(name => ({ name, align: 'left' })), rows, notes };
  return { what: 'a list', document: items, sheets: () => [sheet], csv: () => ({ header: fields, rows }) };
}

function fieldText(field: Field): string {
  return typeof field === 'object' ? field.join(', ') : String(field);
}
