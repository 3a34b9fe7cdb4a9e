/**
 * Starts a report page: takes the data out of the page and draws it.
 */
import { render } from 'preact';
import type { ReportData } from '../report-data';
import { DrawContext } from './chart';
import { documentCounters } from './counter-doc';
import { draw } from './draw';
import { ReportPage } from './report-page';
import './style.css';

const data = JSON.parse(document.getElementById('mmulab-data')?.textContent ?? '') as ReportData;
const place = document.getElementById('app');
if (place !== null) {
  documentCounters(data.counters);
  place.replaceChildren();
  render(
    <DrawContext.Provider value={draw}>
      <ReportPage data={data} />
    </DrawContext.Provider>,
    place,
  );
}
