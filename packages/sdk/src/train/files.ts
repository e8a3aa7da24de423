/** Checkpoints on disk (Node), and models from checkpoints. */
import { TritlensError } from "../core/errors.ts";
import { Model, type ModelOptions } from "../hooks/index.ts";
import { readFileBytes, writeFileAtomic } from "../io/files.ts";
import { type Checkpoint, type ForeignOptions, parseCheckpoint, serializeCheckpoint } from "./checkpoint.ts";
import type { LiRun } from "./foreign.ts";

/** Writes a checkpoint atomically; the old file stays intact when anything fails. @throws E_IO. */
export async function saveCheckpoint(path: string, checkpoint: Omit<Checkpoint, "format">): Promise<void> {
  await writeFileAtomic(path, await serializeCheckpoint(checkpoint));
}

/**
 * Reads a checkpoint of any of the three origins (see `parseCheckpoint`). For Li's, the run's JSON is looked for beside the file (NAME.json).
 *
 * @throws E_IO, E_FORMAT, E_CHECKPOINT.
 */
export async function loadCheckpoint(path: string, options: ForeignOptions = {}): Promise<Checkpoint> {
  const bytes = await readFileBytes(path);
  const run = options.run ?? (await siblingRun(path));
  return parseCheckpoint(bytes, { ...options, ...(run ? { run } : {}) });
}

/** NAME.json beside NAME.safetensors, when there is one. */
async function siblingRun(path: string): Promise<LiRun | undefined> {
  const sibling = path.replace(/\.safetensors$/, ".json");
  if (sibling === path) return undefined;
  let text: string;
  try {
    text = new TextDecoder().decode(await readFileBytes(sibling));
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as LiRun;
  } catch (cause) {
    throw new TritlensError("E_CHECKPOINT", `${sibling} is no JSON`, { expected: "the JSON of a run", found: text.slice(0, 20), cause });
  }
}

/** A model with a checkpoint's architecture and parameters. @throws E_CHECKPOINT when parameters are missing or do not fit. */
export function modelFromCheckpoint(checkpoint: Checkpoint, options: ModelOptions = {}): Model {
  const model = Model.fromConfig(checkpoint.config, options);
  try {
    loadParams(model, checkpoint);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Puts a checkpoint's parameters into a model of the same architecture. @throws E_CHECKPOINT. */
export function loadParams(model: Model, checkpoint: Checkpoint): void {
  try {
    model.loadStateDict(checkpoint.params);
  } catch (cause) {
    if (!(cause instanceof TritlensError) || (cause.code !== "E_NAME" && cause.code !== "E_SHAPE")) throw cause;
    const { expected, found } = cause;
    throw new TritlensError("E_CHECKPOINT", `the checkpoint does not fit: ${cause.message}`, {
      ...(expected ? { expected } : {}),
      ...(found ? { found } : {}),
      cause,
    });
  }
}
