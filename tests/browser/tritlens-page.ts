/** What the test pages put on `globalThis`, with its types. Functions that run in the page can use nothing else of this file. */
import type * as sdk from "tritlens";
import type * as interp from "tritlens/interp";
import type * as models from "tritlens/models";
import type * as plots from "tritlens/plots";
import type * as worker from "tritlens/worker";

declare global {
  /** The bundle of dist/browser, in pages; the tests themselves never touch it. */
  var tritlens: typeof sdk & typeof interp & typeof models & typeof plots & typeof worker;
}
