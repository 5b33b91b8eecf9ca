// Holds the server's AsyncAPI document against the specification, with the specification's own parser; the last line says how
// many channels and operations it has.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { Parser } = createRequire(process.env.PACKAGES + "/")("@asyncapi/parser");

const answer = await fetch(process.argv[2], { signal: AbortSignal.timeout(30_000) });
const { document, diagnostics } = await new Parser().parse(await answer.text());
// 0 is an error, 1 a warning. The rest is advice, such as the newest version.
assert.deepEqual(diagnostics.filter(({ severity }) => severity < 2), []);
console.log(JSON.stringify({ compared: document.allChannels().length + document.allOperations().length }));
