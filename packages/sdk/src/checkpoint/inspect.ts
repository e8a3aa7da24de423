/** What a checkpoint is, without loading it. */
import type { MemoryPlan } from "../hooks/index.ts";
import type { TransformerConfig } from "../models/index.ts";
import { codesOf } from "./fill.ts";
import type { Fill } from "./fills.ts";
import { coreOf, type Prepared, type PretrainedOptions, prepare } from "./load.ts";
import type { CheckpointInput } from "./open.ts";
import { planPrepared } from "./plan.ts";
import { Progress } from "./progress.ts";
import { countZeros } from "./zeros.ts";

/** Options of {@link inspect}. */
export interface InspectOptions extends PretrainedOptions {
  /** Read all weights to count their zeros (true); false looks at headers only. */
  readonly scan?: boolean;
}

/** The same matrix of all blocks, or one outside of them. */
export interface InspectedWeight {
  /** `embed.W_E`, `blocks.*.attn.W_Q`. */
  readonly name: string;
  /** How many there are. */
  readonly count: number;
  /** [out, in], or [n] of vectors. */
  readonly shape: readonly number[];
  /** Element type in the file. */
  readonly type: string;
  /** Format in memory. */
  readonly format: string;
  /** Bytes in memory, of all. */
  readonly bytes: number;
  /** 8 bytes / number of weights. */
  readonly bitsPerWeight: number;
  /** Share of zeros among the weights; undefined when it was not counted, or cannot be in this type. */
  readonly zeros?: number;
}

/** What {@link inspect} tells. */
export interface Inspection {
  /** `gpt2`, `gpt_neox`, `llama`, `qwen2`, `qwen3` or `bitnet`. */
  readonly architecture: string;
  /** Path, URL or name. */
  readonly source: string;
  /** Format of the file. */
  readonly kind: "safetensors" | "gguf";
  /** The configuration of the model that it would become. */
  readonly config: TransformerConfig;
  /** Number of weights. */
  readonly parameters: number;
  /** Bytes of all weights in memory. */
  readonly bytes: number;
  /** 8 bytes / parameters. */
  readonly bitsPerWeight: number;
  /** Share of zeros among packed and ternary weights, when there are any and they were counted. */
  readonly zeros?: number;
  /** Weights, those of all blocks together. */
  readonly weights: readonly InspectedWeight[];
  /** Memory of a prompt of up to 512 tokens in a session of up to 2048 positions. */
  readonly memory: MemoryPlan;
}

/**
 * Architecture, formats, bits a weight, share of zeros and memory of a checkpoint.
 *
 * @throws What {@link Model.fromPretrained} throws for files that do not fit together, E_IO, E_ABORTED, and what `onProgress` throws.
 */
export async function inspect(input: CheckpointInput, options: InspectOptions = {}): Promise<Inspection> {
  const core = await coreOf(options);
  const prepared = await prepare(input, core, options);
  try {
    const zeros = options.scan === false ? new Map<number, number>() : await scan(prepared, options);
    const { checkpoint, info, fills, spec } = prepared;
    const memory = planPrepared(core, prepared, { seq: Math.min(512, spec.ctx), capacity: Math.min(2048, spec.ctx), lastOnly: true });
    const weights = grouped(prepared, zeros);
    const packed = fills.filter((f) => zeros.has(f.index) && isTernary(f));
    const share = packed.reduce((n, f) => n + (zeros.get(f.index) as number), 0) / packed.reduce((n, f) => n + sizeOf(f), 0);
    const { config } = checkpoint.recipe;
    const { architecture, source, kind, bytes, bitsPerWeight } = info;
    const parameters = spec.params.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0);
    return { architecture, source, kind, config, parameters, bytes, bitsPerWeight, ...(packed.length > 0 ? { zeros: share } : {}), weights, memory };
  } finally {
    await prepared.checkpoint.close();
  }
}

function sizeOf({ param }: Fill): number {
  return param.shape.reduce((a, b) => a * b, 1);
}

function isTernary({ how, format }: Fill): boolean {
  return how === "absmean" || how === "ternary" || ["hf", "tq1_0", "tq2_0", "i2_s", "i2_s_neon", "q1_0"].includes(format);
}

/** Zeros by the index of the parameter; matrices only. Of a tensor that several parameters share, each gets its part. */
async function scan({ checkpoint, fills }: Prepared, options: InspectOptions): Promise<Map<number, number>> {
  const matrices = fills.filter(({ param }) => param.shape.length === 2);
  const progress = new Progress(checkpoint.name, matrices, options);
  progress.begin();
  const zeros = new Map<number, number>();
  const shared = new Map<string, number | undefined>();
  for (const fill of matrices) {
    const { tensor, index } = fill;
    if (fill.how === "absmean") {
      const { codes } = await codesOf(fill, progress.read);
      zeros.set(
        index,
        codes.reduce((n, c) => n + Number(c === 0), 0),
      );
      continue;
    }
    if (!shared.has(tensor.name)) shared.set(tensor.name, await countZeros(tensor, progress.read));
    const found = shared.get(tensor.name);
    const elements = fill.scale ? sizeOf(fill) : tensor.shape.reduce((a, b) => a * b, 1);
    if (found !== undefined) zeros.set(index, (found * sizeOf(fill)) / elements);
  }
  progress.ready();
  return zeros;
}

function grouped({ fills, info }: Prepared, zeros: ReadonlyMap<number, number>): InspectedWeight[] {
  const groups = new Map<string, Fill[]>();
  for (const fill of [...fills].sort((a, b) => a.index - b.index)) {
    const name = fill.param.name.replace(/^blocks\.\d+\./, "blocks.*.");
    const key = `${name} ${fill.tensor.type} ${fill.format} ${fill.param.shape.join("x")}`;
    groups.set(key, [...(groups.get(key) ?? []), fill]);
  }
  return [...groups.values()].map((list) => {
    const first = list[0] as Fill;
    const bytes = list.reduce((n, f) => n + (info.weights[f.index]?.bytes ?? 0), 0);
    const count = list.length * sizeOf(first);
    const counted = list.every((f) => zeros.has(f.index));
    const share = list.reduce((n, f) => n + (zeros.get(f.index) ?? 0), 0) / count;
    return {
      name: first.param.name.replace(/^blocks\.\d+\./, "blocks.*."),
      count: list.length,
      shape: first.param.shape,
      type: first.tensor.type,
      format: info.weights[first.index]?.format ?? "",
      bytes,
      bitsPerWeight: (8 * bytes) / count,
      ...(counted ? { zeros: share } : {}),
    };
  });
}
