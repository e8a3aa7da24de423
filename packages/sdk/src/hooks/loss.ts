/** The scalar whose gradient a run takes. */
import { requireAttached, TritlensError } from "../core/errors.ts";
import { requireLength, type Tensor } from "../tensor/index.ts";
import { requireKnown } from "./known-options.ts";
import type { AsyncRunOptions, CacheOptions, Loss } from "./options.ts";
import type { Run } from "./run.ts";

/** Options must be known; gradients need a loss and the whole run. @throws E_NAME, E_SHAPE, E_RANGE. */
export function requireLoss(options: CacheOptions | AsyncRunOptions): void {
  requireKnown(options);
  const grads = ("inclGrad" in options && options.inclGrad) || ("paramGrads" in options && options.paramGrads) || options.gradHooks?.length;
  if (!grads) return;
  if (options.loss === undefined) throw new TritlensError("E_RANGE", "gradients need a loss", { expected: "the option loss", found: "none" });
  if (options.stopAtLayer !== undefined)
    throw new TritlensError("E_RANGE", "gradients need the whole run", { expected: "no stopAtLayer", found: String(options.stopAtLayer) });
}

/** Seeds the backward pass; returns the loss when it is a cross-entropy. */
export function applyLoss(run: Run, loss: Loss, logits: Tensor, backwards: boolean): number | undefined {
  if (typeof loss !== "function" && "targets" in loss) return run.loss(targetsOf(loss.targets));
  if (!backwards) return undefined;
  const given = typeof loss === "function" ? loss(logits) : loss.grad;
  const grad = given instanceof Float32Array ? given : given.data;
  requireAttached("the gradient of the loss", grad);
  requireLength("the gradient of the loss", logits.size, grad.length);
  run.seedGrad(grad);
  return undefined;
}

function targetsOf(targets: ArrayLike<number>): Int32Array {
  if (targets instanceof Int32Array) {
    requireAttached("the targets", targets);
    return targets;
  }
  const list = Array.from(targets);
  const wrong = list.findIndex((x) => !Number.isInteger(x));
  if (wrong >= 0) throw new TritlensError("E_RANGE", `target ${wrong} is no class`, { expected: "an integer", found: String(list[wrong]) });
  return Int32Array.from(list);
}
