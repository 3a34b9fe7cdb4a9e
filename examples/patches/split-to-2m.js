/**
 * What no kernel does: with the iTLB workaround, a 1 GiB page that is executed from is split down to 2 MiB only, and the 2 MiB page is made executable.
 */
'use strict';
const { Effect, makeVerdict } = require('@mmulab/api');
const { contributePatch } = require('@mmulab/api');
const { RetPf, TdpAction, TdpMapRule, TdpRules } = require('@mmulab/x86');

const GIB = 3;

class SplitTo2M extends TdpMapRule {
  visit(at, op) {
    const isEnough = at.level === 2 && op.hugePageDisallowed && op.reqLevel === GIB;
    if (!isEnough) return super.visit(at, op);
    // What a small leaf may do, at 2 MiB.
    const attr = this.spte.leaf(1, op.hostWritable, true);
    return makeVerdict(TdpAction.Map, attr, 0, Effect.Final | (op.logged ? Effect.MarkDirty : Effect.None), RetPf.Fixed);
  }
}

exports.contribute = load =>
  contributePatch(load, { name: 'split-to-2m', of: 'x86-tdp', doc: 'An executed 1 GiB page is split down to 2 MiB, not to 4 KiB.' }, run => {
    run.onActivation(TdpRules, (_context, rules) => ({ ...rules, map: SplitTo2M }));
  });
