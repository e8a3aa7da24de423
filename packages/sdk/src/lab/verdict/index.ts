/** From numbers to words, by stated rules. */
export {
  type Circuit,
  type CircuitChecks,
  type ClockOrPizza,
  checkCircuit,
  judgeCircuit,
  judgeClock,
  RULES,
  type RunNumbers,
  rulesInWords,
  uniformAttention,
} from "./rules.ts";
export {
  type Comparison,
  compare,
  type JudgedRun,
  judgeModes,
  type ModeFinding,
  type ModeVerdict,
  majority,
  type Spread,
  spread,
  type Verdict,
} from "./verdict.ts";
export { headline, verdictOf } from "./words.ts";
