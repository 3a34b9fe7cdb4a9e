/**
 * What no kernel does: the legacy MMU leaves small pages alone when dirty logging stops, so that a VM that is logged again and again does not map its memory twice each time.
 */
'use strict';
const { contributePatch } = require('@mmulab/api');
const { ShadowRules, TreeRule } = require('@mmulab/x86');

class KeepSmall extends TreeRule {
  isCollapsible() {
    return false;
  }
}

exports.contribute = load =>
  contributePatch(load, { name: 'keep-small', of: 'x86-shadow', doc: 'Leaves stay small when dirty logging stops.' }, run => {
    run.onActivation(ShadowRules, (_context, rules) => ({ ...rules, tree: KeepSmall }));
  });
