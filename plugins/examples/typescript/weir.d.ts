// The WIT contract (../../../wit) as componentize-qjs shows it to JavaScript: one module an interface, names in camelCase,
// an absent option is null, u64 is a number, and a function with a result returns the value or throws the error.
// Kept by hand, because the generators of types that exist follow another runtime's conventions (bigint and undefined).

declare module "weir:plugin/types@1.0.0" {
  /** JSON travels as text, anything else as bytes. */
  export type Payload = { tag: "json"; val: string } | { tag: "bytes"; val: Uint8Array };
  export type Metadata = [key: string, value: string][];

  /** A recorded event. */
  export interface Event {
    /** `<topic>-<sequence>` */
    id: string;
    /** place in the store's order, from 1, without gaps */
    position: number;
    topic: string;
    /** place in the topic, from 1, without gaps */
    sequence: number;
    stream: string | null;
    /** place in the stream, from 1 */
    version: number | null;
    eventType: string;
    /** commit time in Unix milliseconds */
    timeMs: number;
    payload: Payload;
    tags: string[];
    metadata: Metadata;
  }

  /** An event that is asked for and not recorded yet. */
  export interface NewEvent {
    topic: string;
    stream: string | null;
    eventType: string;
    payload: Payload;
    tags: string[];
    metadata: Metadata;
  }

  /** A wish that something happens to one stream. */
  export interface Command {
    id: string;
    name: string;
    topic: string;
    stream: string;
    payload: Payload;
    /** who wishes it */
    actor: string | null;
    /** labels that its events get besides their own */
    tags: string[];
    metadata: Metadata;
    /** Unix milliseconds */
    timeMs: number;
  }

  /** A command that is asked for and not decided yet. */
  export interface NewCommand {
    /** The sender's own word for it: it is in the metadata of the command's events, and in a refusal. */
    id: string;
    name: string;
    topic: string;
    stream: string;
    payload: Payload;
    actor: string | null;
    tags: string[];
    metadata: Metadata;
  }

  /** Why something was refused. */
  export interface Problem {
    /** stable, machine readable */
    code: string;
    message: string;
    /** JSON pointer into the payload */
    pointer: string | null;
  }
}

declare module "weir:plugin/lifecycle@1.0.0" {
  export type Wish =
    | { tag: "http"; val: { host: string; methods: string[] } }
    | { tag: "secret"; val: string }
    | { tag: "append"; val: string };

  export interface Manifest {
    name: string;
    version: string;
    description: string;
    /** Globs over topics and event types; an empty list means all. */
    interests: { topics: string[]; eventTypes: string[] }[];
    /** projections, process managers and deciders: a new number makes what was built before worthless */
    stateVersion: number;
    /** JSON Schema of the operator's `config` */
    configSchema: string | null;
    wishes: Wish[];
  }

  export interface Lifecycle {
    /** Called once a file, in a throw-away instance without capabilities. */
    describe(): Manifest;
    /** Called once an instance, before anything else. Throws a string. */
    init(configJson: string): void;
  }
}

declare module "weir:plugin/validating@1.0.0" {
  import type { NewEvent, Payload, Problem } from "weir:plugin/types@1.0.0";

  export interface Topic {
    name: string;
    configJson: string;
  }

  export type Verdict =
    | { tag: "accept" }
    | { tag: "replace"; val: Payload }
    | { tag: "reject"; val: Problem[] };

  export interface Validating {
    /** Refuse a topic's configuration before it is stored, by throwing `Problem[]`; remember it otherwise. */
    configure(topic: Topic): void;
    /** One verdict an event, in the same order. */
    validate(batch: NewEvent[]): Verdict[];
  }
}

declare module "weir:plugin/guarding@1.0.0" {
  import type { Command, Payload } from "weir:plugin/types@1.0.0";

  export interface Guarding {
    /** Refuse a command for this state of its stream by throwing `Problem[]`; no state is an initial one. */
    guard(state: Payload | null, command: Command): void;
  }
}

declare module "weir:plugin/upcasting@1.0.0" {
  import type { Event } from "weir:plugin/types@1.0.0";

  export interface Upcasting {
    /** Same events, in the same order, with payloads (and event types) of the newest schema. Throws a `Problem`. */
    upcast(batch: Event[]): Event[];
  }
}

declare module "weir:plugin/deciding@1.0.0" {
  import type { Command, Event, NewEvent, Payload, Problem } from "weir:plugin/types@1.0.0";

  export type Rejection =
    | { tag: "invalid"; val: Problem[] }
    | { tag: "conflict"; val: Problem }
    | { tag: "unknown-command" }
    /** The decider could not decide, and the command is not to blame. */
    | { tag: "failed"; val: Problem };

