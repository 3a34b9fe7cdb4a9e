import { LogSpan, PML_ENTRIES } from './log-span';
import { VcpuStates } from './vcpu-state';

/** A stretch that logs pages, with an exit after each number but the last. */
function stretch(...pages: readonly number[]): LogSpan {
  const span = new LogSpan();
  pages.forEach((count, i) => {
    span.log(count);
    if (i < pages.length - 1) span.exit();
  });
  return span;
}

describe('a stretch of a page-modification log', () => {
  it('overflows 2 times with 1,025 pages after an exit and leaves 1 entry', () => {
    const { head, inner, tail, exited } = stretch(3, 1025);
    expect({ head, inner, tail, exited }).toEqual({ head: 3, inner: 2, tail: 1, exited: true });
  });

  it('composes: 343 pairs of stretches put behind each other leave any log as they do page by page', () => {
    const sizes = [0, 1, 511, 512, 513, 1024, 1537];
    for (const a of sizes) {
      for (const b of sizes) {
        for (const c of sizes) {
          const whole = stretch(a, b);
          whole.then(stretch(c, a));
          const fill = (a * 7 + c) % (PML_ENTRIES + 1);
          const [lifted, single] = [new VcpuStates(1), new VcpuStates(1)];
          for (const states of [lifted, single]) states.pmlFill[0] = fill;
          lifted.appendLog(0, whole);
          [a, b + c, a].forEach((pages, i) => {
            if (i > 0) single.drain(0);
            for (let page = 0; page < pages; page++) single.logPage(0);
          });
          expect([lifted.pmlFill[0], lifted.pmlFulls[0]]).toEqual([single.pmlFill[0], single.pmlFulls[0]]);
        }
      }
    }
  });

  it('is plain after exits alone, and not empty', () => {
    const span = stretch(0, 0);
    expect([span.isPlain, span.isEmpty]).toEqual([true, false]);
  });
});
