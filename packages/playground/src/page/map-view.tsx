/**
 * Guest memory, a cell per page (or per stretch of pages), coloured by how it is mapped. The chosen cell is marked, cells that the last step changed are framed. Arrow keys move, Enter goes
 * into a stretch, Backspace out of it.
 */
import { formatSize } from '@mmulab/api';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Cell, type MemoryMap } from '../lab/memory-map';
import type { Session, Side } from '../lab/session';
import { cellColour, cellInWords, LEGEND, paletteOf, type Palette } from './colours';
import { hex } from './numbers';

const COLUMNS = 64;
/** A cell in pixels of the canvas. */
const SIZE = 8;
/** Cells changed by one step that are framed: more than this are seen anyway. */
const MAX_FRAMED = 64;
/** Cells of a stretch that is gone into. */
const ZOOM = 64;

export function MapView({ session, side, label }: { readonly session: Session; readonly side: Side; readonly label: string }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { map } = side;
  const rows = Math.ceil(map.cells.length / COLUMNS);
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, session, side);
  });
  const choose = (cell: number): void => {
    if (cell >= 0 && cell < map.cells.length) session.select(map.gfnOf(cell));
  };
  const selected = map.cellAt(session.selected);
  const onKey = (event: KeyboardEvent): void => {
    const moves: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS };
    const move = moves[event.key];
    if (move !== undefined) choose(selected + move);
    else if (event.key === 'Enter') zoomIn(session, side);
    else if (event.key === 'Backspace') zoomOut(session);
    else return;
    event.preventDefault();
  };
  const onClick = (event: MouseEvent): void => {
    const box = canvas.current?.getBoundingClientRect();
    if (box === undefined) return;
    const column = Math.floor(((event.clientX - box.left) / box.width) * COLUMNS);
    choose(Math.floor(((event.clientY - box.top) / box.height) * rows) * COLUMNS + column);
  };
  return (
    <div class="map">
      <canvas
        ref={canvas}
        width={COLUMNS * SIZE}
        height={rows * SIZE}
        tabIndex={0}
        role="application"
        aria-label={`Map of guest memory, ${label}: arrow keys choose a page, Enter goes into it, Backspace out`}
        onClick={onClick}
        onDblClick={() => zoomIn(session, side)}
        onKeyDown={onKey}
      />
      <p class="cell-text">
        <code>{hex(session.selected)}</code> {cellInWords(map.cells[selected] ?? 0)}
      </p>
    </div>
  );
}

