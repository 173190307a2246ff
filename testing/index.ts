/** What users test with: the contract of a transport. */
export * as Contract from "./Contract.ts"
export * as Simulation from "./Simulation.ts"
