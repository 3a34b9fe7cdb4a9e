/**
 * Stage 2 of 5.13 with cache maintenance in the table walkers, as 5.14 does: the abort handler leaves it to mm_ops, which is asked only where a leaf is really written
 * or becomes executable. One switch of the policy that the backend makes of its options.
 */
'use strict';
const { contributePatch } = require('@mmulab/api');
const { Stage2PolicyReader } = require('@mmulab/arm64');

exports.contribute = load =>
  contributePatch(load, { name: 'walker-cmo', of: 'arm64-stage2', doc: 'Cache maintenance moves from the abort handler into the walkers.' }, run => {
    run.onActivation(Stage2PolicyReader, (_context, read) => (options, host) => ({ ...read(options, host), walkerCmo: true }));
  });
