/**
 * The surface is written down three times: crates/core/src/surface.rs, the two bindings, and the interface `Core` in packages/sdk. This reads the
 * generated declarations of both bindings and `Core` itself, and fails when a function is missing, is extra or takes other arguments.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { asProgram, root, StepError } from "./lib/run.mjs";

/** Who owns an arena is the one difference: native passes it to every step, WASM says where it lies. */
const ARENA_FUNCTIONS = ["step", "loss", "seedGrad", "stepBack"];
const ONLY_WASM = ["arenaPtr", "lanePtr", "compiledModule", "panicMessage", "start", "initSync", "default"];
/** The native adapter holds the arenas, so `Core` has one function for a pair of ours. */
const CORE_NAMES = { arenaLen: "arena" };

const parse = (file) => ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
const words = (node) => node.getText().replace(/\s+/g, " ");

/** One entry for each exported function: its parameters as `name: type`. */
function functionsOf(file) {
  const found = new Map();
  parse(file).forEachChild((node) => {
    if (ts.isFunctionDeclaration(node) && node.name) found.set(node.name.text, node.parameters.map(words));
  });
  return found;
}

/** The methods of the interface `Core`. */
function coreMethods() {
  const found = new Map();
  parse("packages/sdk/src/core/core.ts").forEachChild((node) => {
    if (!ts.isInterfaceDeclaration(node) || node.name.text !== "Core") return;
    for (const member of node.members.filter(ts.isMethodSignature)) found.set(member.name.getText(), member.parameters.map(words));
  });
  return found;
}

/** Handles are plain numbers below, and so are small unions of numbers. */
const plain = (parameter) =>
  parameter.replace(/(Program|Run|Trainer|Packed|Session)Handle( \| 0)?/, "number").replace(/: 0 \| 1( \| 2)?$/, ": number");
const typesOf = (parameters) => parameters.map((parameter) => plain(parameter).split(": ").at(-1)).join(", ");

/** Differences between two surfaces, as sentences. */
export function differences(native, wasm, core) {
  const out = [];
  const compare = (name, a, b, who) => {
    if (!b) out.push(`${name} is missing in ${who}`);
    else if (typesOf(a) !== typesOf(b)) out.push(`${name}: native takes (${typesOf(a)}), ${who} takes (${typesOf(b)})`);
  };
  for (const [name, parameters] of native) {
    const own = ARENA_FUNCTIONS.includes(name) ? parameters.filter((parameter) => !parameter.startsWith("arena")) : parameters;
    compare(name, own, wasm.get(name), "wasm");
    compare(name, own, core.get(CORE_NAMES[name] ?? name), "Core");
  }
  for (const name of wasm.keys()) if (!native.has(name) && !ONLY_WASM.includes(name) && !name.startsWith("__")) out.push(`${name} is in wasm alone`);
  const known = new Set([...native.keys()].map((name) => CORE_NAMES[name] ?? name));
  for (const name of core.keys()) if (!known.has(name)) out.push(`${name} is in Core alone`);
  return out;
}

/** Exports of the addon, and steps of its tasks, in which a panic would end the process: a rule of the house is that every body is inside of `guard`. */
function unguarded() {
  const sources = ["lib.rs", "tasks.rs"].map((file) => readFileSync(join(root, "bindings/node/src", file), "utf8"));
  const bodies = sources.flatMap((text) => [...text.matchAll(/^ *(?:pub )?fn (\w+)[^{]*\{([\s\S]*?)\n( {4})?\}/gm)]);
  // `resolve` and `finally` copy numbers on the JavaScript thread, `detached` makes an error, and `evaluate` only makes the task.
  const harmless = ["resolve", "finally", "detached", "evaluate"];
  return bodies.filter(([, name, body]) => !harmless.includes(name) && !body.includes("guard(")).map(([, name]) => name);
}

await asProgram(import.meta, async () => {
  const native = functionsOf("bindings/node/index.d.ts");
  const found = differences(native, functionsOf("bindings/wasm/pkg/tritlens_wasm.d.ts"), coreMethods());
  if (found.length > 0) throw new StepError(`the surfaces differ:\n  ${found.join("\n  ")}`, "node scripts/check-surface.mjs");
  const open = unguarded();
  if (open.length > 0) throw new StepError(`a panic in these would end the process: ${open.join(", ")}`, "node scripts/check-surface.mjs");
  console.log(`${native.size} functions, the same in both bindings and in Core`);
});
