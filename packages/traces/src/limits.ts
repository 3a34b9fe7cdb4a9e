/** vCPUs a replayed VM may have. */
export const MAX_VCPUS = 1024;
