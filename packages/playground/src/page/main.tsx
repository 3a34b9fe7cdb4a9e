/**
 * Starts the page: takes the data out of it and draws it. Without a document (tests, workers) the engine is all there is.
 */
import { render } from 'preact';
import type { PageData } from '../page-data';
import { App } from './app';
import './engine';
import './style.css';

if (typeof document !== 'undefined') start();

function start(): void {
  const place = document.getElementById('app');
  if (place === null) return;
  const data = JSON.parse(document.getElementById('mmulab-data')?.textContent ?? '') as PageData;
  place.replaceChildren();
  render(<App data={data} />, place);
}
