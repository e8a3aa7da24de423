/** Our side of the section `generate` in a process of its own: `node contestant.mjs native|wasm`. */
import * as sdk from "tritlens";
import { answerLines } from "../answer.mjs";
import { engine } from "./engine.mjs";

await answerLines(engine(sdk, process.argv[2]));
