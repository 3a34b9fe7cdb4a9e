/**
 * Four patches, one file each. A run has those it names:
 *
 *   npx mmulab compare --plugin ./examples/patches --kernel 6.1 --set nx_huge_pages=Y --vary patch=none,split-on-fault \
 *     -- execute_perf_test -s anonymous_hugetlb_1gb -b 1G
 */
'use strict';
const { ContainerModule } = require('inversify');

exports.default = new ContainerModule(load => {
  require('./split-on-fault').contribute(load);
  require('./walker-cmo').contribute(load);
  require('./split-to-2m').contribute(load);
  require('./keep-small').contribute(load);
});
