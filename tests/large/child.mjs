// Loads, runs and generates with a checkpoint, step by step: prints a line of JSON after each and waits for a line on stdin, so that memory can be read from outside.
import { createInterface } from "node:readline";
import { loadCore, Model, plan } from "tritlens";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function say(step, fields = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...fields })}\n`);
  await lines.next();
}

const [path] = process.argv.slice(2);
const [prompt, capacity, names] = [64, 128, "blocks.*.hook_resid_post"];
const core = await loadCore();
await say("idle");
const told = await plan(path, { core, seq: prompt, capacity, names, lastOnly: true });
await say("planned", { told: { ...told, checkpoint: undefined } });
let began = performance.now();
const model = await Model.fromPretrained(path, { core, tokenizer: false });
await say("loaded", { seconds: (performance.now() - began) / 1000 });
began = performance.now();
const session = model.openSession({ capacity });
const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919) % 128_256);
const likeliest = ({ data }) => data.indexOf(data.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY));
const { logits, cache } = session.run([tokens], { names, lastOnly: true });
const out = [likeliest(logits)];
while (out.length < 8) out.push(likeliest(session.run([[out.at(-1)]], { lastOnly: true }).logits));
const finite = cache.entries().every(([, t]) => t.data.every(Number.isFinite));
await say("ran", { seconds: (performance.now() - began) / 1000, sites: cache.size, finite, out });
session.dispose();
model.dispose();
process.exit(0);
