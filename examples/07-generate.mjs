// Opens a GGUF file, lets it write, and watches its attention heads while it does. node examples/07-generate.mjs
import { fileURLToPath } from "node:url";
import { attentionText, loadCore, Model, toStrTokens } from "tritlens";

const path = fileURLToPath(new URL("models/induction.gguf", import.meta.url));
const core = await loadCore();
const model = await Model.fromPretrained(path, { core, onProgress: ({ status, file }) => status === "done" && console.log(`read ${file}`) });

// A small model that was trained to go on with a list of words. The prompt begins a list again.
const prompt = "red fox blue cat green owl red fox blue";
console.log(`${prompt} ...`);

// Every step brings the activations that were asked for: the first one those of the whole prompt, the others those of one token.
const ids = model.tokenizer.encode(prompt);
const patterns = "blocks.*.attn.hook_pattern";
let text = "";
for await (const step of model.generate(ids, { maxTokens: 6, names: patterns, logprobs: 2 })) {
  const tokens = toStrTokens(model, ids);
  if (step.ran.from === 0) {
    // Which head does it? Score each: how much the last token attends to what came after the same word before.
    const after = tokens.indexOf(tokens.at(-1)) + 1;
    for (let layer = 0; layer < model.layers; layer++) {
      const pattern = step.cache.get(`blocks.${layer}.attn.hook_pattern`); // [batch, head, query, key]
      const scores = Array.from({ length: pattern.shape[1] }, (_, head) => pattern.at(0, head, ids.length - 1, after));
      console.log(`block ${layer}, attention from "${tokens.at(-1)}" to "${tokens[after]}": ${scores.map((x) => x.toFixed(2)).join(" ")}`);
      if (layer === 0 && Math.max(...scores) > 0.5) process.exit(1);
      if (layer === 1 && Math.max(...scores) < 0.9) process.exit(1);
    }
    console.log("\nblock 0, head 2 looks at the token before:");
    console.log(attentionText(step.cache.get("blocks.0.attn.hook_pattern"), tokens, { head: 2 }));
    console.log("\nblock 1, head 0 looks at what came after the same word the last time (rows look at columns):");
    console.log(attentionText(step.cache.get("blocks.1.attn.hook_pattern"), tokens, { head: 0 }));
  } else {
    // One query: what the newest token looks at, as bars.
    const row = attentionText(step.cache.get("blocks.1.attn.hook_pattern"), tokens, { head: 0 });
    console.log(`\nafter "${tokens.at(-1)}":\n${row.split("\n").sort(byShare)[0]}`);
  }
  const [best, second] = step.logprobs.map((l) => `"${l.text}" ${(100 * Math.exp(l.logprob)).toFixed(1)} %`);
  console.log(`\nnext: ${best}, then ${second}`);
  text += step.text;
  ids.push(step.token);
}
console.log(`\n${prompt}${text}`);
if (text !== " cat green owl red fox blue") process.exit(1);
model.dispose();

function byShare(a, b) {
  return Number(/([\d.]+) %/.exec(b)[1]) - Number(/([\d.]+) %/.exec(a)[1]);
}
