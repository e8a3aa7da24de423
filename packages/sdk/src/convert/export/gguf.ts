/** A GGUF file with the names, metadata and types that llama.cpp's converters write. */
import { Fields } from "../../checkpoint/fields.ts";
import { type GgufTensor, ggufRecipe } from "../../checkpoint/gguf/index.ts";
import type { Architecture, Recipe } from "../../checkpoint/recipe.ts";
import type { Model } from "../../hooks/index.ts";
import type { GgufItem, GgufValue } from "../../io/index.ts";
import type { TransformerConfig } from "../../models/index.ts";
import { fitArchitecture } from "./architecture.ts";
import { encodeTensor } from "./encode.ts";
import { ggufArchitecture, ggufMetadata, ropeDivisors } from "./gguf-metadata.ts";
import { rawTensor, typeOf } from "./gguf-types.ts";
import type { SaveOptions } from "./options.ts";
import { RowReader, type TargetTensor, targetTensors } from "./rows.ts";
import { saveGoal } from "./target-config.ts";

/** What is written. */
export interface GgufPlan {
  readonly architecture: Architecture;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufItem[];
  readonly notes: readonly string[];
}

/** llama.cpp's own activation functions, which it takes whatever the file says. */
const ACTIVATIONS: Readonly<Record<Architecture, string>> = {
  gpt2: "gelu_new",
  gpt_neox: "gelu",
  llama: "silu",
  qwen2: "silu",
  qwen3: "silu",
  bitnet: "silu",
};

/** Types that hold codes, for which dense weights are never meant. */
const CODES = new Set(["TQ1_0", "TQ2_0", "Q1_0", "Q2_0"]);

/** @throws E_SPEC, E_MODE, E_FORMAT, E_NAME for a model that the format cannot hold. */
export async function planGguf(model: Model, options: SaveOptions): Promise<GgufPlan> {
  const { config } = saveGoal(model, "gguf");
  const describe = (architecture: Architecture, mostly: string) => metadataOf(config, architecture, options.name ?? "model", mostly);
  const freqs = ropeDivisors(config);
  const fit = await fitArchitecture(model, config, options.architecture, (a) => readBack(describe(a, "F32"), config, freqs));
  const notes: string[] = [];
  const reader = new RowReader(model, false);
  const targets = targetTensors(fit.recipe, model).map((t) => ({ t, type: typeOf(model, t, options, notes) }));
  const tensors = targets.map(({ t, type }) => item(model, reader, t, type, options.lossy ?? false));
  if (freqs) tensors.push({ name: "rope_freqs.weight", type: "F32", shape: [freqs.length], data: () => new Uint8Array(freqs.slice().buffer) });
  const metadata = describe(fit.architecture, mostly(tensors));
  if (metadata.has(activationKey(config, fit.architecture)))
    notes.push(`llama.cpp computes ${ACTIVATIONS[fit.architecture]} for ${fit.architecture}, whatever the file says; this model has ${config.actFn}`);
  return { architecture: fit.architecture, metadata, tensors: ordered(tensors), notes };
}

function metadataOf(c: TransformerConfig, architecture: Architecture, name: string, mostly: string): Map<string, GgufValue> {
  const out = ggufMetadata(c, architecture, { name, mostly });
  const own = ggufArchitecture(c, architecture) === "bitnet-b1.58" ? "relu2" : ACTIVATIONS[architecture];
  if (c.actFn !== own) out.set(activationKey(c, architecture), { type: "STRING", value: c.actFn });
  return out;
}

function activationKey(c: TransformerConfig, architecture: Architecture): string {
  return `${ggufArchitecture(c, architecture)}.hidden_activation`;
}

/** What every block of every architecture has. */
const EVERY_BLOCK = ["attn_norm", "attn_output", "ffn_norm", "ffn_up", "ffn_down"] as const;

/** The recipe with which the file will be read, from the tensors that will be in it. */
function readBack(metadata: ReadonlyMap<string, GgufValue>, c: TransformerConfig, freqs: Float32Array | undefined): Promise<Recipe> {
  const fields = new Fields(new Map([...metadata].map(([key, { value }]) => [key, value])), "GGUF metadata");
  const tensors = new Map<string, GgufTensor>([["token_embd.weight", { type: "F32", shape: [c.dVocab, c.dModel] }]]);
  const there = (name: string, yes: boolean, shape: number[] = []): void => void (yes && tensors.set(name, { type: "F32", shape }));
  there("output.weight", !c.tiedEmbeddings);
  for (const name of ["attn_qkv", "attn_q"]) there(`blk.0.${name}.bias`, c.attnBias);
  there("blk.0.attn_output.bias", c.attnOutBias);
  there("blk.0.ffn_down.bias", c.mlpBias);
  there("blk.0.ffn_gate.bias", c.gateBias);
  if (freqs) there("rope_freqs.weight", true, [freqs.length]);
  // No more blocks are believed than there are tensors for.
  for (let i = 0; i < c.nLayers; i++) for (const name of EVERY_BLOCK) there(`blk.${i}.${name}.weight`, true);
  return ggufRecipe(fields, tensors, async () => freqs ?? new Float32Array(0), { trainable: false });
}

function item(model: Model, reader: RowReader, t: TargetTensor, type: string, lossy: boolean): GgufItem {
  const raw = rawTensor(model, t, type);
  // Q8_0 and Q4_0 round whatever they get, and were asked for by name.
  return { name: t.name, type, shape: t.shape, data: raw ?? (() => encodeTensor(model.core, reader, t, type, lossy || !CODES.has(type))) };
}

/** The type of most weights of the blocks. */
function mostly(tensors: readonly GgufItem[]): string {
  const counts = new Map<string, number>();
  for (const t of tensors) if (t.name.startsWith("blk.") && t.shape.length === 2) counts.set(t.type, (counts.get(t.type) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "F32";
}

/** llama.cpp's order: embeddings, blocks, the rest. */
function ordered(tensors: readonly GgufItem[]): GgufItem[] {
  const rank = ({ name }: GgufItem): number => (/^(token|position)_embd/.test(name) ? 0 : name.startsWith("blk.") ? 1 : 2);
  return [...tensors].sort((a, b) => rank(a) - rank(b));
}
