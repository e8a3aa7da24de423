/** Writes models in other programs' formats. */
import { platform } from "#platform";
import { ARCHITECTURES } from "../../checkpoint/recipe.ts";
import { TritlensError, unknownName } from "../../core/errors.ts";
import type { Model } from "../../hooks/index.ts";
import { type ByteSink, type WriteTarget, writeGguf, writeSafetensors } from "../../io/index.ts";
import { asFiles, asMetadata, findCompanions } from "./companions.ts";
import { planGguf } from "./gguf.ts";
import { planHf } from "./hf.ts";
import { DTYPES, GGUF_TYPES, SAVE_FORMATS, type Saved, type SaveOptions, type SaveTarget } from "./options.ts";

/**
 * Writes a model so that other programs, and `Model.fromPretrained`, read it. Without loss, or not at all: whatever could not be read back as it is gives a typed error, unless `lossy` allows it. That holds
 * for the function, too: the names and numbers that are written are read back with the loader's own recipe, and a model that no architecture of transformers or llama.cpp computes is refused with the field that differs.
 *
 * One tensor is in memory at a time. A path holds the old file or the new one, never half of one; a full disk or an abort leaves nothing behind.
 *
 * Not for training runs: `train` has checkpoints that resume.
 *
 * @example
 * ```ts
 * await saveModel(packed, "out.gguf", { format: "gguf", ggufType: "tq1_0" });
 * const { notes } = await saveModel(model, "folder", { format: "safetensors", dtype: "bf16" });
 * ```
 * @throws E_SPEC, E_MODE, E_FORMAT, E_SHAPE, E_NAME for what the format cannot hold; E_IO, E_ABORTED.
 */
export async function saveModel(model: Model, target: SaveTarget, options: SaveOptions): Promise<Saved> {
  check(options);
  return options.format === "gguf" ? saveGguf(model, target, options) : saveHf(model, target, options);
}

function check({ format, dtype, ggufType, architecture }: SaveOptions): void {
  if (!SAVE_FORMATS.includes(format)) throw unknownName("format", String(format), SAVE_FORMATS);
  if (dtype !== undefined && !DTYPES.includes(dtype)) throw unknownName("dtype", String(dtype), DTYPES);
  if (ggufType !== undefined && !GGUF_TYPES.includes(ggufType)) throw unknownName("type of matrices in a GGUF", String(ggufType), GGUF_TYPES);
  if (architecture !== undefined && !ARCHITECTURES.includes(architecture)) throw unknownName("architecture", String(architecture), ARCHITECTURES);
  if (ggufType !== undefined && format !== "gguf")
    throw new TritlensError("E_MODE", "ggufType goes with the format gguf", { expected: "no ggufType", found: `${ggufType} with ${format}` });
}

async function saveGguf(model: Model, target: SaveTarget, options: SaveOptions): Promise<Saved> {
  const plan = await planGguf(model, options);
  const tokenizer = await asMetadata(await findCompanions(model, options), model.spec.vocab);
  const metadata = new Map([...plan.metadata, ...tokenizer.metadata]);
  const file = typeof target === "string" ? target : "model.gguf";
  const bytes = await writeGguf(typeof target === "string" ? target : target(file), { metadata, tensors: plan.tensors }, writeOptions(options));
  return {
    architecture: plan.architecture,
    files: [file],
    bytes,
    tensors: plan.tensors.map(plain),
    notes: [...plan.notes, ...tokenizer.notes],
  };
}

async function saveHf(model: Model, target: SaveTarget, options: SaveOptions): Promise<Saved> {
  const plan = await planHf(model, options);
  const tokenizer = await asFiles(await findCompanions(model, options));
  const [weights, config] = ["model.safetensors", "config.json"];
  const text = new TextEncoder().encode(`${JSON.stringify(plan.config, null, 2)}\n`);
  const undo = typeof target === "string" ? await platform.makeFolder(target) : async () => undefined;
  const at = (file: string): WriteTarget => (typeof target === "string" ? `${target}/${file}` : target(file));
  try {
    const metadata = new Map([["format", "pt"]]);
    const bytes = await writeSafetensors(at(weights), { tensors: plan.tensors, metadata }, writeOptions(options));
    for (const [file, content] of tokenizer.files) await writeWhole(at(file), content);
    await writeWhole(at(config), text);
    const tensors = plan.tensors.map(({ name, dtype, shape }) => ({ name, type: dtype, shape }));
    return {
      architecture: plan.architecture,
      files: [weights, ...tokenizer.files.keys(), config],
      bytes,
      tensors,
      notes: tokenizer.notes,
    };
  } catch (error) {
    await undo();
    throw error;
  }
}

async function writeWhole(target: WriteTarget, bytes: Uint8Array): Promise<void> {
  if (typeof target === "string") await platform.writeFileAtomic(target, bytes);
  else await fill(target, bytes);
}

async function fill(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  try {
    await sink.write(bytes);
    await sink.commit();
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

function writeOptions({ signal, onProgress }: SaveOptions) {
  return { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
}

function plain({ name, type, shape }: { name: string; type: string; shape: readonly number[] }) {
  return { name, type, shape };
}
