// Makes induction.gguf, the model of examples 07 and 08: two blocks that were trained to walk along a list of words again. The way to do that is an induction
// head: look for the word you are at, and attend to what came after it last time. node examples/models/induction.mjs (about two minutes)
import { fileURLToPath } from "node:url";
import { GgufStrings, loadCore, Model, train, writeGguf } from "tritlens";

const WORDS =
  "red blue green black white grey fox cat dog owl cow hen bee ant tree rock lake hill sun moon star rain snow wind bread milk salt tea cup pan bed door key book pen ship road bell rope coin".split(
    " ",
  );
const SIZE = { nLayers: 2, dModel: 64, nHeads: 4, dHead: 16, dMlp: 128, nCtx: 64 };

// A SentencePiece vocabulary: letters, and for each word the pieces on the way to it. A higher score merges first.
const tokens = ["<unk>", "<s>", "</s>", "▁", ..."abcdefghijklmnopqrstuvwxyz"];
for (const word of WORDS) {
  for (let n = 1; n <= word.length; n++) {
    const piece = `▁${word.slice(0, n)}`;
    if (!tokens.includes(piece)) tokens.push(piece);
  }
}
const ids = new Map(tokens.map((token, id) => [token, id]));
const words = WORDS.map((word) => ids.get(`▁${word}`));

const core = await loadCore();
const draws = new Float32Array(1 << 20);
core.random(1, 7, 0, draws);
let drawn = 0;
const below = (n) => Math.floor(draws[drawn++ % draws.length] * n) % n;

/** Rows of <s>, a list of 3 to 20 words, and then walks along it from places that are drawn; only what can be known is asked for. */
function examples(rows) {
  const { nCtx } = SIZE;
  const data = new Int32Array(rows * nCtx);
  const targets = new Int32Array(rows * nCtx).fill(-1);
  for (let r = 0; r < rows; r++) {
    const left = [...words];
    const period = 3 + below(18);
    const list = Array.from({ length: period }, () => left.splice(below(left.length), 1)[0]);
    data[r * nCtx] = 1;
    for (let i = 1, at = 0; i < nCtx; i++) {
      data[r * nCtx + i] = list[at];
      const jumps = i > period && below(8) === 0;
      at = jumps ? below(period) : (at + 1) % period;
      if (i > period && !jumps) targets[r * nCtx + i] = list[at];
    }
  }
  return { tokens: { data, shape: [rows, nCtx] }, targets };
}

const model = Model.fromConfig(
  { ...SIZE, dVocab: tokens.length, actFn: "gelu_new", normalization: "LN", unembedBias: false, readout: "all" },
  { core, seed: 0 },
);
const data = { train: examples(12_000), test: examples(200) };
for await (const e of train(model, data, {
  steps: 3000,
  batchSize: 32,
  lr: 2e-3,
  weightDecay: 0.05,
  warmupSteps: 50,
  schedule: "cosine",
  evalEvery: 1000,
  log: 200,
})) {
  const right = e.testAccuracy === undefined ? "" : `  right on other lists: ${(100 * e.testAccuracy).toFixed(2)} %`;
  console.log(`step ${e.step}  loss ${e.loss.toFixed(4)}${right}`);
}

/** A matrix as Q8_0 blocks, [out, in] as GGUF has it. */
const q8 = (values, cols) => {
  const out = new Uint8Array(core.packedBytes("q8_0", values.length / cols, cols));
  core.quantizeBlocks("q8_0", values, cols, out);
  return out;
};
const param = (name) => model.readParam(name);
const matrix = (name, list) => {
  const parts = list.map(param);
  const cols = parts[0].shape[1];
  const values = Float32Array.from(parts.flatMap((p) => Array.from(p.data)));
  return { name: `${name}.weight`, type: "Q8_0", shape: [values.length / cols, cols], data: () => q8(values, cols) };
};
const vector = (name, list) => {
  const values = Float32Array.from(list.flatMap((n) => Array.from(param(n).data)));
  return { name, type: "F32", shape: [values.length], data: () => new Uint8Array(values.buffer) };
};
const tensors = [matrix("token_embd", ["embed.W_E"]), matrix("position_embd", ["pos_embed.W_pos"]), matrix("output", ["unembed.W_U"])];
tensors.push(vector("output_norm.weight", ["ln_final.w"]), vector("output_norm.bias", ["ln_final.b"]));
for (let i = 0; i < SIZE.nLayers; i++) {
  const [ours, theirs] = [`blocks.${i}.`, `blk.${i}.`];
  for (const [norm, name] of [
    ["ln1", "attn_norm"],
    ["ln2", "ffn_norm"],
  ])
    tensors.push(vector(`${theirs}${name}.weight`, [`${ours}${norm}.w`]), vector(`${theirs}${name}.bias`, [`${ours}${norm}.b`]));
  for (const [name, parts] of [
    ["attn_qkv", ["attn.?_Q", "attn.?_K", "attn.?_V"]],
    ["attn_output", ["attn.?_O"]],
    ["ffn_up", ["mlp.?_in"]],
    ["ffn_down", ["mlp.?_out"]],
  ]) {
    tensors.push(
      matrix(
        `${theirs}${name}`,
        parts.map((p) => ours + p.replace("?", "W")),
      ),
    );
    tensors.push(
      vector(
        `${theirs}${name}.bias`,
        parts.map((p) => ours + p.replace("?", "b")),
      ),
    );
  }
}

const u32 = (value) => ({ type: "UINT32", value });
const metadata = new Map([
  ["general.architecture", { type: "STRING", value: "gpt2" }],
  ["general.name", { type: "STRING", value: "induction" }],
  ["gpt2.context_length", u32(SIZE.nCtx)],
  ["gpt2.embedding_length", u32(SIZE.dModel)],
  ["gpt2.feed_forward_length", u32(SIZE.dMlp)],
  ["gpt2.block_count", u32(SIZE.nLayers)],
  ["gpt2.attention.head_count", u32(SIZE.nHeads)],
  ["gpt2.attention.layer_norm_epsilon", { type: "FLOAT32", value: Math.fround(1e-5) }],
  ["tokenizer.ggml.model", { type: "STRING", value: "llama" }],
  ["tokenizer.ggml.tokens", { type: "ARRAY", of: "STRING", value: GgufStrings.from(tokens) }],
  ["tokenizer.ggml.scores", { type: "ARRAY", of: "FLOAT32", value: Float32Array.from(tokens, (_, i) => -i) }],
  ["tokenizer.ggml.token_type", { type: "ARRAY", of: "INT32", value: Int32Array.from(tokens, (_, i) => (i === 0 ? 2 : i < 3 ? 3 : 1)) }],
  ["tokenizer.ggml.bos_token_id", u32(1)],
  ["tokenizer.ggml.eos_token_id", u32(2)],
  ["tokenizer.ggml.unknown_token_id", u32(0)],
]);
await writeGguf(fileURLToPath(new URL("induction.gguf", import.meta.url)), { metadata, tensors });
model.dispose();
