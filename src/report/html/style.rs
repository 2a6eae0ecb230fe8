//! The pages' one style sheet: for screens of any width, for print, light and dark.

/// Colours are variables, so that the dark page is the same rules. Each part of the bar has a pattern of its own beside its
/// colour, and the legend its name.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a2433;--dim:#4f5d70;--page:#fff;--line:#d5dce6;--soft:#f3f5f9;--link:#0b57b0;\
--delivered:#2f855a;--unchanged:#5b8db8;--rejected:#c53030;--suppressed:#8a7440;--pending:#b7700f;--bad:#fdf0f0}\
@media (prefers-color-scheme:dark){:root{--ink:#e8edf4;--dim:#a9b6c7;--page:#12181f;--line:#334050;--soft:#1b242e;\
--link:#8ec2ff;--delivered:#4fb37f;--unchanged:#7fb2dc;--rejected:#f07a7a;--suppressed:#c9b06c;--pending:#e8a545;--bad:#3a1f22}}\
*{box-sizing:border-box}\
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1.5rem 1rem 3rem;color:var(--ink);\
background:var(--page);overflow-wrap:anywhere}\
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}\
p{margin:.5rem 0}.lead{font-size:1.15rem}.dim{color:var(--dim)}a{color:var(--link)}\
a:focus-visible{outline:3px solid var(--link);outline-offset:2px}\
code{font:.9em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:4px}\
.sign{display:inline-block;min-width:1.6em;height:1.6em;line-height:1.6em;text-align:center;border-radius:50%;\
color:var(--page);margin-right:.4em;font-weight:700}.good{background:var(--delivered)}.fair{background:var(--pending)}\
.poor{background:var(--rejected)}\
.bar{display:flex;height:1.6rem;border-radius:6px;overflow:hidden;background:var(--soft);gap:2px}.bar span{min-width:3px}\
.delivered{background:var(--delivered)}\
.unchanged{background:repeating-linear-gradient(90deg,var(--unchanged) 0 6px,transparent 6px 8px)}\
.rejected{background:repeating-linear-gradient(45deg,var(--rejected) 0 5px,transparent 5px 7px)}\
.suppressed{background:repeating-linear-gradient(0deg,var(--suppressed) 0 5px,transparent 5px 7px)}\
.pending{background:repeating-linear-gradient(-45deg,var(--pending) 0 8px,transparent 8px 10px)}\
.legend{list-style:none;margin:.75rem 0;padding:0;display:grid;gap:.35rem 1.5rem;\
grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))}\
.legend i{display:inline-block;width:1.1rem;height:1.1rem;border-radius:3px;margin-right:.5rem;vertical-align:-.15rem}\
.scroll{overflow-x:auto}.scroll th,.scroll td{overflow-wrap:normal}table{border-collapse:collapse;width:100%;margin:.5rem 0}\
caption{text-align:left;color:var(--dim);padding-bottom:.25rem}\
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}\
thead th{color:var(--dim);font-weight:600}tbody th{font-weight:500}\
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
figure{margin:.5rem 0}figcaption{color:var(--dim)}.chart{max-width:40rem}.chart svg{display:block;width:100%;height:auto}\
.chart [fill=\"#010101\"]{fill:var(--unchanged)}.chart [stroke=\"#010101\"]{stroke:var(--unchanged)}\
.chart [stroke=\"#020202\"]{stroke:var(--rejected)}.chart [fill=\"#030303\"]{fill:var(--dim)}\
.chart [stroke=\"#040404\"]{stroke:var(--line)}\
input,button{font:inherit;padding:.3rem .6rem;border:1px solid var(--dim);border-radius:6px;background:var(--soft);color:var(--ink)}\
form{margin:1rem 0}\
.error{border-left:5px solid var(--rejected);background:var(--bad);padding:.6rem 1rem;border-radius:0 6px 6px 0}\
.note{border-left:5px solid var(--pending);background:var(--soft);padding:.4rem 1rem;border-radius:0 6px 6px 0}\
.cause{border-top:1px solid var(--line);padding:.75rem 0}.cause h3{font-size:1rem;margin:0}\
@media (max-width:36rem){body{padding:1rem .75rem 2rem}h1{font-size:1.3rem}th,td{padding:.35rem .4rem}}\
@media print{:root{--page:#fff;--ink:#000;--dim:#333;--soft:#fff;--bad:#fff}body{max-width:none;padding:0;font-size:11pt}\
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}nav{display:none}h2,.cause,tr,figure{break-inside:avoid}h2{break-after:avoid}}";
