// Work that takes a while (a verdict, a promotion, a what-if): started once, asked after, its words shown as they are.
import { Problem, Progress, fmt, get, html, post, useEffect, useState } from "./kit.js";

const NAMES = { judge: "asking the receipts", promote: "judging and promoting", simulate: "replaying decisions", test: "deciding for the test personas", publish: "judging and publishing", rollback_policy: "rolling back", rollback_bundle: "rolling back", drift: "comparing with training" };

export function useJob(onDone) {
  const [state, setState] = useState(null);
  useEffect(() => {
    if (!state?.job || state.told?.running === false) return undefined;
    const timer = setTimeout(async () => {
      try {
        const told = await get(`jobs/${state.job}`);
        setState({ ...state, told, tick: (state.tick || 0) + 1 });
        if (!told.running) onDone?.(told);
      } catch (error) {
        setState({ error });
      }
    }, state.told ? 700 : 250);
    return () => clearTimeout(timer);
  }, [state]);
  const start = async (what, given = {}) => {
    setState({ what });
    try {
      setState({ what, ...(await post("jobs", { what, ...given })) });
    } catch (error) {
      setState({ error });
    }
  };
  return { what: state?.what, told: state?.told, error: state?.error, busy: Boolean(state && !state.error && (!state.told || state.told.running)), start, clear: () => setState(null) };
}

// folded: its words are told beside it, so the verb's own stay closed.
export function JobState({ job, good, bad, folded }) {
  if (job.error) return html`<${Problem} error=${job.error} />`;
  if (job.busy) return html`<${Progress} step=${NAMES[job.what] || job.what} share=${0} elapsedMs=${1000 * (job.told?.elapsed_s || 0)} />`;
  if (!job.told) return null;
  const fine = job.told.exit === 0;
  return html`<div class=${`alert ${fine ? "good" : "bad"}`} role="status"><strong>${fine ? good || "Done." : bad || "Refused."}</strong> <span class="note">${fmt.span(job.told.elapsed_s)}</span>
    ${job.told.said && html`<details open=${!fine && !folded}><summary>What it said</summary><pre class="code">${job.told.said}</pre></details>`}</div>`;
}
