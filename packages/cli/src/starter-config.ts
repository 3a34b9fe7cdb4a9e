/**
 * The config that `mmulab init` writes: it runs as it stands, and its comments say what else there is.
 */

/** YAML. A test holds it against the schema and runs it. */
export const STARTER_CONFIG = `# yaml-language-server: $schema=./node_modules/@mmulab/cli/schema/config.v1.json
#
# mmulab run FILE       runs it and prints what was counted
# mmulab compare FILE   puts the runs of its matrix side by side
# mmulab validate FILE  checks it
# mmulab explain NAME   says what an option or a counter is
# Sizes take K, M, G and T; every value can be changed from the command line: --set bytes=1G

name: Writing to a dirty-logged VM, zap or split

# The second-stage MMU and the kernel whose behaviour it has (mmulab list backends, mmulab list profiles).
backend:
  name: x86-tdp
  kernel: 6.1.192
  # Policy switches and module parameters that differ from the kernel's own.
  options:
    eager_page_split: N

# The host machine.
host:
  vendor: intel

# A KVM selftest and its options (mmulab list workloads). A command line of the test does as well:
# workload: dirty_log_perf_test -v 2 -b 16M -s anonymous_hugetlb_2mb -g -f 20
workload: dirty_log_perf_test -v 2 -b 16M -s anonymous_hugetlb_2mb -g -f 20

# One run per combination of these values; under \`zip:\` lists are taken in step instead.
vary:
  backend.options.huge_page_fault: [zap, split]

# What must hold, or mmulab ends with 1.
thresholds:
  phases.dirty_1.counters.page_fault: '<= 8192'

seed: 1
`;
