/**
 * What a balancer knows, and what it decides: which task goes to which worker, when, and what becomes of it.
 *
 * Plain state and synchronous decisions; the actor around it is `Balancer`. A worker offers slots, and a slot takes one task
 * at a time: its free slots are the worker's credit. Workers with credit stand in an indexed heap by (load by weight, least
 * recently used); to choose one and to reserve its slot is one step. What finds no free slot waits here, by (priority,
 * arrival), where it can still be cancelled, expire, and be kept in the order of its key.
 *
 * Its invariant, after every step: the loads of all workers add up to the tasks that run, and a slot has one task or none.
 * A dispatch is an ask of the slot, so its end is heard exactly once; the load is taken back in one place.
 *
 * Asking a slot, or answering a client, may run them at once, inside the call, and they may come back here with the next
 * task. So each step first puts everything in order and then calls, and only the outermost call gives out tasks.
 */
import type { Exit } from "effect"
import { ActorError, type ActorRef, type ReplyTo } from "../core/index.ts"
import { Heap } from "./Heap.ts"
import { type Event, errorOf, type Kind, type Run, type Status, type Submit, type WorkerRef } from "./Messages.ts"

/** What happens to a task for which there is no room. */
export type Overflow = "reject" | "dropOldest" | "backpressure"

export interface Settings {
  /** The balancer's path, for errors. */
  readonly path: string
  readonly capacity: number
  readonly overflow: Overflow
  /** How often an idempotent task is started, the first time included. */
  readonly attempts: number
  readonly patienceMillis: number
}

/** What the dispatcher needs of its actor. */
export interface Surroundings {
  readonly now: () => number
  /** Asks for a `tick` at this time, ms. */
  readonly wakeAt: (millis: number) => void
  /** Asks for a `tick` when others have had their turn. */
  readonly yield: () => void
  /** Asks a slot's worker whether it has its task in hand, for `answered`. */
  readonly probe: (slot: Slot) => void
  /** Whether anybody reads the events. */
  readonly observed: () => boolean
  readonly emit: (event: Event) => void
}

/** How a task ends, as its balancer knows it. */
type Ending = Extract<Event, { readonly _tag: "TaskEnded" }>["ending"]

interface Member {
  /** Its entry in the heap. */
  readonly entry: number
  readonly ref: WorkerRef
  readonly name: string
  readonly node: string
  readonly weight: number
  readonly slots: Set<Slot>
  /** The slots that take a task now. */
  readonly free: Array<Slot>
  load: number
  dispatched: number
  lastUsed: number
}

type Ask = (run: Run, onExit: (exit: Exit.Exit<unknown, unknown>) => void, options: object) => () => void

/** `suspect`: its task was settled without its word; `down`: it restarts, or takes nothing any more. */
type SlotState = "free" | "busy" | "suspect" | "down" | "gone"

export interface Slot {
  /** Its place in its worker. */
  readonly index: number
  readonly member: Member
  readonly ref: ActorRef.ActorRef<any>
  readonly ask: Readonly<Record<string, Ask>>
  readonly onExit: (exit: Exit.Exit<unknown, unknown>) => void
  state: SlotState
  task: Task | undefined
  ticket: number
  /** Whether the end of its last dispatch is still to be heard. */
  asked: boolean
  /** Takes that dispatch back, or interrupts it. */
  cancel: (() => void) | undefined
  /** Whether it has ended. */
  leaving: boolean
  /** The sweep during which its task was last known to be in hand. */
  sweep: number
}

/** `held`: another task of its key goes first; `outside`: it waits for room, and nobody else of its key goes first. */
type TaskState = "new" | "ready" | "held" | "outside" | "running" | "ended"

