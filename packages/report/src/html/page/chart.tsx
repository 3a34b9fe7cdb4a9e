/**
 * A chart of the page: drawn when it comes into view, anew when its place changes width, and saved as SVG.
 */
import { createContext, type JSX } from 'preact';
import { useContext, useEffect, useRef } from 'preact/hooks';
import { PALETTE, seriesOf, type ChartSpec } from '../chart-spec';
import { copyText, saveText } from './clipboard';

/** Draws a chart as wide as asked; the page is given one (draw.ts), so that components are tested without. */
export type Draw = (spec: ChartSpec, widthPx: number) => Element;

export const DrawContext = createContext<Draw | undefined>(undefined);

/** A chart under its title. */
export function Chart({ spec }: { readonly spec: ChartSpec }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const drawChart = useContext(DrawContext);
  useEffect(() => {
    const element = place.current;
    if (element === null || drawChart === undefined) return undefined;
    let widthPx = 0;
    const observer = new ResizeObserver(() => {
      const next = Math.floor(element.clientWidth);
      if (next === widthPx || next === 0) return;
      widthPx = next;
      element.replaceChildren(drawChart(spec, widthPx));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [spec, drawChart]);
  const svg = (): string => svgText(place.current, seriesOf(spec));
  return (
    <figure>
      <figcaption>{spec.title}</figcaption>
      <Legend names={seriesOf(spec)} />
      <div class="chart" ref={place} />
      <p class="sr-only">{spec.description}</p>
      <p class="buttons">
        <button type="button" onClick={() => void copyText(svg())}>
          Copy SVG<span class="sr-only"> of {spec.title}</span>
        </button>
        <button type="button" onClick={() => saveText(fileName(spec.title), 'image/svg+xml', svg())}>
          Save SVG<span class="sr-only"> of {spec.title}</span>
        </button>
      </p>
    </figure>
  );
}

function fileName(title: string): string {
  return `${(title.toLowerCase().match(/[a-z0-9]+/g) ?? ['chart']).join('-').slice(0, 60)}.svg`;
}

/** Which colour is which; a single series needs no telling. */
function Legend({ names }: { readonly names: readonly string[] }): JSX.Element | undefined {
  if (names.length < 2) return undefined;
  return (
    <ul class="legend" aria-label="Colours">
      {names.map((name, at) => (
        <li>
          <span class="swatch" style={{ background: colourOf(at) }} />
          {name}
        </li>
      ))}
    </ul>
  );
}

function colourOf(at: number): string {
  return PALETTE[at % PALETTE.length] ?? 'currentColor';
}

/** Height of a line of the legend in a saved chart. */
const LEGEND_PX = 18;

/** The drawing as a document of its own, its legend below it. */
function svgText(place: HTMLElement | null, names: readonly string[]): string {
  const drawing = place?.querySelector('svg');
  if (drawing === null || drawing === undefined) return '';
  const copy = drawing.cloneNode(true) as SVGElement;
  const [width, height] = [Number(copy.getAttribute('width')), Number(copy.getAttribute('height'))];
  const total = height + (names.length < 2 ? 0 : names.length * LEGEND_PX + 8);
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('height', String(total));
  copy.setAttribute('viewBox', `0 0 ${width} ${total}`);
  copy.setAttribute('style', 'color: #1c2024; background: #ffffff; font-family: system-ui, sans-serif');
  if (names.length > 1) names.forEach((name, at) => copy.append(...legendLine(name, at, height + LEGEND_PX * (at + 1) - 4)));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
}

function legendLine(name: string, at: number, y: number): readonly Element[] {
  const make = (tag: string, attributes: Readonly<Record<string, string | number>>): Element => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    return element;
  };
  const text = make('text', { x: 26, y, fill: 'currentColor' });
  text.textContent = name;
  return [make('rect', { x: 10, y: y - 10, width: 11, height: 11, fill: colourOf(at) }), text];
}
