/**
 * The TDP MMU of 6.1 splits a huge page on a fault instead of zapping it, as 6.2 does: what a fault does to one entry, a huge leaf above the level it wants.
 */
'use strict';
const { contributePatch } = require('@mmulab/api');
const { TdpMapRule, TdpRules } = require('@mmulab/x86');

class SplitOnFault extends TdpMapRule {
  /** Who loses the race for the split gives its table back. */
  splitsHugePages = true;

  onHugeLeaf(at, op) {
    return this.split(at, op);
  }
}

exports.contribute = load =>
  contributePatch(load, { name: 'split-on-fault', of: 'x86-tdp', doc: 'A fault splits the huge page it finds, instead of zapping it.' }, run => {
    run.onActivation(TdpRules, (_context, rules) => ({ ...rules, map: SplitOnFault }));
  });
