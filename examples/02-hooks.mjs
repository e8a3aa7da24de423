// Looks inside a run: caches activations, changes one with data and one with a function, and follows gradients. node examples/02-hooks.mjs
import { loadCore, Model } from "tritlens";
import { liConfig } from "tritlens/models";

await loadCore();
const p = 23;
const model = Model.fromConfig(liConfig({ p, mode: "ternary" }), { seed: 1 });
const tokens = [
  [3, 5, p],
  [20, 7, p],
];

// Every activation has a name, those of TransformerLens.
console.log(model.siteNames.join(" "));
const { logits, cache } = model.runWithCache(tokens, { names: (name) => name.endsWith("hook_pattern") || name.endsWith("hook_post") });
console.log(cache.get("blocks.0.attn.hook_pattern"));

// An edit as data runs inside of Rust: head 2 is silenced.
const silenced = model.runWithHooks(tokens, { hooks: [["blocks.0.attn.hook_z", { kind: "zero", at: { head: 2 } }]] });

// A function sees the activation and may change it in place.
let active = 0;
const clipped = model.runWithHooks(tokens, {
  hooks: [
    [
      "blocks.0.mlp.hook_post",
      (activation) => {
        for (const x of activation.data) if (x > 0) active += 1;
        activation.data.fill(0);
      },
    ],
  ],
});
console.log(`${active} active neurons at 2 x 3 positions`);

const change = (other) => Math.max(...logits.data.map((x, i) => Math.abs(x - other.data[i])));
console.log(`largest change of a logit: head 2 silenced ${change(silenced).toFixed(4)}, MLP cleared ${change(clipped).toFixed(4)}`);

// Gradients of the loss with respect to any activation.
const traced = model.runWithCache(tokens, { names: "hook_embed", inclGrad: true, loss: { targets: [8, 4] } });
console.log(`loss ${traced.loss?.toFixed(4)}`, traced.cache.get("hook_embed_grad"));
model.dispose();
