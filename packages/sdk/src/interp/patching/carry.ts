/** What receivers get when a sender's change reaches them and nothing between passes on more than it should. */
import { type ActivationCache, type Hook, type Model, type Tokens, TritlensError } from "tritlens";
import { firingOf, type Place, requireChoice } from "tritlens/interp";

/** What stays as in the corrupted run between sender and receivers: heads (MLPs pass the change on, as in Wang et al.), or heads and MLPs (direct paths only). */
export type Frozen = "heads" | "heads and MLPs";

/** Activations that are added to the residual stream, or are it. */
const WRITES = /hook_(z|result|attn_out|mlp_out|embed|pos_embed|resid_(pre|mid|post))$/;
const FROZEN: Readonly<Record<Frozen, RegExp>> = {
  heads: /\.attn\.hook_z$/,
  "heads and MLPs": /\.(attn\.hook_z|hook_mlp_out)$/,
};

/**
 * Prepares paths from senders to `receivers`. The function it returns runs the model up to the last receiver, with the sender's clean value and everything between frozen, and gives
 * the receivers' activations; undefined when the sender fires after all of them.
 *
 * @throws E_MODE for a sender that is not written to the residual stream, and for a receiver that is frozen; E_NAME, E_SHAPE, E_RANGE.
 */
export function pathCarrier(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  receivers: readonly Place[],
  freeze: Frozen,
): (sender: Place) => ActivationCache | undefined {
  if (receivers.length === 0) throw new TritlensError("E_SHAPE", "a path needs receivers", { expected: "at least one", found: "none" });
  const fired = new Map(model.hookNames.map((name, i) => [name, i]));
  requireChoice("kind of freezing", freeze, Object.keys(FROZEN));
  const frozen = model.hookNames.filter((name) => FROZEN[freeze].test(name));
  const order = receivers.map((r) => firingOf(model, r));
  for (const site of order) requireFree(model.hookNames[site] as string, frozen, freeze);
  const last = Math.max(...order);
  const corrupt = model.runWithCache(corruptedTokens, { names: frozen }).cache;
  const stop = /^blocks\.(\d+)\./.exec(model.hookNames[last] as string);
  return (sender) => {
    const first = firingOf(model, sender);
    requireWrites(model.hookNames[first] as string);
    if (first > last) return undefined;
    const between = frozen.filter((name) => (fired.get(name) as number) > first && (fired.get(name) as number) < last);
    const hooks: Hook[] = [
      [sender.name, { kind: "patch", value: cleanCache.get(sender.name), ...(sender.at ? { at: sender.at } : {}) }],
      ...between.map((name): Hook => [name, { kind: "patch", value: corrupt.get(name) }]),
    ];
    const names = receivers.map((r) => r.name);
    return model.runWithCache(corruptedTokens, { names, hooks, ...(stop ? { stopAtLayer: Number(stop[1]) + 1 } : {}) }).cache;
  };
}

function requireFree(name: string, frozen: readonly string[], freeze: Frozen): void {
  if (!frozen.includes(name)) return;
  throw new TritlensError("E_MODE", `"${name}" is frozen and cannot receive anything`, {
    expected: "an input: hook_q, hook_k, hook_v, mlp.hook_pre, hook_resid_post",
    found: `a receiver among the frozen ${freeze}`,
  });
}

function requireWrites(name: string): void {
  if (WRITES.test(name)) return;
  throw new TritlensError("E_MODE", `"${name}" writes nothing into the residual stream`, {
    expected: "a sender such as hook_z, hook_attn_out, hook_mlp_out, hook_embed",
    found: name,
  });
}