class Task {
  readonly kind: Kind
  readonly submit: Submit
  readonly sequence: number
  readonly priority: number
  /** When its client stops waiting, ms; Infinity for never. */
  readonly expiresAt: number
  /** When it is too late to start it. */
  readonly startsBy: number
  replyTo: ReplyTo.ReplyTo<any>
  state: TaskState = "new"
  attempt = 1
  /** How an earlier attempt failed, which may have run. */
  suspicion: ActorError.UnknownReason | undefined = undefined
  /** Its entry in the heaps; -1 while it is in none. */
  entry = -1
  slot: Slot | undefined = undefined
  /** The row in which it stands, and its neighbours there. */
  row: Row | undefined = undefined
  before: Task | undefined = undefined
  after: Task | undefined = undefined
  /** Whether it takes none of the room while it is held. */
  isGuest = false
  /** Nobody waits for it any more. */
  abandoned = false

  constructor(
    kind: Kind,
    submit: Submit,
    replyTo: ReplyTo.ReplyTo<any>,
    sequence: number,
    expiresAt: number,
    startsBy: number
  ) {
    this.kind = kind
    this.submit = submit
    this.replyTo = replyTo
    this.sequence = sequence
    this.priority = submit.priority ?? 0
    this.expiresAt = expiresAt
    this.startsBy = startsBy
  }

  get id(): string {
    return this.submit.id ?? String(this.sequence)
  }
}

/** Tasks in a row, from which any can be taken out. */
class Row {
  #first: Task | undefined
  #last: Task | undefined

  get head(): Task | undefined {
    return this.#first
  }

