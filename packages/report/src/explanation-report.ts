/**
 * What a name means, as a report: each meaning with its sentence and its facts.
 */
import type { Report } from '@mmulab/api';
import type { Sheet } from './sheet';

/** One meaning of a name. */
export interface ExplainedName {
  /** What kind of thing it is: `counter`, `backend option`. */
  readonly kind: string;
  readonly name: string;
  /** Whose it is: backends or workloads. */
  readonly owners: readonly string[];
  readonly doc: string;
  /** In order, such as `default: Y`. */
  readonly facts: readonly { readonly label: string; readonly value: string }[];
}

/** All meanings of one or several names. */
export function explanationReport(meanings: readonly ExplainedName[]): Report {
  return {
    what: 'an explanation',
    document: meanings,
    sheets: () => meanings.map(meaningSheet),
    csv: () => ({
      header: ['name', 'kind', 'owners', 'label', 'value'],
      rows: meanings.flatMap(({ name, kind, owners, doc, facts }) =>
        [{ label: 'doc', value: doc }, ...facts].map(({ label, value }) => [name, kind, owners.join(' '), label, value]),
      ),
    }),
  };
}

function meaningSheet({ kind, name, owners, doc, facts }: ExplainedName): Sheet {
  const of = owners.length === 0 ? '' : ` of ${owners.join(', ')}`;
  return {
    title: `${name}: ${kind}${of}`,
    lines: [doc],
    keys: 2,
    columns: [
      { name: '', align: 'left' },
      { name: '', align: 'left' },
    ],
    rows: facts.map(({ label, value }) => [label, value]),
    notes: [],
  };
}
