/**
 * One HTML file that needs nothing else: script and style of a bundled page (assets/NAME.js, assets/NAME.css; built by `npm run build:pages`) and its data, inlined. A
 * content policy in the page forbids every request, so that what opens from disk today opens in ten years.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the bundled pages lie, seen from this file built or unbuilt. */
const ASSETS = join(__dirname, '..', '..', 'assets');

/** A page to be written. */
export interface PageRequest {
  readonly title: string;
  /** Name of the bundle: `report`. */
  readonly asset: string;
  /** Directory of the bundle, when it is another package's. */
  readonly assets?: string;
  /** What the page finds in the element `mmulab-data`, as JSON. */
  readonly data: unknown;
}

/** The page as text. */
export function htmlPage({ title, asset, assets = ASSETS, data }: PageRequest): string {
  const [script, style] = ['js', 'css'].map(ending => readFileSync(join(assets, `${asset}.${ending}`), 'utf8'));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<link rel="icon" href="data:,">
<style>${style ?? ''}</style>
</head>
<body>
<div id="app"><main><h1>${escapeText(title)}</h1><noscript><p>This page draws itself: it needs JavaScript, and nothing from the network.</p></noscript></main></div>
<script type="application/json" id="mmulab-data">${jsonForScript(data)}</script>
<script>${(script ?? '').replaceAll('</script', '<\\/script')}</script>
</body>
</html>
`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** JSON that no browser takes for the end of the script it stands in. */
function jsonForScript(data: unknown): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