  add(task: Task): void {
    task.row = this
    task.before = this.#last
    if (this.#last === undefined) this.#first = task
    else this.#last.after = task
    this.#last = task
  }

  remove(task: Task): void {
    if (task.before === undefined) this.#first = task.after
    else task.before.after = task.after
    if (task.after === undefined) this.#last = task.before
    else task.after.before = task.before
    task.row = undefined
    task.before = undefined
    task.after = undefined
  }

  get all(): ReadonlyArray<Task> {
    const all: Array<Task> = []
    for (let task = this.#first; task !== undefined; task = task.after) all.push(task)
    return all
  }
}

/** How many tasks are given out before others have their turn. */
const batch = 256

/** How late the news of an expiry may come: a timer's lateness, and a turn. */
const marginMillis = 20
/** A task that has not started so long before its client stops waiting is not started: the client is to learn it in time. */
const marginOf = (deadlineMillis: number) => Math.min(marginMillis, deadlineMillis / 10)

/** The balancer sees to it that a dispatch ends. */
const forever = { deadline: Number.POSITIVE_INFINITY }

export class Dispatcher {
  readonly #counters = {
    accepted: 0,
    completed: 0,
    crashed: 0,
    cancelled: 0,
    lost: 0,
    expired: 0,
    shed: 0,
    refused: 0,
    rejected: 0,
    redispatched: 0,
    stale: 0
  }
  readonly #settings: Settings
  readonly #around: Surroundings
  // Workers.
  readonly #members = new Map<string, Member>()
  readonly #byEntry: Array<Member> = []
  readonly #freeEntries: Array<number> = []
  /** The workers with a free slot. */
  readonly #workers = new Heap()
  readonly #slots = new Map<string, Slot>()
  #freeSlots = 0
  #uses = 0
  #sweeps = 0
  /** Since when there is no worker, ms; undefined while there is one. */
  #aloneSince: number | undefined
  // Tasks.
  /** What may start, the next on top. */
  readonly #ready = new Heap()
  /** What waits, the first to be dropped on top; only where the oldest is. */
  readonly #droppable = new Heap()
  /** What has a deadline, the next to pass on top. */
  readonly #due = new Heap()
  /** The tasks in a heap, by entry. */
  readonly #tasks: Array<Task | undefined> = []
  readonly #freeTasks: Array<number> = []
  /** The tasks that wait for another of their key. */
  readonly #keys = new Map<string, Row>()
  /** The tasks that wait for room. */
  readonly #outside = new Row()
  #waiting = 0
  #queued = 0
  #running = 0
  #sequence = 0
  #tickets = 0
  #pumping = false

  constructor(settings: Settings, around: Surroundings) {
    this.#settings = settings
    this.#around = around
    this.#alone()
  }

  // ----- Tasks -----

  /** Takes a task, or refuses it: either is told to its reply address. */
  submit(kind: Kind, submit: Submit, replyTo: ReplyTo.ReplyTo<any>): void {
    const millis = replyTo.remainingMillis
    const expiresAt = millis === Number.POSITIVE_INFINITY ? millis : this.#around.now() + millis
    const task = new Task(kind, submit, replyTo, ++this.#sequence, expiresAt, expiresAt - marginOf(millis))
    if (this.#isForsaken()) {
      this.#counters.rejected += 1
      replyTo.refuseUnsafe(this.#noRoute())
      return
    }
    this.#counters.accepted += 1
    replyTo.onAbandoned(() => this.#abandon(task))
    const { key } = submit
    const row = key === undefined ? undefined : this.#keys.get(key)
    const { capacity, overflow } = this.#settings
    // One that can start at once takes no room.
    const isFull = this.#queued >= capacity && !(row === undefined && this.#canStart)
    if (isFull && overflow === "reject") {
      this.#counters.accepted -= 1
      this.#counters.rejected += 1
      this.#close(task)
      replyTo.refuseUnsafe(this.#shed(task))
      return
    }
    this.#setDue(task, task.startsBy)
    if (row !== undefined) {
      task.state = "held"
      task.isGuest = isFull && overflow === "backpressure"
      if (task.isGuest) this.#waiting += 1
      else this.#queue(task)
      row.add(task)
    } else {
      if (key !== undefined) this.#keys.set(key, new Row())
      this.#place(task)
    }
    if (isFull && overflow === "dropOldest") this.#dropOldest()
    this.#pump()
  }

  /** Whether a slot is free for one more task. */
  get #canStart(): boolean {
    return this.#ready.size < this.#freeSlots
  }

  /** Puts a task in line that no other of its key goes before: here, or outside behind those that are there. */
  #place(task: Task): void {
    const isFull = this.#queued >= this.#settings.capacity && !this.#canStart
    if (this.#settings.overflow === "backpressure" && (isFull || this.#outside.head !== undefined)) {
      task.state = "outside"
      this.#waiting += 1
      this.#outside.add(task)
    } else {
      this.#queue(task)
      this.#makeReady(task)
    }
  }

  /** Gives a task room here. */
  #queue(task: Task): void {
    this.#queued += 1
    this.#noteDroppable(task)
  }

  #noteDroppable(task: Task): void {
    if (this.#settings.overflow !== "dropOldest") return
    this.#droppable.set(this.#entryOf(task), task.priority, task.sequence)
  }

  #dropOldest(): void {
    const oldest = this.#tasks[this.#droppable.top]!
    this.#refuse(oldest, "shed", this.#shed(oldest))
  }

  #makeReady(task: Task): void {
    task.state = "ready"
    this.#ready.set(this.#entryOf(task), -task.priority, task.sequence)
  }

