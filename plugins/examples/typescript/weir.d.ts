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
    /** projections and process managers: a new number means: rebuild beside the old one, then switch */
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
    query(name: string, paramsJson: string): string;
  }
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
