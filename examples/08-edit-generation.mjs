// Changes activations while a model writes: silences heads, moves the text to another place, and steers it. node examples/08-edit-generation.mjs
import { fileURLToPath } from "node:url";
import { loadCore, Model, toSingleToken } from "tritlens";

const core = await loadCore();
const model = await Model.fromPretrained(fileURLToPath(new URL("models/induction.gguf", import.meta.url)), { core });
const prompt = "red fox blue cat green owl red fox blue";
const maxTokens = 5;
const say = (what, text) => console.log(`${what.padEnd(44)} ${prompt} |${text}`);

const plain = await model.generate(prompt, { maxTokens }).text();
say("as it is", plain);

// Edits are data. This one silences the heads of the first block, one of which looks at the token before: nothing can be found any more by what comes before it.
const silenced = await model.generate(prompt, { maxTokens, hooks: [["blocks.0.attn.hook_z", { kind: "zero" }]] }).text();
say("without the first block's heads", silenced);

// Positions count from the beginning of the text: the second generated token stands at `start + 1`. There the model reads "owl", whatever it wrote.
const start = model.tokenizer.encode(prompt).length;
const owl = model.runWithCache([[toSingleToken(model, "owl")]], { names: "hook_embed" }).cache.get("hook_embed").data;
const moved = await model.generate(prompt, { maxTokens, hooks: [["hook_embed", { kind: "set", value: owl, at: { pos: start + 1 } }]] }).text();
say("its second word read as owl", moved);

// A function sees each activation as it passes, knows which positions it belongs to, and may change it. This one lets three tokens pass and then steers
// towards "moon" with the unembedding's row.
const W_U = model.W_U; // [d_model, d_vocab_out]
const moon = toSingleToken(model, "moon");
let calls = 0;
const steer = (resid, { from, to }) => {
  calls += 1;
  if (from < start + 2) return;
  for (let d = 0; d < resid.data.length; d++) resid.data[d] += 10 * W_U.at(d, moon);
  console.log(`  steering position ${from} to ${to - 1}`);
};
const steered = await model.generate(prompt, { maxTokens, hooks: [["blocks.1.hook_resid_post", steer]] }).text();
say("steered after three tokens", steered);

if (
  plain !== " cat green owl red fox" ||
  silenced === plain ||
  !moved.startsWith(" cat green red fox") ||
  !steered.endsWith("moon moon") ||
  calls !== maxTokens
) {
  process.exit(1);
}
model.dispose();
