/** What users test with: nodes and probes, the simulation of a cluster, and the contract of a transport. */
export * as Contract from "./Contract.ts"
export * as History from "./History.ts"
export * as Simulation from "./Simulation.ts"
export * as TestProbe from "./TestProbe.ts"
export * as TestSystem from "./TestSystem.ts"
