/**
 * Curves as a picture: small charts side by side, both axes logarithmic, so that what grows in proportion rises as the dotted line does.
 */
import type { MeasuredCurve } from './measure-curves';

const WIDTH = 300;
const HEIGHT = 220;
const COLUMNS = 3;
/** Top of the charts, unless something takes longer. */
const TEN_SECONDS = 10;
const DIGITS = '~g';
/** Room for an axis's name. */
const MARGIN = { marginLeft: 48, marginBottom: 48, marginTop: 28 };

/** The picture, as one SVG document. */
export async function drawCurves(curves: readonly MeasuredCurve[]): Promise<string> {
  /* eslint-disable no-restricted-syntax -- neither can be required, and no test draws */
  const { document } = (await import('linkedom')).parseHTML('<html><body></body></html>');
  const Plot = await import('@observablehq/plot');
  /* eslint-enable no-restricted-syntax */
  const charts = curves.map((curve, i) => {
    const first = curve.points[0];
    const last = curve.points[curve.points.length - 1];
    const most = Math.max(TEN_SECONDS, ...curve.points.map(point => point.cpuSeconds));
    // As far as the chart reaches.
    const end = Math.min(last.value, (most * first.value) / first.cpuSeconds);
    const proportional = [first, { value: end, cpuSeconds: (first.cpuSeconds * end) / first.value }];
    const chart = Plot.plot({
      document,
      width: WIDTH,
      height: HEIGHT,
      ...MARGIN,
      x: { type: 'log', label: curve.axis, ticks: 4, tickFormat: '~s' },
      y: { type: 'log', label: `${curve.name}: CPU seconds`, domain: [0.1, most], ticks: 3, tickFormat: DIGITS, grid: true },
      marks: [
        Plot.line(proportional, { x: 'value', y: 'cpuSeconds', stroke: '#999', strokeDasharray: '2 3' }),
        Plot.line(curve.points, { x: 'value', y: 'cpuSeconds', stroke: '#1f6feb', strokeWidth: 2 }),
        Plot.dot(curve.points, { x: 'value', y: 'cpuSeconds', fill: '#1f6feb', r: 2.5 }),
      ],
    });
    chart.setAttribute('x', `${(i % COLUMNS) * WIDTH}`);
    chart.setAttribute('y', `${Math.floor(i / COLUMNS) * HEIGHT}`);
    return chart.outerHTML;
  });
  const rows = Math.ceil(curves.length / COLUMNS);
  const size = `width="${COLUMNS * WIDTH}" height="${rows * HEIGHT}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} fill="black">\n<rect ${size} fill="white"/>\n${charts.join('\n')}\n</svg>\n`;
}
