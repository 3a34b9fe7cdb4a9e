/**
 * docs/events.md: every counter of every installed backend.
 */
import { COUNTER_GROUPS, listEvents, type Sheet } from '@mmulab/report';
import type { Registry } from '@mmulab/runner';
import { renderPage } from './page';

const INTRODUCTION = [
  'What a run counts, per phase and per vCPU. Kernel statistics keep their kernel names; trace events and function counts have plain ones.',
  'Every counter of the backend stands in every phase of a result, zero included. A gauge holds the value at the end of a phase, everything else what happened in it.',
];

const WORK = [
  'How much there was to do, and under which lock, which the counters above do not tell: cost models price it. Every backend counts it.',
  'JSON and CSV always have these counters; tables, comparisons and pages show them with --counters work, by their names, or with --all.',
];

/** The page as Markdown. */
export function eventsPage(registry: Registry): string {
  const events = listEvents(registry.backends());
  const results = eventsSheet(
    '',
    [],
    events.filter(({ group }) => group === undefined),
  );
  const work = eventsSheet(
    'Work',
    WORK,
    events.filter(({ group }) => group === 'work'),
  );
  return renderPage('Counters', INTRODUCTION, [results, work, groupsSheet()]);
}

function eventsSheet(title: string, lines: readonly string[], events: ReturnType<typeof listEvents>): Sheet {
  return {
    title,
    lines,
    keys: 1,
    columns: ['counter', 'unit', 'backends', 'what is counted'].map(name => ({ name, align: 'left' })),
    rows: events.map(({ name, unit, gauge, backends, doc }) => [
      { value: name, tone: 'code' },
      gauge ? `${unit}, gauge` : unit,
      backends.join(', '),
      doc,
    ]),
    notes: [],
  };
}

function groupsSheet(): Sheet {
  return {
    title: 'What a comparison folds',
    lines: [
      'Some counters tell one story in several ways. A comparison shows the first that differs, and folds under it those of its group that rise, fall and stay in the same runs; --all and --counters show every one.',
    ],
    keys: 1,
    columns: ['story', 'shown', 'folded under it'].map(name => ({ name, align: 'left' })),
    rows: COUNTER_GROUPS.map(({ lead, about, also }) => [about, { value: lead, tone: 'code' }, { value: also.join(' '), tone: 'code' }]),
    notes: [],
  };
}
