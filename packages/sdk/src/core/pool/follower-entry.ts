/** The script of a follower: a Web Worker in browsers, a thread in Node. */

import { instantiate } from "../instantiate.ts";
import { follow } from "./follower.ts";
import { openLine } from "./line.ts";

const line = openLine();
// A page (or a test) that imports this module starts nothing.
if (line) follow(line, async (module) => (await instantiate(module)).core);