  /** Gives what waits to whoever is free. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    for (let left = batch; ; left--) {
      if (this.#ready.size > 0 && this.#workers.size > 0) {
        if (left === 0) {
          this.#around.yield()
          break
        }
        const task = this.#tasks[this.#ready.top]!
        this.#unqueue(task)
        this.#start(task)
      } else {
        const { head } = this.#outside
        if (head === undefined || (this.#queued >= this.#settings.capacity && !this.#canStart)) break
        this.#outside.remove(head)
        this.#waiting -= 1
        this.#queue(head)
        this.#makeReady(head)
      }
    }
    this.#pumping = false
  }

  /** Takes a task out of what waits here. */
  #unqueue(task: Task): void {
    this.#queued -= 1
    if (task.entry < 0) return
    this.#ready.remove(task.entry)
    this.#droppable.remove(task.entry)
  }

  /** Chooses the least loaded worker, reserves a slot of it, and asks it to run the task. There is one that is free. */
  #start(task: Task): void {
    task.state = "running"
    if (task.expiresAt === Number.POSITIVE_INFINITY) this.#giveUpEntry(task)
    else if (this.#around.now() < task.startsBy) this.#setDue(task, task.expiresAt)
    else {
      this.#expire(task)
      return
    }
    const member = this.#byEntry[this.#workers.top]!
    const slot = member.free.pop()!
    this.#freeSlots -= 1
    const ticket = ++this.#tickets
    member.load += 1
    member.dispatched += 1
    member.lastUsed = ++this.#uses
    this.#running += 1
    this.#stand(member)
    slot.state = "busy"
    slot.task = task
    slot.ticket = ticket
    slot.asked = true
    slot.sweep = this.#sweeps
    task.slot = slot
    const { attempt, kind, replyTo } = task
    const { id, payload, trace } = task.submit
    const run: Run = { ticket, number: task.sequence, attempt, replyTo, payload }
    if (id !== undefined) run.id = id
    if (trace !== undefined) run.trace = trace
    if (this.#around.observed()) {
      this.#around.emit({ _tag: "TaskStarted", id: task.id, task: kind.tag, attempt, worker: member.name })
    }
    slot.cancel = undefined
    const cancel = slot.ask[kind.tag]!(run, slot.onExit, forever)
    if (slot.task !== task) return
    slot.cancel = cancel
    if (task.abandoned) this.#cancel(slot)
  }

  /** Puts a task back to where it was in line. */
  #requeue(task: Task): void {
    task.slot = undefined
    this.#setDue(task, task.startsBy)
    this.#queue(task)
    this.#makeReady(task)
  }

  /** A dispatch has failed: the task goes to another worker, or its client learns why not. */
  #failed(task: Task, ending: Ending, reason: ActorError.UnknownReason): void {
    if (task.abandoned) this.#end(task, "cancelled")
    else if ((task.submit.idempotent ?? task.kind.idempotent) && task.attempt < this.#settings.attempts) {
      task.attempt += 1
      task.suspicion = reason
      task.replyTo = task.replyTo.supersede()
      this.#counters.redispatched += 1
      this.#requeue(task)
    } else {
      this.#end(task, ending)
      task.replyTo.loseUnsafe(reason)
    }
  }

  /** Its client has left: what waits is taken out, what runs is interrupted. */
  #abandon(task: Task): void {
    if (task.state === "ended") return
    if (task.state === "running") this.#interrupt(task)
    else {
      this.#end(task, "cancelled")
      this.#pump()
    }
  }

  #interrupt(task: Task): void {
    if (task.abandoned) return
    task.abandoned = true
    const { slot } = task
    if (slot?.cancel !== undefined) this.#cancel(slot)
  }

  /** Has a slot leave its task. Its load, and the task's key, are kept until it says that it has. */
  #cancel(slot: Slot): void {
    slot.asked = false
    slot.cancel!()
    if (slot.leaving) {
      this.#remove(slot)
      this.#pump()
      // It says so by itself, unless it had not begun.
    } else this.#around.probe(slot)
  }

  /** A slot has left the task that it was to leave. */
  #left(slot: Slot): void {
    const task = slot.task!
    this.#release(slot)
    this.#end(task, "cancelled")
  }

  #expire(task: Task): void {
    this.#refuse(task, "expired", new ActorError.Expired({ to: this.#settings.path, tag: task.kind.tag }))
  }

  /** A task is not started, or not again: then it may have run before. */
  #refuse(task: Task, ending: Ending, reason: ActorError.NotExecutedReason): void {
    this.#end(task, ending)
    if (task.suspicion === undefined) task.replyTo.refuseUnsafe(reason)
    else task.replyTo.loseUnsafe(task.suspicion)
  }

  /** A task has come to its end. */
  #end(task: Task, ending: Ending): void {
    const { state } = task
    const { key } = task.submit
    if (state === "outside" || task.isGuest) this.#waiting -= 1
    else if (state !== "running") this.#unqueue(task)
    this.#counters[ending] += 1
    this.#close(task)
    if (key !== undefined && state !== "held") this.#passOn(key)
    if (this.#around.observed()) {
      this.#around.emit({ _tag: "TaskEnded", id: task.id, task: task.kind.tag, ending })
    }
  }

  /** The next task of a key may start. */
  #passOn(key: string): void {
    const row = this.#keys.get(key)!
    const next = row.head
    if (next === undefined) {
      this.#keys.delete(key)
      return
    }
    row.remove(next)
    if (next.isGuest) {
      next.isGuest = false
      this.#waiting -= 1
      this.#place(next)
    } else this.#makeReady(next)
  }

  #close(task: Task): void {
    task.state = "ended"
    task.slot = undefined
    task.isGuest = false
    task.row?.remove(task)
    task.replyTo.forget()
    this.#giveUpEntry(task)
  }

  #entryOf(task: Task): number {
    if (task.entry < 0) {
      task.entry = this.#freeTasks.pop() ?? this.#tasks.length
      this.#tasks[task.entry] = task
    }
    return task.entry
  }

  #giveUpEntry(task: Task): void {
    const { entry } = task
    if (entry < 0) return
    this.#due.remove(entry)
    this.#tasks[entry] = undefined
    this.#freeTasks.push(entry)
    task.entry = -1
  }

  #setDue(task: Task, at: number): void {
    if (task.expiresAt === Number.POSITIVE_INFINITY) return
    this.#due.set(this.#entryOf(task), at, task.sequence)
    this.#around.wakeAt(at)
  }

  #shed({ kind: { tag } }: Task): ActorError.NotExecutedReason {
    return new ActorError.Shed({ to: this.#settings.path, tag, policy: this.#settings.overflow })
  }

  // ----- Slots -----

  /** A slot offers itself. Answers it if it was not known. One that still has another balancer's task is taken for a suspect. */
  join(offer: {
    readonly worker: WorkerRef
    readonly node: string
    readonly weight: number
    readonly index: number
    readonly slot: ActorRef.ActorRef<any>
    readonly ticket: number
    readonly busy: boolean
  }): Slot | undefined {
    const text = String(offer.slot)
    const known = this.#slots.get(text)
    if (known !== undefined) {
      if (!offer.busy) this.#offered(known)
      this.#pump()
      return undefined
    }
    const slot: Slot = {
      index: offer.index,
      member: this.#memberOf(offer),
      ref: offer.slot,
      ask: offer.slot.askUnsafe as never,
      onExit: (exit) => this.#ended(slot, exit),
      state: "down",
      task: undefined,
      ticket: offer.ticket,
      asked: false,
      cancel: undefined,
      leaving: false,
      sweep: 0
    }
    slot.member.slots.add(slot)
    this.#slots.set(text, slot)
    if (offer.busy) slot.state = "suspect"
    else this.#free(slot)
    this.#pump()
    return slot
  }

  /** A slot that is known has no task. */
  #offered(slot: Slot): void {
    if (slot.asked) return
    const { state } = slot
    if (state === "busy") this.#left(slot)
    if (state !== "free") this.#free(slot)
  }

  #memberOf({ node, weight, worker: ref }: Parameters<Dispatcher["join"]>[0]): Member {
    const text = String(ref)
    let member = this.#members.get(text)
    if (member !== undefined) return member
    const entry = this.#freeEntries.pop() ?? this.#byEntry.length
    const name = ref.path
    const lastUsed = ++this.#uses
    member = { entry, ref, name, node, weight, slots: new Set(), free: [], load: 0, dispatched: 0, lastUsed }
    this.#byEntry[entry] = member
    this.#members.set(text, member)
    this.#aloneSince = undefined
    if (this.#around.observed()) this.#around.emit({ _tag: "WorkerJoined", worker: name })
    return member
  }

  /** A slot has ended: it takes no task any more. What became of one that it had is told by the end of its dispatch. */
  leave(slot: Slot): void {
    slot.leaving = true
    if (!slot.asked) this.#remove(slot)
  }

  #remove(slot: Slot): void {
    const { member } = slot
    if (slot.task !== undefined) this.#left(slot)
    const at = member.free.indexOf(slot)
    if (at >= 0) {
      member.free.splice(at, 1)
      this.#freeSlots -= 1
    }
    slot.state = "gone"
    this.#slots.delete(String(slot.ref))
    member.slots.delete(slot)
    this.#stand(member)
    if (member.slots.size === 0) this.#dismiss(member)
  }

  #dismiss(member: Member): void {
    this.#members.delete(String(member.ref))
    this.#freeEntries.push(member.entry)
    if (this.#around.observed()) this.#around.emit({ _tag: "WorkerLeft", worker: member.name })
    if (this.#members.size === 0) this.#alone()
  }

  /** A dispatch has come to its end. */
  #ended(slot: Slot, exit: Exit.Exit<unknown, unknown>): void {
    const { state, task } = slot
    slot.asked = false
    slot.cancel = undefined
    if (state === "gone") return
    if (state === "busy") this.#release(slot)
    else this.#counters.stale += 1
    if (exit._tag === "Success") {
      this.#free(slot)
      if (state === "busy") this.#end(task!, task!.abandoned ? "cancelled" : "completed")
    } else {
      const failed = this.#judge(slot, errorOf(exit))
      if (state === "busy") failed(task!)
    }
    if (slot.leaving) this.#remove(slot)
    this.#pump()
  }

  /** What the failure of a dispatch says of its slot; answers what it says of its task. */
  #judge(slot: Slot, { reason }: ActorError.NotExecuted | ActorError.Unknown): (task: Task) => void {
    switch (reason._tag) {
      case "EncodeError":
      case "DecodeError":
      case "PayloadTooLarge":
      case "UnsupportedMessage":
        this.#free(slot)
        return (task) => this.#refuse(task, "refused", reason)
      case "CalleeCrashed":
        // Until it offers itself again.
        slot.state = "down"
        return (task) => this.#failed(task, "crashed", reason)
      case "ConnectionLost":
        slot.state = "suspect"
        this.#around.probe(slot)
        return (task) => this.#failed(task, "lost", reason)
      case "Interrupted":
      case "NodeLost":
        slot.state = "down"
        return (task) => this.#failed(task, "lost", reason)
      default:
        // It did not take it, and takes nothing any more: nothing ran.
        slot.state = "down"
        return (task) => (task.abandoned ? this.#end(task, "cancelled") : this.#requeue(task))
    }
  }

  /** The load of a dispatch is taken back: here, and nowhere else. */
  #release(slot: Slot): void {
    slot.task = undefined
    slot.member.load -= 1
    this.#running -= 1
    this.#stand(slot.member)
  }

  #free(slot: Slot): void {
    if (slot.leaving) {
      slot.state = "down"
      return
    }
    slot.state = "free"
    slot.member.free.push(slot)
    this.#freeSlots += 1
    this.#stand(slot.member)
  }

  /** Puts a worker to its place in the heap, if it has a free slot. */
  #stand(member: Member): void {
    if (member.free.length > 0) this.#workers.set(member.entry, member.load / member.weight, member.lastUsed)
    else this.#workers.remove(member.entry)
  }

  // ----- Time -----

  /** Ends what is due, and goes on with what waits. */
  tick(): void {
    const now = this.#around.now()
    while (this.#due.size > 0 && this.#due.first(this.#due.top) <= now) {
      const task = this.#tasks[this.#due.top]!
      this.#due.remove(task.entry)
      if (task.state === "running") this.#interrupt(task)
      else this.#expire(task)
    }
    if (this.#due.size > 0) this.#around.wakeAt(this.#due.first(this.#due.top))
    if (this.#isForsaken()) {
      for (const task of this.#all()) {
        if (task.state !== "running" && task.state !== "ended") this.#refuse(task, "refused", this.#noRoute())
      }
    } else if (this.#aloneSince !== undefined) {
      this.#around.wakeAt(this.#aloneSince + this.#settings.patienceMillis)
    }
    this.#pump()
  }

  #alone(): void {
    this.#aloneSince = this.#around.now()
    this.#around.wakeAt(this.#aloneSince + this.#settings.patienceMillis)
  }

  /** Whether there has been no worker for longer than tasks wait for one. */
  #isForsaken(): boolean {
    const { patienceMillis } = this.#settings
    return this.#aloneSince !== undefined && this.#around.now() - this.#aloneSince >= patienceMillis
  }

  #noRoute(): ActorError.NotExecutedReason {
    const { path, patienceMillis } = this.#settings
    return new ActorError.NoRoute({ to: path, detail: `it has had no worker for ${patienceMillis} ms` })
  }

  /** Asks after every task that is older than a sweep, and every slot that left a task without a word. */
  sweep(): void {
    this.#sweeps += 1
    for (const slot of this.#slots.values()) {
      const isOld = slot.state === "busy" && slot.sweep < this.#sweeps - 1
      const isUnheard = !slot.asked && (slot.state === "busy" || slot.state === "suspect")
      if (isOld || isUnheard) this.#around.probe(slot)
    }
  }

  /** What a worker said when it was asked whether it has a dispatch in hand; undefined when it said nothing. */
  answered(slot: Slot, ticket: number, has: boolean | undefined): void {
    if (slot.ticket !== ticket) return
    if (has === false && !slot.asked) this.#offered(slot)
    else if (slot.state === "busy") {
      // One that it has not got yet is on its way: that an ask is lost is told by its end.
      if (has !== undefined) slot.sweep = this.#sweeps
      else {
        const { member, task } = slot
        this.#release(slot)
        slot.state = "suspect"
        this.#failed(task!, "lost", new ActorError.NodeLost({ to: member.name, node: member.node }))
      }
    }
    this.#pump()
  }

  // ----- As it is now -----

  /** Every task that has not ended. */
  #all(): ReadonlyArray<Task> {
    const all = new Set<Task>()
    for (const task of this.#tasks) if (task !== undefined) all.add(task)
    for (const slot of this.#slots.values()) if (slot.task !== undefined) all.add(slot.task)
    for (const row of [...this.#keys.values(), this.#outside]) for (const task of row.all) all.add(task)
    return [...all]
  }

  /** Ends everything: what waits certainly did not run, what runs may have. */
  close(): void {
    const { path } = this.#settings
    this.#pumping = true
    const all = this.#all()
    for (const slot of this.#slots.values()) slot.state = "gone"
    for (const task of all) {
      if (task.state === "ended") continue
      if (task.state === "running") {
        this.#end(task, "lost")
        task.replyTo.loseUnsafe(new ActorError.Interrupted({ to: path, tag: task.kind.tag }))
      } else this.#refuse(task, "refused", new ActorError.Stopping({ to: path }))
    }
  }

  get workers(): ReadonlyArray<WorkerRef> {
    return [...this.#members.values()].map(({ ref }) => ref)
  }

  get status(): Status {
    return {
      workers: [...this.#members.values()].map(({ dispatched, load, name, node, slots, weight }) => ({
        name,
        node,
        load,
        capacity: slots.size,
        weight,
        dispatched
      })),
      queued: this.#queued,
      waiting: this.#waiting,
      running: this.#running,
      ...this.#counters
    }
  }
}
