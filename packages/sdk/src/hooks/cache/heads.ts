/** What single heads add to the residual stream. */
import { finished, type StackOptions } from "./remainder.ts";
import { ResidualStack } from "./stack.ts";
import { type CacheView, entriesOf, layerOf, stackOf, streamInto, takePos } from "./view.ts";

/** As {@link ActivationCache.stackHeadResults}. */
export function stackHeads(view: CacheView, layer: number | undefined, options: StackOptions = {}): ResidualStack {
  const to = layerOf(view, layer);
  const blocks = Array.from({ length: to }, (_, l) => entriesOf(takePos(view.get(`blocks.${l}.attn.hook_result`), options.posSlice), "head"));
  const like = takePos(streamInto(view, 0), options.posSlice);
  const labels = blocks.flatMap((heads, l) => heads.map((_, h) => `L${l}H${h}`));
  return finished(view, new ResidualStack(stackOf(blocks.flat(), like), labels), to, options);
}
