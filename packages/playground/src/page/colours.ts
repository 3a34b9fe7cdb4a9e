/**
 * Colours of the map. Level decides the hue; writable, dirty and mixed are drawn on top, so that nothing hangs on colour alone.
 */
import { Cell } from '../lab/memory-map';

/** Colours of the theme in force. */
export interface Palette {
  readonly paper: string;
  readonly ink: string;
  readonly line: string;
  readonly focus: string;
  readonly absent: string;
  readonly levels: readonly string[];
  readonly unreadable: string;
  readonly special: string;
}

/** Custom properties of the style sheet, read from an element. */
export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    paper: colour('--paper'),
    ink: colour('--ink'),
    line: colour('--line'),
    focus: colour('--focus'),
    absent: colour('--absent'),
    levels: [colour('--absent'), colour('--level-1'), colour('--level-2'), colour('--level-3')],
    unreadable: colour('--unreadable'),
    special: colour('--special'),
  };
}

/** The colour of a cell. */
export function cellColour(state: number, palette: Palette): string {
  if ((state & Cell.Special) !== 0) return palette.special;
  if ((state & Cell.Unreadable) !== 0) return palette.unreadable;
  return palette.levels[Math.min(3, state & Cell.LevelMask)] ?? palette.absent;
}

/** What a cell says, in words. */
export function cellInWords(state: number): string {
  const level = state & Cell.LevelMask;
  if ((state & Cell.Special) !== 0) return 'is not mapped: its entry is frozen by a walker, or marks MMIO.';
  if (level === 0) return 'is not mapped.';
  const says = [
    `is mapped at level ${level}`,
    (state & Cell.Writable) === 0 ? 'write-protected' : 'writable',
    (state & Cell.Executable) === 0 ? 'not executable' : 'executable',
    ...((state & Cell.Accessed) === 0 ? [] : ['accessed']),
    ...((state & Cell.Dirty) === 0 ? [] : ['dirty']),
    ...((state & Cell.Unreadable) === 0 ? [] : ['access-tracked: no access passes']),
    ...((state & Cell.Mixed) === 0 ? [] : ['other pages of the stretch differ']),
  ];
  return `${says.join(', ')}.`;
}

/** What the map's colours and marks mean. */
export const LEGEND: readonly { readonly cell: string; readonly text: string }[] = [
  { cell: 'absent', text: 'not mapped' },
  { cell: 'special', text: 'frozen or MMIO: a bar' },
  { cell: '1', text: 'level 1: a page' },
  { cell: '2', text: 'level 2: 2 MiB' },
  { cell: '3', text: 'level 3: 1 GiB' },
  { cell: 'protected', text: 'write-protected: upper half pale' },
  { cell: 'dirty', text: 'dirty: a dot' },
  { cell: 'unreadable', text: 'access-tracked' },
];
