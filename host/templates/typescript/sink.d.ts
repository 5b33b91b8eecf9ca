// What sinks have besides the rest of the contract, as weir.d.ts has it.

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
    /** Refuse a consumer's configuration by throwing a `Problem`. */
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

  const http: {
    /** Throws `{ tag, val }` when there is no answer. */
    send(request: Request): Response;
  };
  export default http;
}
