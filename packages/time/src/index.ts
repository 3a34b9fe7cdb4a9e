/**
 * Counts to times. Reading order: models and hosts as data, solvers, predictions; then published tables, what they mean, and fitting a model to them.
 */
export { readModel } from './model';
export type { Model, Parameter } from './model';
export { otherHost, readHost, sameHost } from './host';
export type { Host, HostFacts } from './host';
export { SOLVERS, findSolver } from './solvers/solvers';
export type { Network, Solution, Solver } from './solvers/network';
export { independent, predict, priceOf, valuesOf } from './prediction';
export type { Covariance, Prediction, PriceRequest } from './prediction';
export { ModelFile } from './priced-model';
export { readTables } from './tables';
export type { Cell } from './tables';
export { meaningOf, readMapping } from './mapping';
export type { Mapped, Meaning } from './mapping';
export { calibratedText, isPinned, mechanismsOf, withoutMechanism } from './calibrated';
export { calibrate } from './calibrate';
export type { Figure, Fit } from './calibrate';
export { readSelection } from './selection';
export { judge } from './score';
export { MAPPING_FILE, TABLES_DIRECTORY, shippedModelFile, shippedModelNames } from './shipped';