  export interface Deciding {
    /** The state after these events. Throws a `Problem`. */
    evolve(state: Payload | null, events: Event[]): Payload | null;
    /** What happens when this command meets this state. Throws a `Rejection`. */
    decide(state: Payload | null, command: Command): NewEvent[];
  }
}

declare module "weir:plugin/projecting@1.0.0" {
  import type { Event } from "weir:plugin/types@1.0.0";

  export interface Projecting {
    /** Throws a `Problem`. */
    apply(batch: Event[]): void;
  }
}

declare module "weir:plugin/querying@1.0.0" {
  export interface Querying {
    /** The answer as JSON text. Throws a `Problem`. The view is read-only here. */
    query(name: string, params: [name: string, value: string][]): string;
  }
}

declare module "weir:plugin/processing@1.0.0" {
  import type { Command, Event, NewCommand, NewEvent, Payload, Problem } from "weir:plugin/types@1.0.0";

  export interface Timer {
    key: string;
    atMs: number;
    payload: Payload;
  }

  export type Action =
    | { tag: "append"; val: NewEvent }
    | { tag: "execute"; val: NewCommand }
    | { tag: "set-timer"; val: Timer }
    | { tag: "cancel-timer"; val: string };

  /** Each throws a `Problem`. */
  export interface Processing {
    react(batch: Event[]): Action[];
    onTimer(due: Timer[]): Action[];
    /** The answer to `execute` when it is no. */
    onRefused(command: Command, reasons: Problem[]): Action[];
  }
}

declare module "weir:plugin/sinking@1.0.0" {
  import type { Event, Problem } from "weir:plugin/types@1.0.0";

  /** Whom to deliver to: a consumer's id and its configuration as JSON. */
  export interface Target {
    id: string;
    configJson: string;
  }

  export type Rest =
    | { tag: "done" }
    | { tag: "retry"; val: { afterMs: number | null; reason: string } }
    | { tag: "poison"; val: Problem }
    | { tag: "gone"; val: Problem };

  /** `accepted`: how many events, from the first, were delivered; `rest`: what to do with the one after them. */
  export interface Receipt {
    accepted: number;
    rest: Rest;
  }

  export interface Sinking {
    /** Refuse a consumer's configuration by throwing `Problem[]`. */
    check(target: Target): void;
    deliver(target: Target, batch: Event[]): Receipt;
  }
}

declare module "weir:plugin/http@1.0.0" {
  export interface Request {
    method: string;
    url: string;
    /** A value may hold `{{secret:NAME}}`: the host puts the secret in. */
    headers: [name: string, value: string][];
    body: Uint8Array | null;
    timeoutMs: number | null;
  }

  export interface Response {
    status: number;
    headers: [name: string, value: string][];
    body: Uint8Array;
  }

  export type HttpError =
    | { tag: "denied"; val: string }
    | { tag: "timeout" }
    | { tag: "connect"; val: string }
    | { tag: "too-large"; val: number }
    | { tag: "protocol"; val: string };

  const http: {
    /** Throws an `Error` whose `payload` is an `HttpError` when there is no answer. */
    send(request: Request): Response;
    /** The host runs these side by side. Nothing is thrown: each answer says how it went. */
    sendAll(requests: Request[]): ({ tag: "ok"; val: Response } | { tag: "err"; val: HttpError })[];
  };
  export default http;
}

declare module "weir:plugin/clock@1.0.0" {
  const clock: {
    /** Unix milliseconds. */
    nowMs(): number;
  };
  export default clock;
}

declare module "weir:plugin/view@1.0.0" {
  import type { Payload } from "weir:plugin/types@1.0.0";

  /** A key-value view, private to this plugin. What `apply` wrote commits together with the checkpoint, or not at all. */
  const view: {
    get(key: string): Payload | null;
    getMany(keys: string[]): (Payload | null)[];
    put(key: string, value: Payload): void;
    putMany(entries: [key: string, value: Payload][]): void;
    delete(key: string): void;
    /** Keys are ordered as UTF-8 bytes. */
    scan(prefix: string, after: string | null, limit: number): [key: string, value: Payload][];
  };
  export default view;
}

declare module "weir:plugin/log@1.0.0" {
  const log: {
    write(level: "trace" | "debug" | "info" | "warn" | "error", message: string, fields: [string, string][]): void;
    /** A counter or gauge of the plugin's own, shown in /metrics with the plugin's name and version. */
    count(name: string, delta: number): void;
    gauge(name: string, value: number): void;
  };
  export default log;
}
