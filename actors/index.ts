/** Patterns built on the public API, and on nothing else. */
export * as Balancer from "./Balancer.ts"
export * as Worker from "./Worker.ts"
