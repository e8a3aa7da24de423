/** Activations that no node of the program holds: they are worked out from those around them, and only for a listener. */
import type { SiteDim } from "../../spec/index.ts";
import type { Tensor } from "../../tensor/index.ts";

/** {@link VirtualSite.after} of what is there before the run begins: the tokens. */
export const BEFORE = -1;

/** What hooks made of a virtual activation. */
export interface Change {
  /** As it was worked out. */
  readonly from: Tensor;
  /** As hooks left it. */
  readonly to: Tensor;
}

/** A virtual activation. It shows in the run at its targets: core sites that are computed from it later. */
export interface VirtualSite {
  /** TransformerLens's name. */
  readonly name: string;
  /** Index of the core site behind whose hooks it fires and from which it is worked out, or {@link BEFORE}. */
  readonly after: number;
  /** Indices of the core sites where a change shows. */
  readonly targets: readonly number[];
  /** Extents, as those of a core site. */
  readonly shape: readonly SiteDim[];
  /** Names of others that must not be changed in the same run. */
  readonly excludes: readonly string[];
  /** Works it out. @param base - The value of the site it fires behind. */
  read(base: Tensor): Tensor;
  /** Adds to the value of a target what a change makes of it. */
  write(target: number, value: Tensor, change: Change): void;
  /**
   * What the gradient at one target adds to the gradient here.
   *
   * @param base - The value of the site it fires behind.
   * @param value - What hooks made of it; undefined when nothing changed.
   */
  grad(target: number, grad: Tensor, base: Tensor, value: Tensor | undefined): Tensor;
  /** Adds a difference of gradients here to the gradient of the site it fires behind. */
  giveBack(grad: Tensor, difference: Tensor): void;
}