/** What the window shows, and how to show more or less of it. */
export function WindowControls({ session }: { readonly session: Session }): JSX.Element {
  const [side] = session.sides;
  const pageBytes = side === undefined ? 4096 : side.lab.definition.machine(side.lab.run.host).pageSizeBytes;
  const { window } = session;
  const span = side?.map.span ?? 1;
  return (
    <div class="controls">
      <label>
        Memory{' '}
        <select value={String(window.slot)} onChange={event => showSlot(session, Number(event.currentTarget.value))}>
          {session.slots().map(({ slot, base, npages }) => (
            <option value={String(slot)} key={slot}>
              slot {slot}: {formatSize(npages * pageBytes)} from {hex(base)}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => side !== undefined && zoomIn(session, side)} disabled={span === 1}>
        Zoom in
      </button>
      <button type="button" onClick={() => zoomOut(session)} disabled={window.npages === session.slots()[window.slot]?.npages}>
        Zoom out
      </button>
      <span class="faint">
        {formatSize(window.npages * pageBytes)} shown,{' '}
        {span === 1 ? 'a cell is a page' : `a cell is ${formatSize(span * pageBytes)}, 8 pages of it looked at`}
      </span>
    </div>
  );
}

export function Legend(): JSX.Element {
  return (
    <ul class="legend">
      {LEGEND.map(({ cell, text }) => (
        <li key={text}>
          <span class={`swatch cell-${cell}`} aria-hidden="true" /> {text}
        </li>
      ))}
    </ul>
  );
}

function showSlot(session: Session, slot: number): void {
  const window = session.slots()[slot];
  if (window !== undefined) session.show(window);
}

function zoomIn(session: Session, { map }: Side): void {
  if (map.span === 1) return;
  const { slot } = session.window;
  const npages = Math.min(map.span * ZOOM, map.npages);
  const base = Math.max(map.base, map.gfnOf(map.cellAt(session.selected)) - Math.floor(npages / 2 / map.span) * map.span);
  session.show({ slot, base, npages: Math.min(npages, map.base + map.npages - base) });
}

function zoomOut(session: Session): void {
  const whole = session.slots()[session.window.slot];
  if (whole === undefined) return;
  const npages = Math.min(whole.npages, session.window.npages * ZOOM);
  const middle = session.window.base + Math.floor(session.window.npages / 2);
  const base = Math.min(Math.max(whole.base, middle - Math.floor(npages / 2)), whole.base + whole.npages - npages);
  session.show({ slot: whole.slot, base, npages });
}

/** What a canvas shows, so that only cells that differ from it are drawn. */
interface Drawn {
  readonly map: MemoryMap;
  readonly colours: string;
  readonly cells: Int32Array;
}

const drawnOn = new WeakMap<HTMLCanvasElement, Drawn>();

/** What is drawn of a cell beside its state. */
const Mark = { Differs: 1 << 16, Framed: 1 << 17, Selected: 1 << 18 } as const;

function draw(canvas: HTMLCanvasElement, session: Session, side: Side): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const palette = paletteOf(canvas);
  const colours = Object.values(palette).join();
  const wanted = markedCells(session, side);
  const before = drawnOn.get(canvas);
  const isFresh = before?.map !== side.map || before.colours !== colours;
  if (isFresh) {
    context.fillStyle = palette.line;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  for (let cell = 0; cell < wanted.length; cell++) {
    if (isFresh || before.cells[cell] !== wanted[cell]) drawCell(context, palette, cell, wanted[cell] ?? 0);
  }
  drawnOn.set(canvas, { map: side.map, colours, cells: wanted });
}

/** States of all cells, with the marks that go on top. */
function markedCells(session: Session, side: Side): Int32Array {
  const { cells } = side.map;
  const other = session.sides.find(one => one !== side)?.map.cells;
  const marked = Int32Array.from(cells, (cell, i) => (other !== undefined && other[i] !== cell ? cell | Mark.Differs : cell));
  if (side.changed.size <= MAX_FRAMED) for (const cell of side.changed) marked[cell] = (marked[cell] ?? 0) | Mark.Framed;
  const selected = side.map.cellAt(session.selected);
  if (selected >= 0) marked[selected] = (marked[selected] ?? 0) | Mark.Selected;
  return marked;
}

function drawCell(context: CanvasRenderingContext2D, palette: Palette, cell: number, state: number): void {
  const x = (cell % COLUMNS) * SIZE;
  const y = Math.floor(cell / COLUMNS) * SIZE;
  context.fillStyle = palette.line;
  context.fillRect(x, y, SIZE, SIZE);
  context.fillStyle = cellColour(state, palette);
  context.fillRect(x + 0.5, y + 0.5, SIZE - 1, SIZE - 1);
  if ((state & Cell.LevelMask) !== 0) drawRights(context, palette, x, y, state);
  if ((state & Cell.Special) !== 0) drawBar(context, palette, x, y);
  if ((state & Mark.Differs) !== 0) drawCorner(context, palette, x, y);
  if ((state & Mark.Framed) !== 0) frame(context, palette.ink, 1, x, y);
  if ((state & Mark.Selected) !== 0) frame(context, palette.focus, 2, x, y);
}

/** Not writable: the upper half is pale. Dirty: a dot. Pages that differ within a stretch: a line below. */
function drawRights(context: CanvasRenderingContext2D, palette: Palette, x: number, y: number, state: number): void {
  context.fillStyle = palette.paper;
  if ((state & Cell.Writable) === 0) context.fillRect(x + 1.5, y + 1.5, SIZE - 3, (SIZE - 3) / 2);
  else if ((state & Cell.Dirty) !== 0) context.fillRect(x + SIZE / 2 - 1, y + SIZE / 2 - 1, 2, 2);
  if ((state & Cell.Mixed) === 0) return;
  context.fillStyle = palette.ink;
  context.fillRect(x + 0.5, y + SIZE - 2, SIZE - 1, 1);
}

/** The entry is frozen, or marks MMIO. */
function drawBar(context: CanvasRenderingContext2D, palette: Palette, x: number, y: number): void {
  context.fillStyle = palette.ink;
  context.fillRect(x + 1.5, y + SIZE / 2 - 1, SIZE - 3, 2);
}

/** The cell is mapped otherwise in the other run. */
function drawCorner(context: CanvasRenderingContext2D, palette: Palette, x: number, y: number): void {
  context.fillStyle = palette.focus;
  context.beginPath();
  context.moveTo(x + SIZE - 0.5, y + 0.5);
  context.lineTo(x + SIZE - 0.5, y + 3.5);
  context.lineTo(x + SIZE - 3.5, y + 0.5);
  context.fill();
}

function frame(context: CanvasRenderingContext2D, colour: string, width: number, x: number, y: number): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(x + width / 2, y + width / 2, SIZE - width, SIZE - width);
}
