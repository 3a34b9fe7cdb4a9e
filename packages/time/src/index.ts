/**
 * Counts to times. Reading order: models and hosts as data, solvers, predictions; then published tables, what they mean, and fitting a model to them.
 */
export { readModel } from './model';
export type { Model, Parameter } from './model';
export { FACTORS, otherHost, readHost, sameHost } from './host';
export type { Factor, Host, HostFactor, HostFacts } from './host';
export { SOLVERS } from './solvers/solvers';
export { predict, priceOf } from './prediction';
export type { Belief, Covariance, Prediction, PriceRequest, PricedWork } from './prediction';
export { beliefOf, conditioned, factorName, withHost } from './belief';
export type { Observation } from './belief';
export { carriedWork } from './carried';
export type { CarriedWork } from './carried';
export { meanWork, repeatedWork, spreadOf } from './seeds';
export { explainTime } from './explanation';
export type { ExplainedCost, ExplainedCount, ExplainedTerm, Explanation } from './explanation';
export { archOf, isModelFile, ModelFile, namedMachine, unknownHost } from './priced-model';
export { readTables } from './tables';
export type { Cell } from './tables';
export { meaningOf, readMapping } from './mapping';
export type { Mapped, Meaning } from './mapping';
export { calibratedText, isPinned, machineText, mechanismsOf, withoutMechanism } from './calibrated';
export { calibrate } from './calibrate';
export type { Fit } from './calibrate';
export type { Figure } from './unknowns';
export { readSelection } from './selection';
export { judge } from './score';
export { MAPPING_FILE, TABLES_DIRECTORY, shippedHostFile, shippedModelFile, shippedModelNames } from './shipped';
