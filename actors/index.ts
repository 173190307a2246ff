/** Patterns built on the public API, and on nothing else. */
export * as Balancer from "./Balancer.ts"
export * as Client from "./Client.ts"
export { Heap } from "./Heap.ts"
export * as Pool from "./Pool.ts"
export * as Task from "./Task.ts"
export * as Worker from "./Worker.ts"
