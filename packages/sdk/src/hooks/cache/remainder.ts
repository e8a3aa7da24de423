/** What the components of a stack leave of the residual stream. */
import { concat, subtract, sumOver } from "../../tensor/index.ts";
import { normed } from "./ln.ts";
import { ResidualStack } from "./stack.ts";
import { type CacheView, type PosSlice, stackOf, streamInto, takePos } from "./view.ts";

/** What every stack of parts of sublayers may have. */
export interface StackOptions {
  /** Also `remainder`: the stream into `layer` less the sum of the components. */
  readonly inclRemainder?: boolean | undefined;
  /** Centre and divide by the scale of the norm that their sum goes through. */
  readonly applyLn?: boolean | undefined;
  /** These positions only. */
  readonly posSlice?: PosSlice | undefined;
}

/** The stack with its remainder and norm, as the options say. */
export function finished(view: CacheView, stack: ResidualStack, layer: number, { inclRemainder, applyLn, posSlice }: StackOptions): ResidualStack {
  let whole = stack;
  if (inclRemainder) {
    const stream = takePos(streamInto(view, layer), posSlice);
    const rest = subtract(stream, sumOver(stack.tensor, "component"));
    whole = new ResidualStack(concat([stack.tensor, stackOf([rest], stream)], "component"), [...stack.labels, "remainder"]);
  }
  return applyLn ? normed(view, whole, layer, { posSlice }) : whole;
}
